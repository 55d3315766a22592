"""Connecting against real sockets: names, addresses, silence, queues, and nothing left open."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import statistics
import threading
import time
from pathlib import Path

import pytest

from servers import peers
from startupctl.addresses import Endpoint
from startupctl.diagnose import diagnose
from startupctl.diagnosis import FailureClass, Phase
from startupctl.failures import ConnectionBroken
from startupctl.threads import in_thread
from startupctl.wire.connect import IN_FLIGHT, connect
from support import make_run

pytestmark = pytest.mark.anyio

HOST = "127.0.0.1"
SYN_SENT = "02"  # as /proc/net/tcp writes it


@pytest.fixture(autouse=True)
def nothing_left_open():
    """Fail (by a ResourceWarning) for every socket that was dropped without being closed."""
    yield
    gc.collect()


async def failure_of(endpoint, run=None):
    with pytest.raises(ConnectionBroken) as caught:
        (await connect(endpoint, run or make_run(2))).close()
    return caught.value


async def code_of(endpoint, run=None):
    return diagnose(await failure_of(endpoint, run)).code.code


async def test_an_open_port_is_connected_without_blocking(peer, run):
    port = peer(peers.hang)
    with await connect(Endpoint(HOST, port), run) as connected:
        assert connected.getpeername() == (HOST, port)
        assert connected.gettimeout() == 0
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_closed_port_is_refused_at_once(free_port):
    started = time.monotonic()
    error = await failure_of(Endpoint(HOST, free_port()), make_run(30))
    found = diagnose(error)
    assert (found.code.code, found.failure, found.phase) == ("NET001", FailureClass.WAITING, Phase.CONNECT)
    assert time.monotonic() - started < 5


async def test_the_second_address_of_a_name_is_tried_when_the_first_refuses(peer, run):
    port = peer(peers.hang)  # `localhost` is ::1 as well on most machines, where nobody listens
    with await connect(Endpoint("localhost", port), run) as connected:
        assert connected.getpeername()[1] == port


async def test_a_name_all_of_whose_addresses_refuse_is_refused(free_port):
    assert await code_of(Endpoint("localhost", free_port())) == "NET001"


async def test_an_address_of_version_six_is_connected(run):
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with listener:
        endpoint = Endpoint("::1", listener.getsockname()[1])
        with await connect(endpoint, run) as connected:
            assert connected.getpeername()[:2] == ("::1", endpoint.port)
    assert await code_of(endpoint) == "NET001"


# names


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("startupctl-test.invalid", {"NET005", "NET006"}),  # no such name, or no resolver on this machine
        ("a" * 64 + ".example", {"NET008"}),
        ("two..dots.example", {"NET008"}),
    ],
)
async def test_a_name_that_does_not_resolve_is_told_in_its_phase(name, codes):
    error = await failure_of(Endpoint(name, 80), make_run(20))
    assert error.phase is Phase.RESOLVE
    assert diagnose(error).code.code in codes


# silence


async def test_a_connect_that_nobody_answers_ends_with_its_timeout(full_backlog):
    error = await failure_of(Endpoint(HOST, full_backlog()), make_run(30, connect_timeout=0.3))
    found = diagnose(error)
    assert (found.code.code, found.failure) == ("NET002", FailureClass.SILENT)
    assert found.facts["seconds"] == pytest.approx(0.3, abs=0.3)


async def test_the_attempt_bounds_the_connect_too_and_the_diagnosis_tells_how_long_it_was(full_backlog):
    error = await failure_of(Endpoint(HOST, full_backlog()), make_run(0.3, connect_timeout=60))
    assert diagnose(error).facts["seconds"] < 10


def unanswered(port):
    """Count the connects to a port that wait for an answer."""
    wanted = f":{port:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[2].endswith(wanted) and line[3] == SYN_SENT for line in lines)


async def test_while_nothing_answers_connects_are_staggered_and_few(full_backlog):
    port = full_backlog()
    before = unanswered(port)  # those that fill the queue
    connecting = asyncio.ensure_future(failure_of(Endpoint(HOST, port), make_run(30, connect_timeout=1.2)))
    counts = []
    while not connecting.done():
        counts.append(await in_thread(unanswered, port) - before)
        await asyncio.sleep(0.02)
    assert counts[0] <= 1
    assert statistics.mode(counts[len(counts) // 2 :]) == IN_FLIGHT
    assert max(counts) <= IN_FLIGHT + 1  # one is let go in the moment another begins
    await asyncio.sleep(0)
    assert await in_thread(unanswered, port) == before


@contextlib.contextmanager
def opening_late(seconds):
    """Listen with a full queue and accept only after so many seconds; yields the port and when it opened."""
    opened = []
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((HOST, 0))
        listener.listen(0)
        for _ in range(2):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())

        def accept():
            time.sleep(seconds)
            opened.append(time.monotonic())
            with contextlib.suppress(OSError):
                while True:
                    stack.callback(listener.accept()[0].close)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        stack.callback(thread.join, 5)
        stack.callback(listener.shutdown, socket.SHUT_RDWR)
        yield listener.getsockname()[1], opened


async def test_a_server_that_begins_to_accept_is_found_before_the_kernel_would_ask_again():
    with opening_late(1.2) as (port, opened):
        (await connect(Endpoint(HOST, port), make_run(30))).close()
        found = time.monotonic() - opened[0]
    assert found < 1.5  # the kernel re-sends an unanswered SYN after 1, 3 and 7 seconds: at 1.8 from the opening


async def test_a_cancelled_connect_closes_its_sockets(full_backlog):
    port = full_backlog()
    before = unanswered(port)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await connect(Endpoint(HOST, port), make_run(30))
    await asyncio.sleep(0)
    assert await in_thread(unanswered, port) == before


# unix sockets


@pytest.fixture
def folder(tmp_path):
    """A folder whose path leaves room for a socket's name."""
    short = Path("/tmp") / f"startupctl-{os.getpid()}-{id(tmp_path):x}"
    short.mkdir()
    yield short
    for path in short.iterdir():
        path.unlink()
    short.rmdir()


