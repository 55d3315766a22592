"""Atlas's files: `20260131120000_users.sql` in the order of their names, held against `atlas.sum`.

The rules are those of sql/migrate/dir.go and cmd/atlas/internal/cmdapi/migrate.go: a directive belongs to the
file when it stands in the comments at its top and an empty line follows them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from startupctl.migrations.formats import BY_NAME
from startupctl.migrations.markers import ATLAS, refuse_foreign
from startupctl.migrations.script import Migration, Script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from startupctl.migrations.folder import Folder, Source
    from startupctl.migrations.lexer import Statement

RANK = BY_NAME
APPLIES_LATE = False
FILLS_PLACEHOLDERS = False
OUTSIDE = "put `-- atlas:txmode none` and an empty line at the top of `{file}`, and run `atlas migrate hash`"

SUM = "atlas.sum"
_DIRECTIVE = re.compile(r"[ -~]*atlas:(\w+)(?: +(.+))?")
_HALF_DIRECTIVE = re.compile(r"--[ \t]*atlas[ \t]*:?[ \t]*(?:tx-?mode|delimiter|checkpoint)\b", re.IGNORECASE)
_ARCHIVES = {"txtar": "it holds several files in one", "import": "it takes in other files"}


def sign(folder: Folder) -> str:
    """Return `atlas.sum` when it is there."""
    return SUM if SUM in folder.files else ""


def order(migration: Migration) -> str:
    """Order by file name."""
    return migration.name


def read(folder: Folder) -> Iterator[Migration]:
    """Read every file that is no checkpoint: those only shorten the way to where the files before them lead."""
    from startupctl.migrations.atlas_sum import refuse_mismatch

    sources = list(folder.sources(folder.sql))
    if len(sources) == len(folder.sql):
        refuse_mismatch(folder, sources)
    first = True
    for source in sources:
        directives = dict(_directives(folder, source))
        if "checkpoint" in directives and first:
            hint = "restore the files before it, or remove its directive and run `atlas migrate hash`"
            folder.refuse(source.name, "is a checkpoint, and the files that lead to it are gone", hint)
        elif "checkpoint" not in directives and not refuse_foreign(folder, source, "atlas", ATLAS):
            yield _read(folder, source, directives)
        first = False


def _read(folder: Folder, source: Source, directives: dict[str, str]) -> Migration:
    version = source.name[: -len(".sql")].partition("_")[0]
    archive = next((what for name, what in _ARCHIVES.items() if name in directives), "")
    obstacle = f"{archive}; only Atlas can apply it" if archive else ""
    parts = () if obstacle else _parts(folder, source)
    up = Script(source.path, source.text, transaction=directives.get("txmode") != "none", parts=parts)
    return Migration(version, source.name, "atlas", source.raw, up, obstacle=obstacle)


def _parts(folder: Folder, source: Source) -> tuple[Statement, ...] | None:
    """Return the statements of a file that names its delimiter; None leaves the others to the lexer."""
    from startupctl.migrations.atlas_cut import NotCut, cut, delimiter_of

    delimiter = delimiter_of(source.text)
    try:
        return tuple(cut(source.text, delimiter)) if delimiter else None
    except NotCut as error:
        line, column = source.place(error.position)
        folder.refuse(source.name, f"cannot be cut at its delimiter: {error.what}", "close it", line, column)
        return ()


def _directives(folder: Folder, source: Source) -> Iterator[tuple[str, str]]:
    """Yield the directives of the file with what they say; one that is wrong becomes a problem."""
    known = set()
    for line, comment in enumerate(_header(source.text), 1):
        found = _DIRECTIVE.match(comment)
        if found:
            name, value = found[1], (found[2] or "").strip()
            if name == "txmode":
                _refuse_mode(folder, source, value, line, twice=name in known)
            known.add(name)
            yield name, value
        elif _HALF_DIRECTIVE.match(comment):
            hint = "write it as `-- atlas:txmode none`"
            folder.refuse(source.name, f"`{comment}` is a half-written directive", hint, line)


def _refuse_mode(folder: Folder, source: Source, value: str, line: int, *, twice: bool) -> None:
    if twice:
        folder.refuse(source.name, "has a second `atlas:txmode`", "keep one", line)
    elif value not in ("none", "file"):
        folder.refuse(source.name, f"`atlas:txmode {value}` is not known for one file", "write none or file", line)


def _header(text: str) -> list[str]:
    """Return the comments at the top; they are the statement's when no empty line follows them."""
    lines: list[str] = []
    rest = text
    while rest.startswith(("#", "--")):
        line, _, rest = rest.partition("\n")
        lines.append(line.strip())
    return lines if not rest or rest.lstrip(" \t\r").startswith("\n") else []
