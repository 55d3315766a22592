from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers import peers
from servers.web import Web, page
from startupctl.addresses import Endpoint
from startupctl.failures import ConnectionBroken, NotThisProtocol
from startupctl.fields import Secret
from startupctl.wire.clickhouse import ClickHouseError, ClickHouseReader, ClickHouseServer, parse_rows, query

TAGGED = (
    "1\t2\n__exception__\r\nPU1FNUFH98\r\nCode: 395. DB::Exception: thrown. (F)\n45 PU1FNUFH98\r\n__exception__\r\n"
)
LATE = "1\t2\nCode: 395. DB::Exception: Value is non zero: While executing. (FUNCTION_THROW_IF) (version 24.3.1)\n"
OLD = "Code: 60, e.displayText() = DB::Exception: Table default.t doesn't exist. (version 18.16.1)\n"


def local(port, **fields):
    return ClickHouseServer(Endpoint("127.0.0.1", port), **fields)


def server_of(clickhouse, **fields):
    return ClickHouseServer(Endpoint(clickhouse.host, clickhouse.port), **fields)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


@pytest.mark.anyio
async def test_rows_come_back_as_text(run, clickhouse):
    sql = r"SELECT 1, NULL, 'a\tb\\c\nd\'', '', [1, 2], '\\N' UNION ALL SELECT 2, 'x', 'ü', '', [], '' ORDER BY 1"

    assert await query(run, server_of(clickhouse), sql) == [
        ["1", None, "a\tb\\c\nd'", "", "[1,2]", "\\N"],
        ["2", "x", "ü", "", "[]", ""],
    ]


@pytest.mark.anyio
async def test_no_row_and_no_result_are_empty(run, clickhouse):
    reader = ClickHouseReader(run, server_of(clickhouse))

    assert await reader.rows("SELECT 1 WHERE 0") == []
    assert await reader.rows("CREATE DATABASE IF NOT EXISTS default") == []


@pytest.mark.anyio
async def test_user_settings_and_database_go_along(run, clickhouse):
    settings = {"max_threads": "3", "log_comment": "x & y=z"}
    server = server_of(clickhouse, user="app", password=Secret("pw"), database="system", settings=settings)

    (row,) = await query(run, server, "SELECT currentDatabase(), getSetting('max_threads'), getSetting('log_comment')")

    assert row == ["system", "3", "x & y=z"]


@pytest.mark.anyio
async def test_the_request_is_a_post_with_the_credentials_in_headers(run, peer):
    web = Web(page("1\n"))
    server = local(peer(web), user="joe", password=Secret("p: &w"), database="d b", settings={"s": "a b&c"}, path="/ch")

    await query(run, server, "SELECT 1")

    assert web.line == "POST /ch?s=a%20b%26c&default_format=TabSeparated&wait_end_of_query=1&database=d%20b HTTP/1.1"
    assert web.header("X-ClickHouse-User") == ["joe"]
    assert web.header("X-ClickHouse-Key") == ["p: &w"]
    assert web.body == "SELECT 1"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fields", "user", "authorization"),
    [
        ({}, [], []),
        ({"password": Secret("pw")}, ["default"], []),
        ({"options": {"access_token": "abc"}}, [], ["Bearer abc"]),
    ],
)
async def test_without_a_user_the_server_chooses(run, peer, fields, user, authorization):
    web = Web(page("1\n"))

    await query(run, local(peer(web), **fields), "SELECT 1")

    assert web.header("X-ClickHouse-User") == user
    assert web.header("Authorization") == authorization


@pytest.mark.anyio
@pytest.mark.parametrize("password", [" pw", "pw ", "pä", "p\nw: 1", "p\x00w"])
async def test_a_password_that_no_header_can_hold_is_a_basic_credential(run, peer, password):
    web = Web(page("1\n"))

    await query(run, local(peer(web), user="joe", password=Secret(password)), "SELECT 1")

    assert web.header("Authorization") == ["Basic " + b64encode(f"joe:{password}".encode()).decode()]
    assert web.header("X-ClickHouse-User") == []


