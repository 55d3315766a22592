"""One migration as a value: what it does on the way up, and on the way down where it has one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

from startupctl.migrations.lexer import normalised

if TYPE_CHECKING:
    from pathlib import Path

    from startupctl.migrations.lexer import Lexicon, Statement


class Script(NamedTuple):
    """The statements of one direction; `text` has the line numbers of the file at `path`.

    `transaction` False means that the file asks to run outside of one. `parts` are the statements where
    the format itself cuts them, as its tool sends them: with their comments and closing `;`, and several
    at once where they are marked as one. None leaves the cutting to the lexer of the dialect. `written`
    is the text before values were put into it, None when there were none to put in.
    """

    path: Path
    text: str
    transaction: bool = True
    parts: tuple[Statement, ...] | None = None
    written: str | None = None


class Migration(NamedTuple):
    """One step forward, and back where `down` is given.

    `version` identifies it in a ledger; `raw` is the sha256 of the bytes of its file. One that is
    `repeatable` is applied again when its content changed. `obstacle` says why it cannot be applied,
    nor taken back, here, as a migration that is a program of its own tool; `cure` is what to do about it
    where that tool is not needed.
    """

    version: str
    name: str
    format: str
    raw: str
    up: Script
    down: Script | None = None
    repeatable: bool = False
    obstacle: str = ""
    cure: str = ""

    @property
    def path(self) -> Path:
        """The file that is applied."""
        return self.up.path

    def content_hash(self, lexicon: Lexicon) -> str:
        """Return the sha256 of what the server sees of it, without comments and layout, before values were put in."""
        text = self.up.text if self.up.written is None else self.up.written
        return hashlib.sha256(normalised(text, lexicon).encode()).hexdigest()
