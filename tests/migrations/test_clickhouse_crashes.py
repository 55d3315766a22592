"""Client or server end in any moment; what comes out is what an undisturbed run makes. CRASHES says how often."""

import itertools
import os
import random
import signal
import subprocess
import time

import anyio
import pytest

from servers.command_line import PROGRAM
from startupctl.check import Mode
from startupctl.kinds.clickhouse import ClickHouse
from startupctl.migrations.files import read_directory
from startupctl.threads import in_thread
from support import make_run

CRASHES = int(os.environ.get("CRASHES", "8"))
NUMBERS = itertools.count(1)
MANIFEST = """
version: 1
name: events
components:
  locks: {{kind: postgres, url: "{lender}"}}
  events: {{kind: clickhouse, url: "{url}", create: true, migrations: {{dir: ch}}, depends_on: [locks]}}
"""
HAS_COLUMN = "SELECT count() FROM system.columns WHERE database = currentDatabase() AND table = 'r{n}' AND name = 'a'"


def statements_of(number):
    """Return the statements of one file, each with the question whether it was executed."""
    row = number * 10

    def insert(row):
        sql = f"INSERT INTO log SELECT {row} + sleepEachRow(0.03)"
        return sql, f"SELECT count() FROM log WHERE id = {row}"

    return [
        [
            ("CREATE TABLE IF NOT EXISTS log (id UInt64) ENGINE = MergeTree ORDER BY id", "EXISTS TABLE log"),
            insert(row),
            insert(row + 1),
        ],
        [
            (f"CREATE TABLE t{number} (id UInt64) ENGINE = MergeTree ORDER BY id", f"EXISTS TABLE t{number}"),
            insert(row),
        ],
        [
            (f"CREATE TABLE s{number} (id UInt64) ENGINE = MergeTree ORDER BY id", f"EXISTS TABLE s{number}"),
            (f"RENAME TABLE s{number} TO r{number}", f"EXISTS TABLE r{number}"),
            (f"ALTER TABLE r{number} ADD COLUMN a UInt8", HAS_COLUMN.format(n=number)),
        ],
        [insert(row), (f"CREATE OR REPLACE VIEW v{number} AS SELECT id FROM log", f"EXISTS VIEW v{number}")],
    ][(number - 1) % 4]


class Crashing:
    """A folder with files, the databases they are applied to, and a person who follows what the tool says."""

    def __init__(self, folder, startupctl, server, lender):
        self.folder, self.startupctl, self.server, self.lender = folder, startupctl, server, lender
        (folder / "ch").mkdir()
        for number in range(1, 13):
            text = "".join(f"{sql};\n" for sql, _ in statements_of(number))
            (folder / "ch" / f"{number:02}_file.sql").write_text(text)
        self.doubts = 0

    def use(self, name):
        self.name = name
        text = MANIFEST.format(lender=self.lender.url(), url=self.server.url(name))
        (self.folder / "startup.yaml").write_text(text)

    def start(self):
        argv = [PROGRAM, "init-db", "--max-retries", "0"]
        environment = self.startupctl.environment()
        return subprocess.Popen(
            argv, cwd=self.folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def finish(self):
        """Run it until it is done; what it leaves to a person is looked at, and told by one of the two ways out."""
        for _ in range(6):
            ran = self.startupctl("init-db", "-o", "json")
            if ran.code == 0:
                return
            found = ran.json()["components"]["events"]["diagnosis"]
            assert found["code"] == "MIG003", ran.err
            self.doubts += 1
            anyio.run(self.decide)
        pytest.fail("it does not come to an end")

    async def decide(self):
        kind = ClickHouse(url=self.server.url(self.name), migrations={"dir": "ch"})
        site = kind.site(make_run(seconds=20, mode=Mode.PREPARE, folder=self.folder))
        files = {one.version: one for one in (await in_thread(read_directory, self.folder / "ch", "auto")).migrations}
        async with site.session() as session:
            [entry] = [one for one in await site.ledger.read(session) if not one.state.is_applied]
            _, question = statements_of(int(entry.version))[entry.statement_no]
            happened = await session.rows(question) == [["1"]]
            way = site.ledger.accepted if happened else site.ledger.pending_again
            row = way(entry, files[entry.version])
            await (site.ledger.record(session, [row]) if row else site.ledger.forget(session, entry))

    def outcome(self):
        """Return the tables with their columns, and every row of the log."""
        where = "database = currentDatabase() AND table != 'startupctl_migrations'"
        schema = self.server.query(
            f"SELECT table, name, type FROM system.columns WHERE {where} ORDER BY ALL", self.name
        )
        rows = self.server.query("SELECT id FROM log ORDER BY id", self.name)
        states = self.server.query("SELECT DISTINCT state FROM startupctl_migrations FINAL", self.name)
        return schema, rows, states


def crash(place, end, worst):
    """Start a run, end something after a while, finish; return the outcome."""
    place.use(f"crashed_{next(NUMBERS)}")
    with place.start() as process:
        time.sleep(random.uniform(0.25, 1) * worst)
        end(process)
    place.finish()
    outcome = place.outcome()
    place.server.query(f"DROP DATABASE {place.name}")
    return outcome


@pytest.fixture
def undisturbed(startupctl, tmp_path, postgres):
    """Apply all files once; return the place, the outcome and how long it took."""

    def make(server):
        place = Crashing(tmp_path, startupctl, server, postgres)
        place.use(f"undisturbed_{next(NUMBERS)}")
        started = time.monotonic()
        place.finish()
        assert place.doubts == 0
        return place, place.outcome(), time.monotonic() - started

    return make


@pytest.mark.timeout(60 + 10 * CRASHES)
def test_a_client_may_end_at_any_moment(undisturbed, clickhouse):
    place, outcome, worst = undisturbed(clickhouse)
    for _ in range(CRASHES):
        assert crash(place, subprocess.Popen.kill, worst) == outcome
    print(f"{place.doubts} of {CRASHES} left a statement in doubt")


@pytest.mark.timeout(60 + 15 * CRASHES)
def test_a_server_may_end_at_any_moment(undisturbed, clickhouse_server, tmp_path):
    server = clickhouse_server(users={"app": "pw"}, path=tmp_path / "data")
    place, outcome, worst = undisturbed(server)

    def end(process):
        server.stop(signal.SIGKILL)
        process.wait()
        server.start()

    for _ in range(max(3, CRASHES // 3)):
        assert crash(place, end, worst) == outcome
    print(f"{place.doubts} times a statement was left in doubt")
