"""What the figures share: commands measured side by side in one run, medians, and a line that says the ratio.

Machines are shared and noisy: times mean little, the ratio of two medians taken in turns means something.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

PYTHON = sys.executable
STARTUPCTL = [str(Path(PYTHON).with_name("startupctl"))]
# pip compiles what it installs; here, where the package is installed editable, the round that warms up does
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
IMPORT_FLOOR = "import typer, rich.live, rich.table, pydantic, yaml, asyncio, urllib3"


def medians(rounds, *commands, env=None, cwd=None):
    """Run the commands in turns; return the median seconds of each. A command that fails ends the benchmark."""
    spent = [[] for _ in commands]
    for _ in range(rounds + 1):
        for times, command in zip(spent, commands, strict=True):
            started = time.perf_counter()
            done = subprocess.run(command, capture_output=True, env=env, cwd=cwd, check=False)
            times.append(time.perf_counter() - started)
            if done.returncode:
                sys.exit(f"{command} ended with {done.returncode}: {done.stderr.decode()[-2000:]}")
    return [statistics.median(times[1:]) for times in spent]  # the first round warms the caches


def peak_memory(command, env=None, cwd=None):
    """Return the peak resident memory of one run, in MiB."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env, cwd=cwd)
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return usage.ru_maxrss / 1024


def cpu_seconds():
    """Return the processor time of the children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def imported_drivers(command, env=None, cwd=None):
    """Return the drivers that a command imports."""
    timed = {**(env or os.environ), "PYTHONPROFILEIMPORTTIME": "1"}
    done = subprocess.run(command, capture_output=True, env=timed, cwd=cwd, check=False)
    names = {
        line.rpartition(b"|")[2].strip().decode()
        for line in done.stderr.splitlines()
        if line.startswith(b"import time:")
    }
    return sorted(names & {"psycopg", "redis", "clickhouse_connect", "chdb", "sqlite3"})


def verdict(figure, value, budget, unit=""):
    """Print one line; return whether the budget is met."""
    met = value <= budget
    print(f"{figure}: {value:.2f}{unit} (budget {budget:g}{unit}) {'ok' if met else 'OVER'}", flush=True)
    return met


@contextmanager
def postgres(**settings):
    """Start a PostgreSQL with these settings; yield it and an empty folder."""
    from startupctl.embedded.postgres import PostgreSQL, reachable_install, wheel_install

    with TemporaryDirectory(prefix="startupctl-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        work, home = folder / "work", folder / "postgres"
        work.mkdir()
        home.mkdir()
        install = reachable_install(wheel_install(), folder)
        with PostgreSQL(home, install=install, password="bench-password", settings=settings) as server:
            yield server, work


def rows(server, statement, database="postgres"):
    """Return the rows of a statement; superuser, autocommit."""
    import psycopg

    with psycopg.connect(server.url(database), autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def stack():
    """Start PostgreSQL, Valkey and the ClickHouse engine; yield a folder with a manifest, and its environment."""
    from startupctl.embedded.clickhouse import ClickHouse
    from startupctl.embedded.postgres import PostgreSQL, reachable_install, wheel_install
    from startupctl.embedded.valkey import Valkey, wheel_program

    with TemporaryDirectory(prefix="startupctl-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        homes = [folder / kind for kind in ("postgres", "valkey", "clickhouse")]
        for home in homes:
            home.mkdir()
        install = reachable_install(wheel_install(), folder)
        with (
            PostgreSQL(homes[0], install=install, password="bench-password") as postgres,
            Valkey(homes[1], program=wheel_program()) as valkey,
            ClickHouse(homes[2], users={"app": "bench-password"}) as clickhouse,
        ):
            (folder / "startup.yaml").write_text(MANIFEST)
            urls = {"DATABASE_URL": postgres.url(), "REDIS_URL": valkey.url(), "CLICKHOUSE_URL": clickhouse.url()}
            yield folder, {**os.environ, **urls}


MANIFEST = """\
version: 1
components:
  database: {kind: postgres, priority: CRITICAL, url: "${DATABASE_URL}"}
  cache: {kind: redis, url: "${REDIS_URL}"}
  events: {kind: clickhouse, priority: MEDIUM, url: "${CLICKHOUSE_URL}", depends_on: [database]}
"""
