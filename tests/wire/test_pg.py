"""The PostgreSQL speaker: statements, rows, errors, TLS on the way, and what it leaves behind."""

from __future__ import annotations

import asyncio
import time

import psutil
import pytest

from servers import peers
from startupctl.addresses import Url
from startupctl.diagnosis import Phase
from startupctl.failures import ConnectionBroken, NotThisProtocol
from startupctl.wire.pg import open_session
from startupctl.wire.pg_messages import PgError
from startupctl.wire.pg_parameters import url_parameters
from startupctl.wire.pg_target import PgTarget
from support import make_run

pytestmark = pytest.mark.anyio


def target(url):
    return PgTarget.read(url_parameters(Url.parse(url)))


@pytest.fixture(params=["speaker", "libpq"])
def place(request, postgres):
    """The shared server, as the speaker and as the driver reach it: both have one interface."""
    return target(postgres.url(**({} if request.param == "speaker" else {"sslsni": "0"})))


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT 1", [("1",)]),
        ("SELECT 1, NULL, '', 'é☃'", [("1", None, "", "é☃")]),
        ("SELECT generate_series(1, 3)", [("1",), ("2",), ("3",)]),
        ("SELECT 1; SELECT 2, 3", [("2", "3")]),
        ("SELECT 1 WHERE false", []),
        ("SELECT 1; SET work_mem = '1MB'", [("1",)]),
        ("SET work_mem = '1MB'", []),
        ("", []),
        ("SELECT", [()]),
        ("DO $$ BEGIN RAISE NOTICE 'heard'; END $$", []),
        ("LISTEN x; NOTIFY x; SELECT 1", [("1",)]),
    ],
)
async def test_rows_are_those_of_the_last_statement_that_has_any(sql, rows, place, run):
    async with open_session(place, run) as session:
        assert await session.rows(sql) == rows


async def test_after_an_error_the_session_goes_on(place, run):
    async with open_session(place, run) as session:
        with pytest.raises(PgError) as caught:
            await session.rows("SELECT 1; SELECT no_such_column")
        error = caught.value
        assert (error.sqlstate, error.severity, error.phase) == ("42703", "ERROR", Phase.QUERY)
        assert (error.fields["P"], error.routine != "") == ("18", True)
        assert "no_such_column" in error.message
        assert await session.rows("SELECT 1") == [("1",)]


async def test_a_large_answer_comes_whole(place):
    async with open_session(place, make_run(20)) as session:
        [(text,)] = await session.rows("SELECT repeat('x', 5000000)")
        assert len(text) == 5000000
        assert len(await session.rows("SELECT generate_series(1, 20000)")) == 20000


async def test_a_session_without_tls_says_so(place, run):
    async with open_session(place, run) as session:
        assert session.tls is False


async def test_copying_ends_instead_of_waiting_for_data(postgres, run):
    async with open_session(target(postgres.url()), run) as session:
        await session.rows("CREATE TEMP TABLE t (a int)")
        with pytest.raises(PgError) as caught:
            await session.rows("COPY t FROM STDIN")
        assert caught.value.sqlstate == "57014"
        assert await session.rows("COPY (SELECT 1) TO STDOUT") == []
        assert await session.rows("SELECT 1") == [("1",)]


async def test_a_text_with_a_nul_is_not_sent(postgres, run):
    async with open_session(target(postgres.url()), run) as session:
        with pytest.raises(ValueError, match="NUL"):
            await session.rows("SELECT 1\0; DROP TABLE x")


async def test_names_and_options_reach_the_server(postgres, run):
    url = f"{postgres.url()}?application_name=a%20b&options=-c%20work_mem%3D7MB%20-c%20search_path%3Da,b"
    async with open_session(target(url), run) as session:
        asked = (
            "SELECT current_setting('application_name'), current_setting('work_mem'), current_setting('search_path')"
        )
        assert await session.rows(asked) == [("a b", "7MB", "a,b")]