@pytest.mark.anyio
async def test_such_a_password_is_taken_by_the_server(run, clickhouse_server):
    server = clickhouse_server(users={"app": " pä ", "default": ""})

    assert await query(run, server_of(server, user="app", password=Secret(" pä ")), "SELECT 1") == [["1"]]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("sql", "fields", "code"),
    [
        ("SELECT * FROM nothing_here", {}, 60),
        ("SELEC 1", {}, 62),
        ("SELECT nothing_here()", {}, 46),
        ("SELECT 1", {"database": "nothing_here"}, 81),
        ("SELECT 1", {"user": "app", "password": Secret("wrong")}, 516),
        ("SELECT 1", {"settings": {"nothing_here": "1"}}, 115),
        ("SELECT throwIf(number = 5) FROM numbers(10)", {}, 395),
    ],
)
async def test_exceptions_keep_their_number_and_text(run, clickhouse, sql, fields, code):
    with pytest.raises(ClickHouseError) as caught:
        await query(run, server_of(clickhouse, **fields), sql)

    assert caught.value.code == code
    assert caught.value.text.startswith(f"Code: {code}. DB::Exception: ")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (page("Code: 1. DB::Exception: x", "500 No", X_ClickHouse_Exception_Code="241"), 241),
        (page(OLD, "404 Not Found"), 60),
        (page(OLD, "200 OK"), 60),
        (page(LATE), 395),
        (page(TAGGED, X_ClickHouse_Exception_Tag="PU1FNUFH98"), 395),
        (page("1\n", X_ClickHouse_Exception_Code="159"), 159),
        (page("<html>", "502 Bad Gateway"), None),
        (page("", "401 Unauthorized"), None),
        (page("busy", "429 Too Many Requests"), None),
    ],
)
async def test_the_number_is_found_in_header_body_and_trailer(run, peer, answer, code):
    with pytest.raises(ClickHouseError) as caught:
        await query(run, local(peer(peers.answer(answer))), "SELECT 1")

    assert caught.value.code == code
    assert caught.value.status == int(answer.split()[1])


@pytest.mark.anyio
@pytest.mark.parametrize(
    "answer",
    [
        page("x\tCode: 60. DB::Exception: in a cell (A)\n"),
        page("Code: 60. DB::Exception: in a row (A)\nlast\n"),
        page("__exception__\r\nother\r\nCode: 1. DB::Exception: x (A)", X_ClickHouse_Exception_Tag="abc"),
        page("1\n", X_ClickHouse_Exception_Code="0"),
    ],
)
async def test_values_that_look_like_exceptions_are_values(run, peer, answer):
    assert await query(run, local(peer(peers.answer(answer))), "SELECT 1")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "status", ["400 Bad Request", "404 Not Found", "405 Method Not Allowed", "302 Found", "204 No Content"]
)
async def test_a_web_server_is_no_clickhouse(run, peer, status):
    with pytest.raises(NotThisProtocol) as caught:
        await query(run, local(peer(peers.answer(page("", status)))), "SELECT 1")

    assert (caught.value.wanted, caught.value.looks_like) == ("ClickHouse", "HTTP")


@pytest.mark.anyio
async def test_a_truncated_answer_is_none(run, clickhouse_server):
    server = clickhouse_server()
    server.fault("truncate")

    with pytest.raises(ConnectionBroken):
        await query(run, server_of(server), "SELECT number FROM numbers(1000)")


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (b"", []),
        (b"\n", [[""]]),
        (b"a\tb\n", [["a", "b"]]),
        (b"a\n\nb\n", [["a"], [""], ["b"]]),
        (rb"\b\f\r\n\t\0\'\\" + b"\n", [["\b\f\r\n\t\0'\\"]]),
        (rb"\N" + b"\t" + rb"\\N" + b"\n", [[None, "\\N"]]),
        (b"\xff\n", [["\ufffd"]]),
    ],
)
def test_tab_separated_is_read(body, rows):
    assert parse_rows(body) == rows


def written(value):
    if value is None:
        return r"\N"
    table = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r", "\0": r"\0", "\b": r"\b", "\f": r"\f", "'": r"\'"}
    return "".join(table.get(character, character) for character in value)


@given(st.lists(st.lists(st.none() | st.text(st.characters(codec="utf-8")), min_size=1), min_size=1))
def test_what_is_written_as_the_server_writes_it_is_read_back(rows):
    body = "".join("\t".join(map(written, row)) + "\n" for row in rows)

    assert parse_rows(body.encode()) == rows
