"""What `bootstrap` wants of a database, and what of it is missing: the objects themselves are looked at."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from startupctl.check import Unhealthy
from startupctl.databases.redis_bootstrap_codes import BAD_LIBRARY
from startupctl.databases.redis_diagnosis import refused
from startupctl.databases.redis_objects import RECORD, Group, Library, Seed, wrong_type
from startupctl.databases.redis_signals import PERMISSION_DENIED
from startupctl.diagnosis import Diagnosis
from startupctl.text_file import FileRefused, read_bytes
from startupctl.wire.resp import RedisError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from startupctl.check import Facts
    from startupctl.databases.redis_keys import BootstrapKeys
    from startupctl.databases.redis_objects import Named, Wanted
    from startupctl.databases.redis_place import Place
    from startupctl.databases.redis_reader import RedisReader

MAX_FILE, MAX_LIBRARY = 2**20, 2**19  # bytes; the server sends the code back to be compared
# https://redis.io/docs/latest/develop/programmability/functions-intro/#loading-libraries-and-functions
_FIRST_LINE = re.compile(rb"#!\w+[ \t]+name=(\w+)[ \t]*\r?\n")


class Lack(NamedTuple):
    """Something that is wanted and not there; `reason` says what is the matter."""

    wanted: Wanted
    reason: str


class Survey(NamedTuple):
    """How many things are wanted, and which of them are missing."""

    total: int
    lacking: tuple[Lack, ...]

    def facts(self, made: Sequence[str] = (), pending: int | None = None) -> Facts:
        """Return the facts of a report; `made` are the ids of what was made in this run, `pending` what is left."""
        left = len(self.lacking) if pending is None else pending
        return {"bootstrap": {"created": list(made), "already": self.total - len(made) - left, "pending": left}}


def read_wanted(keys: BootstrapKeys, folder: Path) -> tuple[Wanted, ...]:
    """Return what is wanted, in the order it is made; files are relative to `folder`. Raises Unhealthy (RDS021)."""
    groups = [Group(stream, name, value.start) for stream, value in keys.stream_keys() for name in value.groups]
    libraries: dict[str, Library] = {}
    for file in keys.functions:
        library = _read_library(file, folder)
        if library.name in libraries:
            raise _unreadable(
                file, f"`{libraries[library.name].file}` and `{file}` both are the library `{library.name}`"
            )
        libraries[library.name] = library
    seeds = [Seed(key, value) for key, value in keys.keys.items()]
    return (*dict.fromkeys(groups), *libraries.values(), *seeds)


async def survey(reader: RedisReader, wanted: Sequence[Wanted]) -> Survey:
    """Look at every object in one round trip, at libraries on every master of a cluster.

    Raises Unhealthy: RDS011 when the user may not look, RDS020, RDS022; and RedisError.
    """
    reasons = await _reasons(reader, [one for one in wanted if one.key])
    libraries = [one for one in wanted if not one.key]
    for master in await reader.masters() if libraries else ():
        found = await _reasons(master, libraries)
        reasons |= {name: reasons.get(name) or reason for name, reason in found.items()}
    return Survey(len(wanted), tuple(Lack(one, reasons[one.id]) for one in wanted if reasons[one.id]))


async def made_at(reader: RedisReader, wanted: Wanted) -> str:
    """Return when startupctl made something, empty when it did not or the record may not be read."""
    [answer] = await reader.ask(("HGET", RECORD, wanted.id))
    return answer.partition(" ")[2] if isinstance(answer, str) else ""


def refusal(error: RedisError, wanted: Named, place: Place) -> Diagnosis:
    """Return the diagnosis of an error that was met with one object; it names the object."""
    if error.word == "WRONGTYPE":
        return wrong_type(wanted, "key of another type", place)
    found = refused(error, place)
    if isinstance(wanted, Library) and error.word == "ERR":
        what = f"the server does not take `{wanted.file}`: {found.said}"
        return Diagnosis(BAD_LIBRARY, {"what": what, "file": wanted.file}, signal=error.word)
    rules = f"+{error.command.lower()}" + (f" ~{wanted.key}" if wanted.key else "")
    advice = (
        f"run `ACL SETUSER {place.user or 'default'} {rules}` on the server" if found.code is PERMISSION_DENIED else ""
    )
    return replace(found, said=f"{wanted.id}: {found.said}", advice=advice)


async def _reasons(reader: RedisReader, wanted: Sequence[Wanted]) -> dict[str, str]:
    """Return for each id what is the matter with it, empty for nothing."""
    questions = list(dict.fromkeys(question for one in wanted for question in one.questions))
    answers = dict(zip(questions, await reader.ask(*questions), strict=True))
    reasons = {}
    for one in wanted:
        try:
            reasons[one.id] = one.lack([answers[question] for question in one.questions], reader.place)
        except RedisError as error:
            raise Unhealthy(refusal(error, one, reader.place)) from error
    return reasons


def _read_library(file: Path, folder: Path) -> Library:
    try:
        code = read_bytes(folder / file.expanduser(), MAX_FILE)
    except FileRefused as error:
        raise _unreadable(file, str(error)) from error
    first = _FIRST_LINE.match(code)
    if not first:
        raise _unreadable(file, f"`{file}` does not begin with a line like `#!lua name=limits`")
    if len(code) > MAX_LIBRARY:
        raise _unreadable(file, f"`{file}` is larger than {MAX_LIBRARY // 1024} KiB")
    return Library(first[1].decode(), code, str(file))


def _unreadable(file: Path, what: str) -> Unhealthy:
    return Unhealthy(Diagnosis(BAD_LIBRARY, {"what": what, "file": str(file)}))
