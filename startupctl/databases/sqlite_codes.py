"""The diagnosis codes of SQLite, and the result codes that mean them.

https://www.sqlite.org/rescode.html
"""

from __future__ import annotations

from startupctl.diagnosis import Code, FailureClass, codes_in

C, F, P = (FailureClass.CONTENTION, FailureClass.FIXABLE, FailureClass.PERMANENT)

LOCKED = Code(
    "SQL001",
    "locked",
    C,
    "the database `{path}` is locked by another process ({signal})",
    "Somebody holds a write transaction for longer than we waited.",
    "look who has the file open (`lsof {path}`); keep write transactions short",
)
NOT_A_DATABASE = Code(
    "SQL002",
    "not-a-database",
    P,
    "`{path}` is no SQLite database ({signal})",
    "The file was written by something else, is encrypted or damaged.",
    "check `path`; `PRAGMA integrity_check` tells what is damaged",
)
CANNOT_OPEN = Code(
    "SQL003",
    "cannot-open",
    P,
    "the database `{path}` cannot be opened ({signal})",
    "A folder of the path is missing, or this user may not read or write the file or its folder.",
    "check the folder and the permissions of `{path}`; SQLite writes its journal into the same folder",
)
DATABASE_MISSING = Code(
    "SQL004",
    "database-missing",
    F,
    "the database `{path}` does not exist",
    "The file is not there.",
    "`startupctl init-db` creates it when this component says `create: true`",
)
EXPECTATION_FAILED = Code(
    "SQL005",
    "expectation-failed",
    P,
    "the query of `expect` on `{path}` returned {found}, not {expected}",
    "The database works and is not what `expect` asks for.",
    "correct the data or `expect.query`",
)
STATEMENT_FAILED = Code(
    "SQL006",
    "statement-failed",
    P,
    "a statement on `{path}` failed ({signal})",
    "SQLite did not take the statement.",
    "correct the statement",
)
CODES: tuple[Code, ...] = codes_in(globals())

BY_NAME: dict[str, Code] = {
    "AUTH": CANNOT_OPEN,
    "BUSY": LOCKED,
    "CANTOPEN": CANNOT_OPEN,
    "CORRUPT": NOT_A_DATABASE,
    "IOERR": CANNOT_OPEN,
    "LOCKED": LOCKED,
    "NOTADB": NOT_A_DATABASE,
    "PERM": CANNOT_OPEN,
    "READONLY": CANNOT_OPEN,
}


def code_of(result: str) -> Code:
    """Return the code for the name of a result, as SQLITE_BUSY or the extended SQLITE_BUSY_SNAPSHOT."""
    return BY_NAME.get(result.removeprefix("SQLITE_").partition("_")[0], STATEMENT_FAILED)
