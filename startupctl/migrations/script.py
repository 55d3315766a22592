"""One migration as a value: what it does on the way up, and on the way down where it has one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from startupctl.migrations.lexer import normalised

if TYPE_CHECKING:
    from pathlib import Path

    from startupctl.migrations.lexer import Lexicon, Statement


@dataclass(frozen=True, slots=True)
class Script:
    """The statements of one direction; `text` has the line numbers of the file at `path`.

    `transaction` False means that the file asks to run outside of one. `parts` are the statements where
    the format itself cuts them; None leaves that to the lexer of the dialect.
    """

    path: Path
    text: str
    transaction: bool = True
    parts: tuple[Statement, ...] | None = None


@dataclass(frozen=True, slots=True)
class Migration:
    """One step forward, and back where `down` is given.

    `version` identifies it in a ledger; `raw` is the sha256 of the bytes of its file. One that is
    `repeatable` is applied again when its content changed. `obstacle` says why it cannot be applied
    here, as a migration that is a program of its own tool.
    """

    version: str
    name: str
    format: str
    raw: str
    up: Script
    down: Script | None = None
    repeatable: bool = False
    obstacle: str = ""

    @property
    def path(self) -> Path:
        """The file that is applied."""
        return self.up.path

    def content_hash(self, lexicon: Lexicon) -> str:
        """Return the sha256 of what the server sees of it: without comments and layout."""
        return hashlib.sha256(normalised(self.up.text, lexicon).encode()).hexdigest()
