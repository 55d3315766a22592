"""ClickHouse over HTTP: one statement, its rows as text, its errors by number."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from startupctl.failures import NotThisProtocol
from startupctl.fields import Secret
from startupctl.wire.http import request
from startupctl.wire.http_message import HttpRequest
from startupctl.wire.proxy import basic_credential
from startupctl.wire.tls import client_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from startupctl.addresses import Endpoint
    from startupctl.check import Run
    from startupctl.wire.http_message import HttpAnswer

Row = list[str | None]

CODE_HEADER = "X-ClickHouse-Exception-Code"
TAG_HEADER = "X-ClickHouse-Exception-Tag"
_CODE = re.compile(r"Code: (\d+)")
_PLAIN = re.compile(r"([!-~]([ -~]*[!-~])?)?")
_LAST_WORDS = re.compile(rb"(?:^|\n)(Code: \d+[.,][^\n]* DB::Exception: [^\n]*\((?:version |[A-Z_]+\))[^\n]*)\n?\Z")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "0": "\0"}


@dataclass(frozen=True, slots=True)
class ClickHouseServer:
    """Where a server is, as whom it is spoken to, in which database and with which settings.

    `options` are what a URL says to the client, by the names of clickhouse-connect.
    """

    endpoint: Endpoint
    secure: bool = False
    user: str = ""
    password: Secret = field(default_factory=lambda: Secret(""))
    database: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    path: str = "/"
    tls: Callable[[], ssl.SSLContext] = client_context

    @property
    def where(self) -> str:
        """The address, printable."""
        return str(self.endpoint)


class ClickHouseError(Exception):
    """The server, or something before it, refused; `code` is None when the answer has no number.

    `text` is the server's own words: text from outside. `answer` is None for the embedded engine.
    """

    def __init__(self, code: int | None, text: str, answer: HttpAnswer | None = None) -> None:
        """Keep number, text and the whole answer."""
        self.code, self.text, self.answer = code, text, answer
        super().__init__(text)

    @property
    def status(self) -> int:
        """The HTTP status; 0 without HTTP."""
        return self.answer.status if self.answer else 0


class ClickHouseReader:
    """Asks a server; every statement is a request of its own."""

    def __init__(self, run: Run, server: ClickHouseServer) -> None:
        """Ask within the time of `run`; nothing is contacted yet."""
        self._run, self._server = run, server

    async def rows(self, sql: str) -> list[Row]:
        """Return the rows of one statement; raises what `query` raises."""
        return await query(self._run, self._server, sql)


async def query(run: Run, server: ClickHouseServer, sql: str) -> list[Row]:
    """Execute one statement and return its rows as text, NULL as None.

    Settings go along with every statement. Raises ClickHouseError, NotThisProtocol and what
    `wire.http.request` raises. The answer is whole or it is an error:
    the server is asked to finish the statement before it answers, so that the status is the final one.
    """
    params = {**server.settings, "default_format": "TabSeparated", "wait_end_of_query": "1"}
    params |= {"database": server.database} if server.database else {}
    wanted = HttpRequest(
        scheme="https" if server.secure else "http",
        endpoint=server.endpoint,
        target=f"{server.path}?{urlencode(params, quote_via=quote)}",
        method="POST",
        headers=_credentials(server) | {"Content-Type": "text/plain; charset=UTF-8"},
        body=sql.encode(),
        tls=server.tls,
        server_name=server.options.get("server_host_name", ""),
    )
    answer = await request(run, wanted)
    _raise_error(answer, server.endpoint)
    return parse_rows(answer.body)


def parse_rows(body: bytes) -> list[Row]:
    r"""Read TabSeparated: rows end with a line feed, values are escaped with `\`, `\N` is NULL."""
    text = body.decode(errors="replace")
    return (
        [[_unescape(cell) for cell in line.split("\t")] for line in text.removesuffix("\n").split("\n")] if text else []
    )


def _unescape(cell: str) -> str | None:
    return None if cell == r"\N" else _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), cell)


def _credentials(server: ClickHouseServer) -> dict[str, str]:
    """Return the headers of token, or user and password; without a user the server takes `default`.

    What a header cannot hold, as spaces at the ends or letters beyond ASCII, goes as a Basic credential.
    """
    user, password = server.user or ("default" if server.password else ""), server.password.reveal()
    if token := server.options.get("access_token"):
        return {"Authorization": f"Bearer {token}"}
    if _PLAIN.fullmatch(user) and _PLAIN.fullmatch(password):
        return {"X-ClickHouse-User": user, "X-ClickHouse-Key": password} if user else {}
    return {"Authorization": basic_credential(user, password)}


def _raise_error(answer: HttpAnswer, endpoint: Endpoint) -> None:
    late = _late_exception(answer)
    if answer.status == HTTPStatus.OK and not late and not _header_code(answer):
        return
    words = late or answer.body.strip()
    code = _header_code(answer) or number_in(words.decode(errors="replace"))
    if code is None and not _may_be_before_it(answer.status):
        raise NotThisProtocol(endpoint, "ClickHouse", b"HTTP/1.1 %d " % answer.status + answer.body)
    raise ClickHouseError(code, words.decode(errors="replace"), answer)


def _may_be_before_it(status: int) -> bool:
    """Whether a gateway may have answered in the server's place: that is no sign of another protocol."""
    return status in (401, 403, 408, 425, 429) or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _header_code(answer: HttpAnswer) -> int | None:
    """Return the number in the headers: they lack it before 20.4, and 0 means that there was no exception."""
    header = answer.headers.get(CODE_HEADER, "")
    return (int(header) or None) if header.isascii() and header.isdigit() else None


def number_in(text: str) -> int | None:
    """Return the number at the beginning of an exception's text."""
    match = _CODE.match(text)
    return int(match[1]) if match else None


def _late_exception(answer: HttpAnswer) -> bytes:
    """Return the exception that came after the status 200 was sent, empty when there is none.

    Since 25.11 it stands between two marks with a random tag of this answer, before that it is the last line.
    """
    if answer.status != HTTPStatus.OK:
        return b""
    tag = answer.headers.get(TAG_HEADER, "").encode()
    if tag:
        _, mark, tail = answer.body.rpartition(b"__exception__\r\n" + tag + b"\r\n")
        return tail.partition(b"\r\n")[0] if mark else b""
    match = _LAST_WORDS.search(answer.body)
    return match[1] if match else b""
