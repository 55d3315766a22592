"""Holds the files of an Atlas directory against `atlas.sum`, as Atlas does before it applies anything.

The sum of a file is cumulative: over the names and contents of all files up to it. The rules are those of
sql/migrate/dir.go.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from itertools import zip_longest
from typing import TYPE_CHECKING

from startupctl.migrations.formats.atlas import SUM

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from startupctl.migrations.folder import Folder, Source

_LINE = re.compile(r"(.+?)\s*h1:(.*)")
_UNCOUNTED = re.compile(r"[ -~]*atlas:sum +ignore\r?(?:\n|\Z)")
_CURE = "look at what was changed, then run `atlas migrate hash`"


def refuse_mismatch(folder: Folder, sources: Sequence[Source]) -> None:
    """Note the first file that is not the one that was counted; `sources` are all files in their order."""
    if SUM not in folder.files:
        folder.refuse(SUM, "is missing, so nobody can tell whether the files are whole", "run `atlas migrate hash`")
        return
    source = folder.source(SUM)
    recorded = _recorded(folder, source) if source else None
    if recorded is None:
        return
    for wanted, found in zip_longest(recorded, _counted(sources)):
        if wanted != found:
            _refuse_first(folder, wanted and wanted[0], found and found[0], [one.name for one in sources])
            return


def _recorded(folder: Folder, source: Source) -> list[tuple[str, str]] | None:
    """Return the name and sum of each file; None when they cannot be believed."""
    header, *lines = source.text.splitlines() or [""]
    found = [_LINE.fullmatch(line) for line in lines]
    if None in found:
        folder.refuse(SUM, "holds a line that is no sum of a file", _CURE, found.index(None) + 2)
        return None
    recorded = [(line[1], line[2]) for line in found if line]
    if header != "h1:" + _digest("".join(name + digest for name, digest in recorded)):
        folder.refuse(SUM, "was changed by hand: its first line does not fit the others", _CURE, 1)
        return None
    return recorded


def _counted(sources: Sequence[Source]) -> Iterator[tuple[str, str]]:
    state = hashlib.sha256()
    for source in sources:
        state.update(source.name.encode())
        if not _UNCOUNTED.match(source.text):
            state.update(source.data)
            yield source.name, b64encode(state.digest()).decode()


def _digest(text: str) -> str:
    return b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _refuse_first(folder: Folder, wanted: str | None, found: str | None, names: Sequence[str]) -> None:
    """Name the file that was edited, removed or added, where the two lists part."""
    if wanted is not None and wanted == found:
        folder.refuse(wanted, f"is not what `{SUM}` counted: it, or its place among the others, was changed", _CURE)
    elif wanted is not None and wanted not in names:
        folder.refuse(wanted, f"is counted in `{SUM}` and is not there", _CURE)
    elif found is not None:
        folder.refuse(found, f"is not counted in `{SUM}`", _CURE)