async def test_a_session_leaves_nothing_behind(postgres_server, run):
    server = postgres_server(log_disconnections="on")
    async with open_session(target(server.url()), run) as session:
        assert await session.rows("SELECT 1")
    end = time.monotonic() + 5
    while "disconnection: session time" not in server.log():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)
    assert "unexpected EOF" not in server.log()
    assert "Connection reset" not in server.log()


async def test_a_statement_that_outlives_the_attempt_is_a_broken_connection(place):
    async with open_session(place, make_run(0.5)) as session:
        with pytest.raises(ConnectionBroken) as caught:
            await session.rows("SELECT pg_sleep(30)")
    assert caught.value.phase is Phase.QUERY


async def test_a_cancelled_statement_closes_its_connection(place, postgres):
    async def work():
        async with open_session(place, make_run(30)) as session:
            await session.rows("SELECT pg_sleep(30) /* cancelled */")

    before = connections_to(postgres.port)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(work(), 0.5)
    await closed(postgres.port, before)
    postgres.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%/* cancelled */'")


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.003, 0.1])
@pytest.mark.parametrize("query", ["", "?sslsni=0"])
async def test_cancelled_while_connecting_it_closes_its_connection(seconds, query, peer):
    async def work():
        async with open_session(target(f"postgresql://a:b@127.0.0.1:{port}/x{query}"), make_run(30)):
            pass

    port = peer(peers.hang)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(work(), seconds)
    await closed(port)


def connections_to(port):
    """Count the connections of this process that lead there."""
    return sum(bool(found.raddr) and found.raddr.port == port for found in psutil.Process().net_connections("tcp"))


async def closed(port, before=0, seconds=5):
    """Return when no more connections lead there than before."""
    end = time.monotonic() + seconds
    while connections_to(port) > before:
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


# TLS


async def test_a_wrong_password_is_sent_once_though_prefer_has_two_ways(postgres_server, run):
    server = postgres_server("15", tls="good")
    with pytest.raises(PgError) as caught:
        async with open_session(target(server.url(password="wrong")), run):
            pass
    assert (caught.value.sqlstate, caught.value.encrypted) == ("28P01", True)
    assert server.log().count("password authentication failed") == 1


async def test_of_two_refusals_the_one_under_tls_is_told(postgres_server, run):
    hba = "host all other 127.0.0.1/32 scram-sha-256\n"
    server = postgres_server("15", tls="good", hba=hba)
    for mode in ("prefer", "allow"):
        with pytest.raises(PgError) as caught:
            async with open_session(target(server.url(sslmode=mode)), run):
                pass
        assert (caught.value.sqlstate, caught.value.encrypted) == ("28000", True)


@pytest.mark.parametrize("answer", [b"S" + b"E\0\0\0\x08text", b"NR\0\0\0\x08\0\0\0\0", b"SS"])
async def test_nobody_slips_in_text_before_tls(answer, peer, run):
    with pytest.raises(NotThisProtocol):
        async with open_session(target(f"postgresql://a:b@127.0.0.1:{peer(peers.answer(answer))}/x"), run):
            pass


async def test_what_a_server_says_before_tls_is_not_repeated(peer, run):
    port = peer(peers.answer(b"Ewords of whoever sits in between\n\0"))
    with pytest.raises(ConnectionBroken) as caught:
        async with open_session(target(f"postgresql://a:b@127.0.0.1:{port}/x?sslmode=require"), run):
            pass
    assert "words" not in str(caught.value)


async def test_the_connect_timeout_of_a_url_is_obeyed(full_backlog):
    started = time.monotonic()
    with pytest.raises(ConnectionBroken):
        async with open_session(
            target(f"postgresql://a:b@127.0.0.1:{full_backlog()}/x?connect_timeout=1"), make_run(20)
        ):
            pass
    assert time.monotonic() - started < 10
