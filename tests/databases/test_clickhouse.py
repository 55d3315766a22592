from dataclasses import replace
from functools import partial

import pytest

from startupctl.addresses import Url
from startupctl.databases.clickhouse import server_session
from startupctl.databases.clickhouse_place import place_in
from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import FailureClass
from startupctl.wire.tls import client_context


@pytest.fixture
def to_clickhouse(clickhouse):
    return lambda **keys: server_session(place_in(Url.parse(clickhouse.url(**keys))), connect_timeout=5)


@pytest.mark.anyio
async def test_clickhouse_keeps_settings_until_the_session_is_renewed(to_clickhouse):
    async with to_clickhouse() as session:
        await session.execute("CREATE TEMPORARY TABLE seen (n UInt8)")
        await session.execute("INSERT INTO seen VALUES (1)")
        await session.renew()
        with pytest.raises(StatementFailed) as caught:
            await session.execute("INSERT INTO seen VALUES (1)")
    assert (caught.value.code, caught.value.failure) == ("60", FailureClass.PERMANENT)


@pytest.mark.anyio
async def test_clickhouse_statements_are_sent_as_they_are(to_clickhouse):
    async with to_clickhouse() as session:
        assert await session.rows("SELECT '100%', '{a:String}', '%(x)s', 'tab\\t'") == [
            ["100%", "{a:String}", "%(x)s", "tab\t"]
        ]
        await session.execute("SELECT '{a:String} %s' FORMAT Null")


@pytest.mark.anyio
@pytest.mark.parametrize("fault", ["rst", "drop"])
async def test_a_broken_answer_of_clickhouse_leaves_the_statement_in_doubt(to_clickhouse, clickhouse, fault):
    async with to_clickhouse() as session:
        clickhouse.fault(fault)
        with pytest.raises(StatementFailed) as caught:
            await session.execute("CREATE TABLE IF NOT EXISTS t (n UInt8) ENGINE = Memory")
    assert (caught.value.lost, caught.value.failure) == (True, FailureClass.TRANSIENT)


@pytest.mark.anyio
async def test_a_number_of_clickhouse_says_whether_trying_again_may_help(to_clickhouse, clickhouse):
    async with to_clickhouse() as session:
        clickhouse.fault("code", "202")
        with pytest.raises(StatementFailed) as caught:
            await session.execute("SELECT 1")
    assert (caught.value.code, caught.value.failure) == ("202", FailureClass.CONTENTION)


@pytest.mark.anyio
async def test_clickhouse_over_tls_is_verified_as_in_a_check(clickhouse_server, certs):
    server = clickhouse_server(tls="good")
    place = place_in(Url.parse(server.url(scheme="clickhouses")))
    trusting = partial(client_context, ca_file=certs / "ca.pem")
    async with server_session(replace(place, tls=trusting), connect_timeout=5) as session:
        assert await session.rows("SELECT 1") == [["1"]]
    with pytest.raises(StatementFailed):
        async with server_session(place, connect_timeout=5):
            pytest.fail("an unknown authority was trusted")