async def test_a_socket_file_is_connected_and_is_relative_to_the_manifest(folder):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "app.sock"))
        server.listen()
        with await connect(Endpoint(path="app.sock"), make_run(folder=folder)) as connected:
            assert connected.getpeername() == str(folder / "app.sock")


async def test_a_socket_file_that_is_missing_stale_or_none_at_all_is_refused(folder):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "stale"))
    (folder / "file").write_text("no socket")
    for name in ("missing", "stale", "file"):
        assert await code_of(Endpoint(path=str(folder / name))) == "NET001"


async def test_a_socket_below_a_file_or_of_another_type_is_blocked_here(folder):
    (folder / "file").write_text("no folder")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(folder / "datagrams"))
        for path in (folder / "file" / "app.sock", folder / "datagrams"):
            assert await code_of(Endpoint(path=str(path))) == "NET010"


async def test_a_socket_path_that_is_too_long_is_told(folder):
    assert await code_of(Endpoint(path=str(folder / ("s" * 120)))) == "CFG002"


@pytest.fixture
def full_socket(folder):
    """A unix socket whose queue is full."""
    path = str(folder / "full.sock")
    with socket.socket(socket.AF_UNIX) as server, contextlib.ExitStack() as stack:
        server.bind(path)
        server.listen(0)
        for _ in range(3):
            filler = stack.enter_context(socket.socket(socket.AF_UNIX))
            filler.setblocking(False)
            filler.connect_ex(path)
        yield server, path


async def test_a_socket_whose_queue_is_full_is_silent_and_not_connected(full_socket):
    _, path = full_socket
    assert await code_of(Endpoint(path=path), make_run(30, connect_timeout=0.3)) == "NET002"


async def test_a_socket_whose_queue_empties_is_connected(full_socket):
    server, path = full_socket
    connecting = asyncio.ensure_future(connect(Endpoint(path=path), make_run(30)))
    await asyncio.sleep(0.1)
    accepted = [server.accept()[0] for _ in range(1)]
    with await connecting as connected:
        assert connected.getpeername() == path
    for one in accepted:
        one.close()
