"""The diagnosis codes of PostgreSQL and PgBouncer, and the SQLSTATEs that mean them.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

from startupctl.diagnosis import Code, FailureClass, codes_in

C, F, P, T, W = (
    FailureClass.CONTENTION,
    FailureClass.FIXABLE,
    FailureClass.PERMANENT,
    FailureClass.TRANSIENT,
    FailureClass.WARMING,
)

DATABASE_MISSING = Code(
    "PG001",
    "database-missing",
    F,
    "the database `{database}` does not exist on {endpoint}",
    "The server took the credentials of `{user}` and has no database of this name.",
    "`startupctl init-db` creates `{database}` when this component says `create: true`",
)
AUTHENTICATION_FAILED = Code(
    "PG002",
    "authentication-failed",
    P,
    "{endpoint} does not take the password of role `{user}`",
    "A wrong password, an unknown role and an expired one look alike: the server does not tell which.",
    "compare the password of `{user}`, which came from {source}, with the one on {endpoint}; see `rolvaliduntil` in pg_roles",
)
NOT_AUTHORIZED = Code(
    "PG003",
    "not-authorized",
    P,
    "{endpoint} does not let role `{user}` into database `{database}` {protection}",
    "No line of pg_hba.conf admits this role, database, address and protection, or the role has NOLOGIN.",
    "add a line for `{user}` and `{database}` to pg_hba.conf and reload, or ALTER ROLE LOGIN",
)
TOO_MANY_CONNECTIONS = Code(
    "PG004",
    "too-many-connections",
    C,
    "the connection limit of {limited} is reached",
    "Every slot that this role may use is taken.",
    "this service needs up to {needed} connections (pool.max {pool_max} x {replicas} replicas); lower them or raise {setting}",
)
DATABASE_CLOSED = Code(
    "PG005",
    "database-closed",
    P,
    "the database `{database}` on {endpoint} takes no connections",
    "ALLOW_CONNECTIONS is false.",
    "ALTER DATABASE ... ALLOW_CONNECTIONS true for `{database}`, or correct the name",
)
PERMISSION_DENIED = Code(
    "PG006",
    "permission-denied",
    P,
    "role `{user}` lacks a permission on {endpoint}",
    "The role may log in and may not do this.",
    "grant role `{user}` {grant}",
)
OBJECT_EXISTS = Code(
    "PG007",
    "object-exists",
    P,
    "an object exists already in database `{database}`",
    "Something other than these migrations created it.",
    "no migration of this directory made it: drop it if it is not needed, or let the migration say `IF NOT EXISTS`",
)
LOCK_TIMEOUT = Code(
    "PG008",
    "lock-timeout",
    C,
    "a lock in database `{database}` was not free in time",
    "Another session holds it.",
    "see who blocks: SELECT pid, pg_blocking_pids(pid), query FROM pg_stat_activity",
)
STARTING_UP = Code(
    "PG009",
    "starting-up",
    W,
    "{endpoint} is not ready to take connections",
    "The server is starting, recovering or shutting down.",
    "wait; if it lasts, the server's log says how far its recovery is",
)
DEADLOCK = Code(
    "PG010",
    "deadlock",
    T,
    "the transaction was given up for another one in database `{database}`",
    "A deadlock or a serialization conflict.",
    "nothing to do unless it repeats",
)
CANCELED = Code(
    "PG011",
    "canceled",
    T,
    "a statement in database `{database}` was cancelled",
    "`statement_timeout` or a person ended it.",
    "see `statement_timeout` of role `{user}` and database `{database}`",
)
DISK_FULL = Code(
    "PG012",
    "disk-full",
    P,
    "{endpoint} has no disk space left",
    "The file system of a tablespace, of pg_wal or of temporary files is full.",
    "free space on the server; its log names the file",
)
OUT_OF_MEMORY = Code(
    "PG013",
    "out-of-memory",
    T,
    "{endpoint} is out of memory",
    "The host or the shared memory of the server is exhausted.",
    "when it is shared memory, raise `max_locks_per_transaction`; else look at the memory of the host",
)
NOT_POSTGRESQL = Code(
    "PG014",
    "not-postgresql",
    P,
    "{endpoint} does not speak PostgreSQL, it answers with {looks_like}",
    "Another service listens on this address.",
    "check host and port of `{database}`",
)
READ_ONLY = Code(
    "PG015",
    "read-only",
    P,
    "{endpoint} is read-only: {why}",
    "A standby serves reads only; a server or role may be set to read-only too.",
    "connect to the primary; a URL may name all servers with `target_session_attrs=read-write`",
)
CONNECTION_LOST = Code(
    "PG016",
    "connection-lost",
    T,
    "{endpoint} ended the session",
    "The server was restarted, the session was terminated, or something on the way closed the connection.",
    "look at the server's log around this time",
)
EXPECTATION_FAILED = Code(
    "PG017",
    "expectation-failed",
    P,
    "{what} of `{database}` on {endpoint}: expected {expected}, found {found}",
    "The server answers and is not as `{key}` says.",
    "change the server or `{key}`",
)
CORRUPTED = Code(
    "PG018",
    "corrupted",
    P,
    "{endpoint} reports corrupted data in database `{database}`",
    "A data page or an index is damaged.",
    "stop writing to the server, save its data directory, then look at its log",
)
SERVER_ERROR = Code(
    "PG019",
    "server-error",
    T,
    "{endpoint} reports {condition}",
    "The server refused for a reason without a code of its own here.",
    "look up SQLSTATE `{sqlstate}` and the server's log",
)
UNSAFE_LOGIN = Code(
    "PG020",
    "unsafe-login",
    P,
    "{endpoint} {what}, so the login was broken off",
    "Going on would give the password to whoever sits on the way, or to a server that is not the right one.",
    "demand TLS with `sslmode: verify-full` (or `require`), or let the server use scram-sha-256",
)
POOLER_FULL = Code(
    "PGB001",
    "pooler-full",
    C,
    "the pooler at {endpoint} has no connection left",
    "PgBouncer reached `max_client_conn`, or no server connection became free within `query_wait_timeout`.",
    "raise `max_client_conn` or the pool size in pgbouncer.ini, or see with SHOW POOLS who holds the connections",
)
POOLER_UPSTREAM = Code(
    "PGB002",
    "pooler-upstream",
    W,
    "the pooler at {endpoint} cannot reach its server",
    "PgBouncer is up and the PostgreSQL behind it is not.",
    "look at the server behind the pooler, not at the pooler",
)

CODES: tuple[Code, ...] = codes_in(globals())

BY_SQLSTATE: dict[str, Code] = {
    "3D000": DATABASE_MISSING,
    "28P01": AUTHENTICATION_FAILED,
    "28000": NOT_AUTHORIZED,
    "53300": TOO_MANY_CONNECTIONS,
    "42501": PERMISSION_DENIED,
    "42P04": OBJECT_EXISTS,
    "42P06": OBJECT_EXISTS,
    "42P07": OBJECT_EXISTS,
    "42710": OBJECT_EXISTS,
    "55P03": LOCK_TIMEOUT,
    "57P03": STARTING_UP,
    "40P01": DEADLOCK,
    "40001": DEADLOCK,
    "57014": CANCELED,
    "53100": DISK_FULL,
    "53200": OUT_OF_MEMORY,
    "25006": READ_ONLY,
    "57P01": CONNECTION_LOST,
    "57P02": CONNECTION_LOST,
    "57P05": CONNECTION_LOST,
    "25P03": CONNECTION_LOST,
    "XX001": CORRUPTED,
    "XX002": CORRUPTED,
}
