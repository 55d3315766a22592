"""No Keeper runs here: the table answers as a KeeperMap in strict mode is documented to."""

import asyncio
import re

import pytest

from startupctl.check import Unhealthy
from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import FailureClass
from startupctl.migrations import lease as leases
from startupctl.migrations import lock as locks
from startupctl.migrations.clickhouse.lock import TableLeases, leases_of
from startupctl.migrations.clickhouse.lock_keeper import find_leases, open_leases
from startupctl.migrations.lease import break_lease, holder_of, leased

INSERT = re.compile(r"INSERT INTO `m_keeper` SETTINGS (.*) VALUES \('lock', '(\w+)', '([^']*)', (\d+), (\d+), (\d+)\)")
CHANGE = re.compile(
    r"ALTER TABLE `m_keeper` (DELETE|UPDATE seen = (\d+)) WHERE name = 'lock' AND token = '(\w+)' AND seen = (\d+)"
    r" SETTINGS keeper_map_strict_mode = 1"
)


def refused(code, failure=FailureClass.TRANSIENT):
    return StatementFailed(code, f"Code: {code}", failure)


class Keeper:
    """One table of the engine KeeperMap, as several servers see it; `now` is in milliseconds."""

    def __init__(self, *, create=()):
        self.row, self.now, self.sent = None, 1_000_000, []
        self.refusals = {"CREATE": list(create)}

    async def rows(self, sql):
        self.refuse(sql)
        if "system.tables" in sql:
            return [["1"]] if any(one.startswith("CREATE") for one in self.sent) else []
        if "currentDatabase()" in sql:
            return [["app"]]
        self.now += 50
        columns = self.row or ("", "", 0, 0, 0)
        return [[str(self.now), str(int(self.row is not None)), *map(str, columns)]]

    async def note(self, sql):
        sql = sql.strip()
        self.refuse(sql)
        self.sent.append(sql)
        if insert := INSERT.fullmatch(sql):
            assert insert[1] == "keeper_map_strict_mode = 1, async_insert = 0"
            if self.row:
                raise refused("999")
            self.row = (insert[2], insert[3], *map(int, insert.groups()[3:]))
        elif change := CHANGE.fullmatch(sql):
            if self.row and (self.row[0], self.row[3]) == (change[3], int(change[4])):
                self.row = (*self.row[:3], int(change[2]), self.row[4]) if change[2] else None
        else:
            assert sql.startswith("CREATE TABLE IF NOT EXISTS `m_keeper`"), sql

    def refuse(self, sql):
        for word, codes in self.refusals.items():
            if sql.startswith(word) and codes:
                raise refused(codes.pop(0))


@pytest.fixture
def keeper():
    return Keeper()


@pytest.mark.anyio
async def test_the_lease_is_taken_prolonged_and_given_back(keeper, run):
    async with leased(await open_leases(keeper, "", "m"), run, 60) as held:
        keeper.now += 20_000
        await held.ensure()
        assert (held.label, keeper.row[3] > 1_020_000) == ("keeper lease", True)
    assert keeper.row is None
    assert "ENGINE = KeeperMap('/startupctl_" in keeper.sent[0]


@pytest.mark.anyio
async def test_of_many_at_once_one_holds_it(keeper, run):
    inside, most = 0, 0

    async def work():
        nonlocal inside, most
        async with leased(await open_leases(keeper, "", "m"), run, 60):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(work() for _ in range(5)))
    assert most == 1


@pytest.mark.anyio
async def test_a_lease_that_ran_out_is_taken_over_and_its_holder_finds_out(keeper, run):
    async with leased(await open_leases(keeper, "", "m"), run, 60) as first:
        keeper.now += leases.LENGTH + 1
        async with leased(await open_leases(keeper, "", "m"), run, 60) as second:
            with pytest.raises(Unhealthy) as caught:
                await first.ensure()
            await second.ensure()
    assert caught.value.diagnosis.code.code == "LCK002"


@pytest.mark.anyio
async def test_whoever_waits_does_not_take_what_shows_life(keeper, run):
    async with leased(await open_leases(keeper, "", "m"), run, 60):
        with pytest.raises(Unhealthy) as caught:
            async with leased(await open_leases(keeper, "", "m"), run, 0.2):
                pytest.fail("two hold the lock")
    assert caught.value.diagnosis.code.code == "LCK001"


@pytest.mark.anyio
async def test_a_keeper_that_is_away_for_a_moment_takes_no_lease(keeper, run, monkeypatch):
    monkeypatch.setattr(leases, "PAUSE", 0.01)
    monkeypatch.setattr(locks, "BEAT", 60.0)
    async with leased(await open_leases(keeper, "", "m"), run, 60) as held:
        keeper.refusals |= {"SELECT toUnix": ["999", "999"], "ALTER": ["999"]}
        await held.ensure()


@pytest.mark.anyio
@pytest.mark.parametrize("code", ["36", "56", "139", "225", "497"])
async def test_a_server_without_keeper_has_a_lock_in_a_table(code):
    assert isinstance(await leases_of(Keeper(create=[code]), "m"), TableLeases)


@pytest.mark.anyio
async def test_servers_that_make_the_table_at_once_try_again():
    assert await open_leases(Keeper(create=["999", "999"]), "", "m")


@pytest.mark.anyio
async def test_a_keeper_that_stays_away_is_no_reason_for_another_lock():
    with pytest.raises(StatementFailed):
        await open_leases(Keeper(create=["999"] * 9), "", "m")


@pytest.mark.anyio
async def test_from_outside_it_is_seen_and_what_was_left_behind_is_removed(keeper, run):
    assert await find_leases(keeper, "", "m") is None
    places = await open_leases(keeper, "", "m")
    async with leased(places, run, 60) as held:
        holder = await holder_of(await find_leases(keeper, "", "m"))
        assert (await break_lease(places, holder), await break_lease(places, holder)) == (True, False)
        with pytest.raises(Unhealthy):
            await held.ensure()


@pytest.mark.anyio
async def test_each_ledger_has_a_place_of_its_own_in_keeper():
    paths = set()
    for schema, ledger in (("", "m"), ("other", "m"), ("", "n")):
        keeper = Keeper()
        keeper.note = collect(keeper)
        await open_leases(keeper, schema, ledger)
        paths.add(re.search(r"KeeperMap\('([^']+)'\)", keeper.sent[0])[1])
    assert len(paths) == 3


def collect(keeper):
    async def note(sql):
        keeper.sent.append(sql)

    return note
