"""The diagnosis codes of ClickHouse, and the numbers of exceptions that mean them.

https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
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
    "CH001",
    "database-missing",
    F,
    "the database `{database}` does not exist on {endpoint}",
    "The server took the credentials of `{user}` and has no database of this name.",
    "`startupctl init-db` creates `{database}` when this component says `create: true`",
)
TABLE_MISSING = Code(
    "CH002",
    "table-missing",
    P,
    "a table does not exist in `{database}` on {endpoint} ({signal})",
    "The statement names a table that nothing has created here.",
    "check the name; if a migration creates it, run `startupctl init-db`",
)
SYNTAX = Code(
    "CH003",
    "syntax",
    P,
    "{endpoint} does not understand the statement or a setting ({signal})",
    "A syntax error, an unknown function, column or setting: often one that this server's version does not have.",
    "correct the statement, or the parameters of `url`: those are sent as settings",
)
OBJECT_EXISTS = Code(
    "CH004",
    "object-exists",
    P,
    "what the statement creates is there already in `{database}` on {endpoint} ({signal})",
    "A table or database of this name exists and no migration recorded here made it.",
    "no migration of this directory made it: drop it if it is not needed, or let the migration say `IF NOT EXISTS`",
)
AUTHENTICATION_FAILED = Code(
    "CH005",
    "authentication-failed",
    P,
    "{endpoint} does not take the credentials of user `{user}` ({signal})",
    "A wrong password and an unknown user look alike: the server does not tell which.",
    "check user and password of this component against users.xml or SHOW CREATE USER `{user}`",
)
PERMISSION_DENIED = Code(
    "CH006",
    "permission-denied",
    P,
    "user `{user}` may not do this in `{database}` on {endpoint} ({signal})",
    "A grant is missing, the profile is read-only or forbids DDL, or the user is not allowed from this address.",
    "grant what is missing to `{user}`, and check `readonly` and `allow_ddl` of its profile and its HOST clause",
)
MEMORY_LIMIT = Code(
    "CH007",
    "memory-limit",
    T,
    "{endpoint} has reached a memory limit ({signal})",
    "The statement, the user or the whole server uses as much memory as it may.",
    "look at system.processes for what holds memory; raise max_memory_usage or max_server_memory_usage",
)
TOO_MANY_QUERIES = Code(
    "CH008",
    "too-many-queries",
    C,
    "{endpoint} runs as many statements as it may ({signal})",
    "max_concurrent_queries or a limit of the user is reached.",
    "look at system.processes; raise max_concurrent_queries or run fewer clients",
)
TIMEOUT = Code(
    "CH009",
    "timeout",
    T,
    "{endpoint} gave up on the statement ({signal})",
    "It took too long, was cancelled, or the server could not reach another one in time.",
    "with `cluster` it may still be running: look at system.distributed_ddl_queue before running it again",
)
KEEPER = Code(
    "CH010",
    "keeper",
    W,
    "{endpoint} has no working connection to Keeper ({signal})",
    "Keeper elects a leader, is down, or is not configured.",
    "look at system.zookeeper_connection and at the log of Keeper",
)
DISK_FULL = Code(
    "CH011",
    "disk-full",
    P,
    "{endpoint} cannot store more ({signal})",
    "The disk is full, or a table has more parts than merges can keep up with.",
    "look at system.disks and at the count of active rows in system.parts",
)
NOT_HTTP_PORT = Code(
    "CH012",
    "not-http-port",
    P,
    "{endpoint} is not ClickHouse's HTTP interface as it is addressed: {seen}",
    "Another protocol, another server or TLS where plain text was expected.",
    "use the HTTP interface: port 8123, or 8443 with TLS (clickhouses://)",
)
EXPECTATION_FAILED = Code(
    "CH013",
    "expectation-failed",
    P,
    "{name} on {endpoint} is not as expected ({expected})",
    "The server works and is not what `expect` asks for.",
    "correct the server or `expect.{name}`",
)
SERVER_ERROR = Code(
    "CH014",
    "server-error",
    T,
    "{endpoint} answered with an error ({signal})",
    "The server reports an exception that has no code of its own here.",
    "SELECT errorCodeToName({number}) names it; look at the server's log",
)

CODES: tuple[Code, ...] = codes_in(globals())

UNKNOWN_DATABASE = 81
BY_NUMBER: dict[int, Code] = {
    number: code
    for code, numbers in {
        DATABASE_MISSING: (UNKNOWN_DATABASE,),
        TABLE_MISSING: (60,),
        SYNTAX: (46, 47, 62, 115),
        OBJECT_EXISTS: (57, 82),
        AUTHENTICATION_FAILED: (192, 193, 194, 516),
        PERMISSION_DENIED: (164, 195, 291, 392, 497),
        MEMORY_LIMIT: (241,),
        TOO_MANY_QUERIES: (202, 203, 364),
        TIMEOUT: (159, 209, 210, 279, 394, 519),
        KEEPER: (225, 242, 999),
        DISK_FULL: (243, 252),
    }.items()
    for number in numbers
}
# 225 NO_ZOOKEEPER: not configured; 236 ABORTED: shutting down; 373 SESSION_IS_LOCKED; 252 TOO_MANY_PARTS
CLASS_OF_NUMBER: dict[int, FailureClass] = {225: P, 236: W, 373: C}
