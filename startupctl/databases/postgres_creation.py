"""CREATE DATABASE, however many others do the same at the same time."""

from __future__ import annotations

import asyncio
from random import uniform
from typing import TYPE_CHECKING

from startupctl.databases.postgres import lost_race
from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import FailureClass
from startupctl.quoting import quote_name, quote_text

if TYPE_CHECKING:
    from startupctl.databases.postgres import PostgresSession
    from startupctl.databases.postgres_keys import CreateKeys
    from startupctl.databases.session import Reader

DATABASE_MISSING, UNDEFINED_OBJECT = "3D000", "42704"
TRIES = 10
PAUSE = 0.3  # seconds, at most, between two tries: another session is reading the template


async def create_database(session: PostgresSession, name: str, keys: CreateKeys) -> bool:
    """Create a database unless it is there; return whether this session did.

    Raises StatementFailed: 42501 without CREATEDB, 42704 for an owner that does not exist, 22023 for an
    encoding that does not fit.
    """
    for _ in range(TRIES):
        if await database_exists(session, name):
            return False
        try:
            await session.execute(_statement(name, keys))
        except StatementFailed as error:
            if error.code == DATABASE_MISSING:
                raise _unusable(f"template database `{keys.template}` does not exist") from error
            if not lost_race(error):
                raise
            reason = error
        else:
            return True
        await asyncio.sleep(uniform(0, PAUSE))  # noqa: S311  (jitter)
    if await database_exists(session, name):
        return False
    raise reason


async def database_exists(reader: Reader, name: str) -> bool:
    """Whether the server has a database of this name."""
    return bool(await reader.rows(f"SELECT 1 FROM pg_database WHERE datname = {quote_text(name)}"))  # noqa: S608  (quoted)


async def may_create(reader: Reader, owner: str) -> bool:
    """Whether this role may create a database and give it to `owner`, which may be empty for itself."""
    right = "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
    if (await reader.rows(right))[0][0] != "t":
        return False
    member = f"SELECT pg_has_role(oid, 'MEMBER') FROM pg_roles WHERE rolname = {quote_text(owner)}"  # noqa: S608  (quoted)
    return not owner or await reader.rows(member) == [("t",)]


async def require_creatable(reader: Reader, keys: CreateKeys) -> None:
    """Return when the server has the template and the encoding; raises StatementFailed (42704)."""
    if not await database_exists(reader, keys.template):
        raise _unusable(f"template database `{keys.template}` does not exist")
    known = f"SELECT pg_char_to_encoding({quote_text(keys.encoding)}) >= 0"
    if keys.encoding and await reader.rows(known) != [("t",)]:
        raise _unusable(f"`{keys.encoding}` is not an encoding of this server")


def _unusable(said: str) -> StatementFailed:
    return StatementFailed(UNDEFINED_OBJECT, said, FailureClass.PERMANENT)


def _statement(name: str, keys: CreateKeys) -> str:
    words = [f"CREATE DATABASE {quote_name(name)} TEMPLATE {quote_name(keys.template)}"]
    words += [f"OWNER {quote_name(keys.owner)}"] if keys.owner else []
    words += [f"ENCODING {quote_text(keys.encoding)}"] if keys.encoding else []
    words += [f"LOCALE {quote_text(keys.locale)}"] if keys.locale else []
    return " ".join(words)
