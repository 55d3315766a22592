"""How soon a server that becomes ready is noticed, and what waiting for it costs.

One process waits through the library's engine for a server that a second one opens at a random moment;
the delay is from the moment the server answers to the end of the component.
"""

import asyncio
import contextlib
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from measure import verdict

from startupctl.embedded.postgres import PostgreSQL, reachable_install, wheel_install
from startupctl.embedded.process import free_port
from startupctl.embedded.valkey import Valkey, wheel_program
from startupctl.engine import Options, run_plan
from startupctl.kinds.postgres import Postgres
from startupctl.kinds.redis import Redis
from startupctl.kinds.tcp import Tcp
from startupctl.model import Component, Manifest, Policy
from startupctl.plan import make_plan

ROUNDS = 20
CPU_SECONDS = 6


def wait_for(check):
    """Wait until the component is ready; return the moment."""
    component = Component("target", "any", check=check, policy=Policy(timeout=30))
    report = asyncio.run(run_plan(make_plan(Manifest({"target": component})), Options()))
    if report.exit_code:
        sys.exit(f"not ready: {report.outcomes['target'].diagnosis}")
    return time.monotonic()


def delay(check, start):
    """Return the seconds from readiness to its being noticed; `start` returns the moment of readiness."""
    moment = []
    thread = threading.Timer(random.uniform(0.2, 0.6), lambda: moment.append(start()))
    thread.start()
    noticed = wait_for(check)
    thread.join()
    return max(0.0, noticed - moment[0])


def tcp_delays():
    for _ in range(ROUNDS):
        port, listeners = free_port(), []

        def start(port=port, listeners=listeners):
            listeners.append(socket.create_server(("127.0.0.1", port)))
            return time.monotonic()

        yield delay(Tcp(address=f"127.0.0.1:{port}"), start)
        listeners[0].close()


def server_delays(make, check):
    """Start and stop one server again and again; readiness is when an independent poller is answered."""
    server = make()
    for _ in range(ROUNDS):

        def start():
            server.start(wait=False)
            while not answered(server):
                time.sleep(0.001)
            return time.monotonic()

        yield delay(check(server), start)
        server.stop()


def answered(server):
    """Whether the server answers its protocol: a start-up packet or a PING."""
    with contextlib.suppress(OSError), socket.create_connection((server.host, server.port), 0.5) as peer:
        if server.name == "valkey":
            peer.sendall(b"PING\r\n")
            return peer.recv(1) == b"+"
        body = b"\0\3\0\0user\0postgres\0database\0postgres\0\0"
        peer.sendall((len(body) + 4).to_bytes(4, "big") + body)
        return peer.recv(1) == b"R"
    return False


def cpu_share():
    """Return the share of a core that waiting for a closed port takes."""
    script = f"""
import asyncio
from startupctl.engine import Options, run_plan
from startupctl.kinds.postgres import Postgres
from startupctl.model import Component, Manifest, Policy
from startupctl.plan import make_plan
import time, resource
def run(seconds):
    component = Component("t", "postgres", check=Postgres(url="postgres://u:p@127.0.0.1:{free_port()}/d"), policy=Policy(timeout=seconds))
    asyncio.run(run_plan(make_plan(Manifest({{"t": component}})), Options()))
run(0.5)
before = resource.getrusage(resource.RUSAGE_SELF); began = time.monotonic()
run({CPU_SECONDS})
after = resource.getrusage(resource.RUSAGE_SELF)
print((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / (time.monotonic() - began))
"""
    return float(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout)


def judge(name, delays):
    delays = sorted(delays)
    met = verdict(f"noticing {name}, median", statistics.median(delays) * 1000, 25, " ms")
    return verdict(f"noticing {name}, p95", delays[int(len(delays) * 0.95) - 1] * 1000, 60, " ms") and met


def main():
    with tempfile.TemporaryDirectory(prefix="startupctl-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        homes = {kind: folder / kind for kind in ("postgres", "valkey")}
        for home in homes.values():
            home.mkdir()
        install = reachable_install(wheel_install(), folder)
        postgres = server_delays(
            lambda: PostgreSQL(homes["postgres"], install=install, password="bench"),
            lambda one: Postgres(url=one.url()),
        )
        valkey = server_delays(
            lambda: Valkey(homes["valkey"], program=wheel_program()), lambda one: Redis(url=one.url())
        )
        met = judge("TCP", tcp_delays())
        met &= judge("PostgreSQL", postgres)
        met &= judge("Redis", valkey)
    met &= verdict("processor while waiting", cpu_share() * 100, 3, " % of a core")
    return met


sys.exit(not main())
