"""300 small migrations on an empty database, fsync on: the whole process against dbmate on the same server."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from measure import STARTUPCTL, postgres, rows, verdict

FILES, ROUNDS = 300, 7
MANIFEST = """\
version: 1
components:
  database: {kind: postgres, url: "${DATABASE_URL}", migrations: {dir: migrations}}
"""
MIGRATION = """\
-- migrate:up
CREATE TABLE t{0} (id bigint PRIMARY KEY, name text NOT NULL);
INSERT INTO t{0} VALUES (1, 'one');

-- migrate:down
DROP TABLE t{0};
"""
DBMATE = [str(Path(sys.executable).with_name("dbmate")), "--migrations-dir=migrations", "--no-dump-schema"]


def write_files(folder):
    """Write the manifest and the migrations."""
    (folder / "startup.yaml").write_text(MANIFEST)
    (folder / "migrations").mkdir()
    for number in range(FILES):
        name = f"{20260101000000 + number}_t{number}.sql"
        (folder / "migrations" / name).write_text(MIGRATION.format(number))


def timed(command, server, name, folder):
    """Return the seconds one tool takes on a database of its own."""
    rows(server, f"CREATE DATABASE {name}")
    env = {**os.environ, "DATABASE_URL": server.url(name) + "?sslmode=disable"}
    started = time.perf_counter()
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, check=False)
    spent = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{command} ended with {done.returncode}: {done.stderr.decode()[-2000:]}")
    if rows(server, "SELECT count(*) FROM pg_class WHERE relname ~ '^t[0-9]+$'", name) != [(FILES,)]:
        sys.exit(f"{command} did not apply all files")
    rows(server, f"DROP DATABASE {name}")
    return spent


with postgres(fsync="on", full_page_writes="on") as (server, folder):
    write_files(folder)
    ours, theirs = [], []
    for number in range(ROUNDS + 1):  # in turns; the first round warms the caches
        theirs.append(timed([*DBMATE, "up"], server, f"theirs{number}", folder))
        ours.append(timed([*STARTUPCTL, "init-db", "-q"], server, f"ours{number}", folder))
ratio = statistics.median(ours[1:]) / statistics.median(theirs[1:])
print(f"dbmate: {statistics.median(theirs[1:]):.2f} s, startupctl: {statistics.median(ours[1:]):.2f} s")
sys.exit(not verdict(f"{FILES} migrations, whole process / dbmate", ratio, 1.1, " x"))
