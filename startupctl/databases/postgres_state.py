"""What a PostgreSQL server says of itself, and whether that is what was expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, NoReturn

from startupctl.check import Unhealthy
from startupctl.databases import postgres_codes as codes
from startupctl.databases.postgres_signals import LIMIT_OF_DATABASE, LIMIT_OF_ROLE, class_of
from startupctl.diagnosis import Diagnosis, FailureClass, Phase
from startupctl.failures import ConnectionBroken
from startupctl.queries import first_value
from startupctl.quoting import quote_text
from startupctl.wire.pg import open_session
from startupctl.wire.pg_auth import LoginRefused
from startupctl.wire.pg_messages import PgError

if TYPE_CHECKING:
    from startupctl.check import Facts, Run
    from startupctl.databases.postgres_keys import PostgresExpect
    from startupctl.queries import QueryExpect
    from startupctl.wire.pg_session import Session
    from startupctl.wire.pg_target import PgTarget

TOO_MANY_CONNECTIONS = "53300"
ASKED = (
    "SELECT current_setting('server_version'), current_database(), current_user, pg_is_in_recovery(),"
    " current_setting('default_transaction_read_only') = 'on'"
)


class ServerState(NamedTuple):
    """One answer; `in_recovery` is a standby, `read_only` a setting of the role, the database or the server."""

    version: str
    database: str
    user: str
    in_recovery: bool
    read_only: bool
    tls: str | bool

    @property
    def writable(self) -> bool:
        """Whether an ordinary transaction may write."""
        return not (self.in_recovery or self.read_only)

    @property
    def facts(self) -> Facts:
        """What is reported."""
        return {
            "server_version": self.version.partition(" ")[0],
            "database": self.database,
            "user": self.user,
            "tls": self.tls,
            "writable": self.writable,
        }


async def read_state(session: Session) -> ServerState:
    """Ask in one round trip; a pooler that has no server behind it cannot answer this."""
    [(version, database, user, in_recovery, read_only)] = await session.rows(ASKED)
    return ServerState(version or "", database or "", user or "", in_recovery == "t", read_only == "t", session.tls)


class Expectations(NamedTuple):
    """What is expected of one session; `names` are the facts the templates show."""

    keys: PostgresExpect
    state: ServerState
    names: Facts

    def hold_server(self) -> None:
        """Return when the server is as expected, whatever the database holds; raises Unhealthy otherwise."""
        self._version()
        self._writable()

    async def hold_database(self, session: Session, seconds: float) -> None:
        """Return when the database is as expected; raises Unhealthy for the first thing that is not.

        The server gives the query up after `seconds`.
        """
        await self._extensions(session)
        await self._schema(session)
        if self.keys.query:
            await self._query(session, self.keys.query, seconds)

    def _version(self) -> None:
        wanted = self.keys.version
        if wanted and not wanted.admits(self.state.version):
            self._differs("version", "the version", str(wanted), self.state.facts["server_version"])

    def _writable(self) -> None:
        if self.keys.writable:
            demand_writable(self.state, self.names)
        elif self.keys.writable is False and self.state.writable:
            self._differs("writable", "the mode", "read-only", "writable")

    async def _extensions(self, session: Session) -> None:
        wanted = self.keys.extensions
        if not wanted:
            return
        names = ", ".join(map(quote_text, wanted))
        there = {row[0] for row in await session.rows(f"SELECT extname FROM pg_extension WHERE extname IN ({names})")}  # noqa: S608  (quoted)
        missing = [name for name in wanted if name not in there]
        if missing:
            self._differs("extensions", "the list of extensions", ", ".join(missing), "no such extension")

    async def _schema(self, session: Session) -> None:
        name = self.keys.schema_name
        if name and not await session.rows(f"SELECT 1 FROM pg_namespace WHERE nspname = {quote_text(name)}"):  # noqa: S608  (quoted)
            self._differs("schema", "the list of schemas", name, "no such schema")

    async def _query(self, session: Session, query: QueryExpect, seconds: float) -> None:
        await session.rows(f"BEGIN READ ONLY; SET LOCAL statement_timeout = {max(1, round(seconds * 1000))}")
        try:
            rows = await session.rows(query.sql)
        except PgError as error:
            if class_of(error) is not FailureClass.PERMANENT:
                raise
            found = f"SQLSTATE {error.sqlstate}"
            self._differs("query", "the answer to the query", query.expected, found, said=error)
        await session.rows("ROLLBACK")
        if not query.met_by(rows):
            self._differs("query", "the answer to the query", query.expected, first_value(rows))

    def _differs(self, key: str, what: str, expected: str, found: str, *, said: PgError | None = None) -> NoReturn:
        raise Unhealthy(mismatch(self.names, f"expect.{key}", what, expected, found, said=said), self.state.facts)


def mismatch(names: Facts, key: str, what: str, expected: str, found: str, *, said: PgError | None = None) -> Diagnosis:
    """Return the diagnosis of something that is not as `key` says."""
    return Diagnosis(
        codes.EXPECTATION_FAILED,
        {**names, "key": key, "what": what, "expected": expected, "found": found},
        said=said.message if said else "",
        phase=Phase.QUERY,
        signal=said.sqlstate if said else "",
    )


async def is_shut(error: PgError, admin: PgTarget, names: Facts, run: Run) -> bool:
    """Whether the limit that refused a connection is 0, which no waiting changes.

    Asked on the maintenance database, where `admin` gets in; False when it does not.
    """
    limits = {
        LIMIT_OF_ROLE: f"SELECT rolconnlimit FROM pg_roles WHERE rolname = {quote_text(names['user'])}",  # noqa: S608  (quoted)
        LIMIT_OF_DATABASE: f"SELECT datconnlimit FROM pg_database WHERE datname = {quote_text(names['database'])}",  # noqa: S608  (quoted)
    }
    if error.sqlstate != TOO_MANY_CONNECTIONS or error.routine not in limits:
        return False
    try:
        async with open_session(admin, run) as session:
            return await session.rows(limits[error.routine]) == [("0",)]
    except (PgError, ConnectionBroken, LoginRefused):
        return False


def demand_writable(state: ServerState, names: Facts) -> None:
    """Return when an ordinary transaction may write; raises Unhealthy otherwise.

    A standby may become the primary, so it is waited for; a read-only setting stays.
    """
    if state.in_recovery:
        raise _read_only(state, names, "it is a standby", FailureClass.WAITING)
    if state.read_only:
        raise _read_only(state, names, "default_transaction_read_only is on", FailureClass.PERMANENT)


def _read_only(state: ServerState, names: Facts, why: str, failure: FailureClass) -> Unhealthy:
    advice = "" if state.in_recovery else "ALTER ROLE or ALTER DATABASE ... RESET default_transaction_read_only"
    facts = {**names, "why": why}
    diagnosis = Diagnosis(codes.READ_ONLY, facts, phase=Phase.QUERY, signal=why, failure_class=failure, advice=advice)
    return Unhealthy(diagnosis, state.facts)
