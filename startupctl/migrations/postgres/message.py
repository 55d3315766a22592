"""Statements of ours and of a file as one message, and where in the file an error of the server belongs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from startupctl.databases.session import StatementFailed
    from startupctl.migrations.lexer import Statement


class _Piece(NamedTuple):
    """A stretch of a file in the message; offsets are in characters from 0."""

    sent_at: int
    origin: int
    length: int


class Message:
    """A message under construction; a line ends behind every piece, so that no comment reaches into the next."""

    def __init__(self) -> None:
        self.text = ""
        self.before = 0
        """How many statements stand before those of the file that count."""
        self._pieces: list[_Piece] = []
        self._behind = False

    def ours(self, *statements: str) -> None:
        """Add statements of ours."""
        self.text += "".join(f"{statement};\n" for statement in statements)
        self.before += 0 if self._behind else len(statements)

    def opening(self, statements: Sequence[Statement]) -> None:
        """Add statements of the file that are not counted."""
        self._add(statements)
        self.before += len(statements)

    def main(self, pieces: Sequence[Statement]) -> None:
        """Add what the file does; one piece may hold several statements."""
        self._add(pieces)
        self._behind = True

    def locate(self, error: StatementFailed, count: int) -> None:
        """Make the place of an error one in the file, which has `count` statements; what is ours has none."""
        parsed, position = bool(error.done), error.position
        number = -1 if error.done is None else error.done - self.before
        error.done = number if 0 <= number < count else None
        error.position = None if position is None else self._origin(position - 1, parsed=parsed)

    def _add(self, pieces: Sequence[Statement]) -> None:
        for piece in pieces:
            self._pieces.append(_Piece(len(self.text), piece.start, len(piece.text)))
            self.text += f"{piece.text}\n;\n"

    def _origin(self, offset: int, *, parsed: bool) -> int | None:
        """Return a position in the file, from 1; that something lacks is noticed only behind it."""
        piece = next((piece for piece in reversed(self._pieces) if piece.sent_at <= offset), None)
        if piece is None or (parsed and offset >= piece.sent_at + piece.length):
            return None
        return piece.origin + min(offset - piece.sent_at, piece.length - 1) + 1
