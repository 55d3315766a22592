"""The servers of the package with what tests ask of them: statements, commands, faults."""

from __future__ import annotations

import urllib.parse
import urllib.request

import psycopg
import redis

from startupctl.embedded.clickhouse import ClickHouse
from startupctl.embedded.postgres import PostgreSQL
from startupctl.embedded.valkey import Valkey


class PostgresServer(PostgreSQL):
    def sql(self, statement, database="postgres"):
        """Execute as the superuser, outside a transaction; return the rows."""
        with psycopg.connect(self.url(database, connect_timeout="10"), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


class ValkeyServer(Valkey):
    tls = None

    def cli(self, *words, user=None, password=None):
        """Send one command and return its reply; errors are redis-py's."""
        secure = {"ssl": True, "ssl_cert_reqs": "none"} if self.tls else {}
        secret = self.password if password is None else password
        with redis.Redis(
            self.host, self.port, username=user, password=secret or None, socket_timeout=5, retry=None, **secure
        ) as client:
            return client.execute_command(*words)


class ClickHouseServer(ClickHouse):
    tls = None

    def query(self, sql, database=None):
        """Execute as the first user and return the answer's text; raises with the server's message."""
        return self._post("/", {"database": database} if database else {}, sql.encode())

    def fault(self, kind, arg="", count=1):
        """Make the next `count` queries fail; kinds: hang, slow, rst, drop, truncate, status, code."""
        self._post("/_fault", {"kind": kind, "arg": arg, "count": count}, b"")

    def _post(self, path, params, body):
        import ssl

        context = ssl._create_unverified_context() if self.tls else None
        scheme = "https" if self.tls else "http"
        user, password = next(iter(self.users.items()))
        url = f"{scheme}://{self.host}:{self.port}{path}?{urllib.parse.urlencode(params)}"
        request = urllib.request.Request(
            url, body, {"X-ClickHouse-User": user, "X-ClickHouse-Key": password}, method="POST"
        )
        handlers = [urllib.request.ProxyHandler({})]
        if context:
            handlers.append(urllib.request.HTTPSHandler(context=context))
        try:
            with urllib.request.build_opener(*handlers).open(request, timeout=30) as response:
                return response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                raise RuntimeError(error.read().decode()) from None
