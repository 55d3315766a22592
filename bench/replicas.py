"""20 replicas of `init-db` at once on an empty database: 30 files, 5 of them build an index CONCURRENTLY.

20 processes at once cost their start on few cores, whatever they do: what the race costs is the time of
20 replicas less that of 20 that find nothing to do, against one replica alone.
"""

import os
import statistics
import subprocess
import sys
import time

from measure import STARTUPCTL, postgres, rows, verdict

REPLICAS, ROUNDS = 20, 5
COMMAND = [*STARTUPCTL, "init-db", "-q"]
MANIFEST = """\
version: 1
settings: {fail_on: LOW}
components:
  database: {kind: postgres, url: "${DATABASE_URL}", create: true, migrations: {dir: migrations}}
"""


def write_files(folder):
    """Write the manifest and 30 migrations; every sixth builds an index."""
    (folder / "startup.yaml").write_text(MANIFEST)
    (folder / "migrations").mkdir()
    for number in range(1, 31):
        sql = f"CREATE TABLE t{number} (id bigint PRIMARY KEY, name text);\n"
        if number % 6 == 0:
            sql = f"CREATE INDEX CONCURRENTLY i{number} ON t{number - 1} (name);\n"
        (folder / "migrations" / f"{number:03}_step.sql").write_text(sql)


def raced(replicas, server, name, folder):
    """Return the seconds until the last of the replicas ended; all of them must succeed."""
    env = {**os.environ, "DATABASE_URL": server.url(name)}
    started = time.perf_counter()
    running = [
        subprocess.Popen(COMMAND, env=env, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(replicas)
    ]
    said = [process.communicate()[0] for process in running]
    spent = time.perf_counter() - started
    for process, text in zip(running, said, strict=True):
        if process.returncode:
            sys.exit(f"a replica ended with {process.returncode}: {text.decode()[-2000:]}")
    return spent


def require_whole(server, name):
    """Leave unless every file was applied once and every index is whole."""
    applied = rows(server, "SELECT count(*), count(DISTINCT version) FROM startupctl_migrations", name)
    broken = rows(server, "SELECT count(*) FROM pg_index WHERE NOT indisvalid", name)
    if (applied, broken) != ([(30, 30)], [(0,)]):
        sys.exit(f"{name}: {applied} applied, {broken} broken indexes")


with postgres(fsync="on", full_page_writes="on", max_connections="200") as (server, folder):
    write_files(folder)
    alone, race, idle = [], [], []
    for number in range(ROUNDS):
        alone.append(raced(1, server, f"alone{number}", folder))
        race.append(raced(REPLICAS, server, f"race{number}", folder))
        idle.append(raced(REPLICAS, server, f"race{number}", folder))
        require_whole(server, f"race{number}")
one, many, nothing = map(statistics.median, (alone, race, idle))
print(f"one replica: {one:.2f} s, {REPLICAS} at once: {many:.2f} s, {REPLICAS} with nothing to do: {nothing:.2f} s")
sys.exit(not verdict(f"{REPLICAS} replicas beyond their start / one replica", (many - nothing) / one, 2, " x"))
