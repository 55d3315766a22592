"""What must not be sent to PostgreSQL, because it would be misread: commands of psql, data behind COPY, open quotes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import FailureClass
from startupctl.migrations.lexer import Part
from startupctl.migrations.postgres.lexer import POSTGRES
from startupctl.migrations.postgres.steps import parts_of

if TYPE_CHECKING:
    from startupctl.migrations.script import Script

SYNTAX_ERROR = "42601"
_CLIENT_COPY = re.compile(r"COPY\b[^;]*\b(?:FROM\s+STDIN|TO\s+STDOUT)\b", re.IGNORECASE)
_NO_DATA = "COPY from or to the client has no data here; use INSERT, or COPY with a file of the server"


def require_sendable(script: Script) -> None:
    """Raise StatementFailed, with its place, for what is no SQL of the server or has no end."""
    if _CLIENT_COPY.search(script.text):
        for number, part in enumerate(parts_of(script)):
            if _CLIENT_COPY.match(part.text):
                raise _refused(_NO_DATA, part.start, number)
    for token in POSTGRES.tokens(script.text) if "\\" in script.text else ():
        if token.part is Part.SIGN and token.text == "\\":
            command = script.text[token.start :].split(maxsplit=1)[0]
            raise _refused(f"`{command}` is a command of psql and no SQL; remove it", token.start)
    _require_closed(script.text)


def _require_closed(text: str) -> None:
    """Raise StatementFailed when what is sent behind a file would become part of a quote or comment in it."""
    *_, last = POSTGRES.pieces(f"{text}\n;0")
    if last.text != "0":
        *_, opened = (token.start for token in POSTGRES.tokens(text) if token.part is not Part.SPACE)
        raise _refused("a quote or a comment is never closed", opened)


def _refused(said: str, start: int, done: int | None = None) -> StatementFailed:
    return StatementFailed(SYNTAX_ERROR, said, FailureClass.PERMANENT, position=start + 1, done=done)
