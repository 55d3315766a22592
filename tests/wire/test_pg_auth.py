"""Logging in to PostgreSQL: what is sent, and what is not."""

from __future__ import annotations

import asyncio
import struct
import time

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg import sql

from startupctl.failures import NotThisProtocol
from startupctl.wire.pg import open_session
from startupctl.wire.pg_auth import Login, LoginRefused, MethodUnspoken, Refusal, Scram, prepared
from startupctl.wire.pg_target import PgTarget
from support import make_run

pytestmark = pytest.mark.anyio

SASL_REQUEST = struct.pack("!i", 10) + b"SCRAM-SHA-256\0\0"
CLEAR_TEXT_REQUEST = struct.pack("!i", 3)


def login(host="192.0.2.1", password="pw", *, encrypted=False):
    given = {"host": host, "user": "app", "password": password}
    return Login(PgTarget.read(given, {}), encrypted=encrypted)


@pytest.mark.parametrize(("host", "encrypted"), [("127.0.0.1", False), ("/run/pg", False), ("192.0.2.1", True)])
async def test_a_clear_text_password_is_sent_where_nobody_can_listen(host, encrypted):
    assert await login(host, encrypted=encrypted).answer(CLEAR_TEXT_REQUEST) == b"p\0\0\0\x07pw\0"


@pytest.mark.parametrize("host", ["192.0.2.1", "db.example", "127.0.0.1.example", "127.example", "localhost.example"])
async def test_a_clear_text_password_never_leaves_for_another_host_without_tls(host):
    with pytest.raises(LoginRefused) as caught:
        await login(host).answer(CLEAR_TEXT_REQUEST)
    assert caught.value.reason is Refusal.CLEAR_TEXT
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("request_", [CLEAR_TEXT_REQUEST, SASL_REQUEST, struct.pack("!i", 5) + b"salt"])
async def test_without_a_password_the_login_ends_here(request_):
    with pytest.raises(LoginRefused) as caught:
        await login("127.0.0.1", "").answer(request_)
    assert caught.value.reason is Refusal.NO_PASSWORD


@pytest.mark.parametrize("request_", [struct.pack("!i", 7), struct.pack("!i", 10) + b"OAUTHBEARER\0\0"])
async def test_other_methods_are_left_to_libpq(request_):
    with pytest.raises(MethodUnspoken):
        await login().answer(request_)


async def test_a_scram_answer_out_of_order_is_no_postgresql():
    with pytest.raises(NotThisProtocol):
        await login().answer(struct.pack("!i", 11) + b"r=x,s=c2FsdA==,i=1")


async def proof_of(server_first, final="v=AAAA"):
    """Go through SCRAM with a server that says this; `{nonce}` is the client's."""
    mine = login()
    first = await mine.answer(SASL_REQUEST)
    nonce = first.partition(b"r=")[2].decode()
    answer = server_first.format(nonce=nonce).encode()
    await mine.answer(struct.pack("!i", 11) + answer)
    await mine.answer(struct.pack("!i", 12) + final.encode())


@pytest.mark.parametrize(
    "server_first",
    [
        "r={nonce}x,s=c2FsdA==,i=4096",  # then a wrong signature
        "r=another,s=c2FsdA==,i=4096",
        "r={nonce}x,s=!!!!,i=4096",
        "r={nonce}x,s=c2FsdA==,i=many",
        "r={nonce}x,s=c2FsdA==,i=0",
        f"r={{nonce}}x,s=c2FsdA==,i={1 << 80}",
        "nothing",
        "",
    ],
)
async def test_a_server_that_cannot_prove_itself_is_not_believed(server_first):
    with pytest.raises(LoginRefused) as caught:
        await proof_of(server_first)
    assert caught.value.reason is Refusal.NOT_PROVEN


async def test_a_server_that_skips_its_proof_is_not_believed():
    mine = login()
    await mine.answer(SASL_REQUEST)
    with pytest.raises(LoginRefused) as caught:
        await mine.answer(struct.pack("!i", 0))
    assert caught.value.reason is Refusal.NOT_PROVEN


async def test_a_slow_proof_does_not_stop_the_loop():
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    scram = Scram("pw", "abc")
    scram.first()
    task = asyncio.create_task(tick())
    started = time.monotonic()
    await scram.final("r=abcx,s=c2FsdA==,i=500000")
    task.cancel()
    assert ticks > (time.monotonic() - started) / 0.05


@pytest.mark.parametrize(
    ("password", "sent"),
    [
        ("plain", "plain"),
        ("I\u00adX", "IX"),  # RFC 4013, section 3: a soft hyphen maps to nothing
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        ("a\u00a0b", "a b"),
        ("\u0627\u0031", "\u0627\u0031"),  # prohibited by the rule of directions: used as it stands
        ("\u0221", "\u0221"),  # unassigned in Unicode 3.2
        ("\u00ad", "\u00ad"),  # nothing would be left
        ("a\u0007\u00e9", "a\u0007\u00e9"),  # a control character
    ],
)
def test_a_password_is_prepared_as_rfc_4013_says(password, sent):
    assert prepared(password) == sent


PASSWORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(PASSWORDS)
@example("\u00aa\u2168\u00ad")
@example("a\u00a0b ")
@example("\u0627\u0031")
@example("🔑 päß'\\\"%")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_password_the_server_takes_what_libpq_sends(postgres, password):
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("DO $$ BEGIN CREATE ROLE anyword LOGIN; EXCEPTION WHEN duplicate_object THEN END $$")
        connection.execute(sql.SQL("ALTER ROLE anyword PASSWORD {}").format(sql.Literal(password)))
    given_ = {"host": postgres.host, "port": str(postgres.port), "user": "anyword", "password": password}
    psycopg.connect(**given_, dbname="postgres").close()
    assert asyncio.run(asked({**given_, "dbname": "postgres"})) == [("anyword",)]


async def asked(given_):
    async with open_session(PgTarget.read(given_), make_run()) as session:
        return await session.rows("SELECT current_user")
