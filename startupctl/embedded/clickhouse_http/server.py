"""The HTTP server: reads requests, authenticates, lets the engine answer."""

from __future__ import annotations

import hmac
import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from startupctl.embedded.clickhouse_http.bodies import read_body
from startupctl.embedded.clickhouse_http.faults import BrokenOff, Faults, WrongStatus
from startupctl.embedded.clickhouse_http.query import read_query
from startupctl.embedded.clickhouse_http.refusal import Refusal
from startupctl.embedded.process import HOST

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from startupctl.embedded.clickhouse_http.engine import Engine
    from startupctl.embedded.clickhouse_http.query import Query

PINGS = ("/ping", "/replicas_status")
QUERIES = ("/", "/query")


class EngineServer(ThreadingHTTPServer):
    """The port; `faults` is None unless a test asked for them."""

    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, engine: Engine, users: Mapping[str, str], port: int, *, with_faults: bool = False) -> None:
        """Listen on a loopback port; 0 takes a free one."""
        super().__init__((HOST, port), RequestHandler)
        self.engine, self.users = engine, users
        self.faults = Faults(engine) if with_faults else None

    def use_tls(self, certificate: Path, key: Path) -> None:
        """Speak HTTPS; the handshake happens on the connection's own thread."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients of tests break connections on purpose."""

    def authenticate(self, query: Query) -> None:
        """Raise Refusal unless user and password are known."""
        known = self.users.get(query.user)
        if known is None or not hmac.compare_digest(known.encode(), query.password.encode()):
            text = f"{query.user}: Authentication failed: password is incorrect, or there is no user with such name"
            raise Refusal.of(516, "AUTHENTICATION_FAILED", text)


class RequestHandler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "startupctl-clickhouse"
    server: EngineServer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name is the library's)
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer a GET, which may not change anything."""
        self.answer(readonly=True)

    def do_POST(self) -> None:
        """Answer a POST."""
        self.answer(readonly=False)

    def answer(self, *, readonly: bool) -> None:
        """Answer one request."""
        place = urlsplit(self.path)
        try:
            data = read_body(self.rfile, self.headers)
            if place.path == "/_fault" and self.server.faults:
                self.server.faults.inject(place.query)
                self.reply(200, b"Ok.\n")
            elif place.path in PINGS or (place.path == "/" and not data and "query=" not in place.query):
                self.reply(200, b"Ok.\n")
            elif place.path in QUERIES:
                self.answer_query(read_query(place.query, self.headers, data, readonly=readonly))
            else:
                self.reply(404, f"There is no handle {place.path}\n".encode())
        except Refusal as refusal:
            self.refuse(refusal, {})

    def answer_query(self, query: Query) -> None:
        """Authenticate and run one query."""
        headers = {"X-ClickHouse-Query-Id": query.query_id, "X-ClickHouse-Timezone": self.server.engine.timezone}
        try:
            self.server.authenticate(query)
            cut = self.server.faults.strike(self.connection) if self.server.faults else False
            answer = self.server.engine.run(query)
        except Refusal as refusal:
            self.refuse(refusal, headers)
        except WrongStatus as wrong:
            self.reply(wrong.status, b"<html><body>injected</body></html>\n", {"Content-Type": "text/html"})
        except BrokenOff:
            self.close_connection = True
        else:
            headers["X-ClickHouse-Summary"] = answer.summary
            if answer.output_format:
                headers["X-ClickHouse-Format"] = answer.output_format
            self.reply(200, answer.body, headers, cut=cut)

    def refuse(self, refusal: Refusal, headers: Mapping[str, str]) -> None:
        """Answer with an error in the server's form."""
        text = f"{refusal} (version {self.server.engine.version} (chdb))\n"
        self.reply(refusal.status, text.encode(), {**headers, "X-ClickHouse-Exception-Code": str(refusal.code)})

    def reply(self, status: int, body: bytes, headers: Mapping[str, str] | None = None, *, cut: bool = False) -> None:
        """Send an answer; with `cut`, half of the body that was announced."""
        self.send_response(status)
        common = {"Content-Type": "text/plain; charset=UTF-8", "X-ClickHouse-Server-Display-Name": "startupctl"}
        for key, value in {**common, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = self.close_connection or cut
