"""What `bootstrap` can want: consumer groups, libraries of functions, keys; how each is looked at and made."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from startupctl.check import Unhealthy
from startupctl.databases import redis_bootstrap_codes as codes
from startupctl.databases.redis_diagnosis import facts_of
from startupctl.diagnosis import Diagnosis
from startupctl.wire.resp import RedisError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from startupctl.databases.redis_place import Place
    from startupctl.fields import Secret
    from startupctl.wire.resp import Answer, Command

    class Named(Protocol):
        """Something in a database that messages name."""

        @property
        def id(self) -> str:
            """How reports name it."""

        @property
        def key(self) -> str:
            """The key it lives under, empty for what is of the whole server."""

        @property
        def type(self) -> str:
            """The type of that key, as TYPE answers."""

    class Wanted(Named, Protocol):
        """Something that must be there; its id says where it stands in `bootstrap`."""

        @property
        def digest(self) -> str:
            """A sha256 of how it is made."""

        @property
        def making(self) -> tuple[str | bytes, ...]:
            """The command that makes it."""

        @property
        def questions(self) -> tuple[Command, ...]:
            """The commands that tell whether it is there."""

        def lack(self, answers: Sequence[Answer], place: Place) -> str:
            """Return what is the matter with it, empty for nothing.

            Raises Unhealthy (RDS020, RDS022) when it cannot be made, RedisError for what was answered instead.
            """


RECORD = "startupctl:schema"  # a hash: the id of what startupctl made to its entry


class Group(NamedTuple):
    """A consumer group of a stream; `start` is the entry it begins after."""

    stream: str
    name: str
    start: str
    type: str = "stream"

    @property
    def id(self) -> str:
        """`streams.<stream>.<group>`."""
        return f"streams.{self.stream}.{self.name}"

    @property
    def key(self) -> str:
        """The stream."""
        return self.stream

    @property
    def digest(self) -> str:
        """Of all that is wanted."""
        return sha256("\0".join(self).encode())

    @property
    def making(self) -> tuple[str, ...]:
        """XGROUP CREATE, which makes the stream as well; BUSYGROUP says that the group is there."""
        return ("XGROUP", "CREATE", self.stream, self.name, self.start, "MKSTREAM")

    @property
    def questions(self) -> tuple[Command, ...]:
        """The type of the key, and the groups if it is a stream."""
        return (("TYPE", self.stream), ("XINFO", "GROUPS", self.stream))

    def lack(self, answers: Sequence[Answer], place: Place) -> str:
        """Tell whether the stream or only the group is missing."""
        kind, groups = answers
        if not has_type(self, kind, place):
            return f"the stream `{self.stream}` is missing"
        found = [as_mapping(group).get("name") for group in granted(groups)]
        return "" if self.name in found else f"the group `{self.name}` of the stream `{self.stream}` is missing"


class Seed(NamedTuple):
    """A key that holds a text at first; what becomes of the text is the service's business."""

    key: str
    value: Secret
    type: str = "string"

    @property
    def id(self) -> str:
        """`keys.<key>`."""
        return f"keys.{self.key}"

    @property
    def digest(self) -> str:
        """Of the name alone: the value may be a secret that is easy to guess."""
        return sha256(self.key.encode())

    @property
    def making(self) -> tuple[str, ...]:
        """SET NX, which answers nothing when the key is there."""
        return ("SET", self.key, self.value.reveal(), "NX")

    @property
    def questions(self) -> tuple[Command, ...]:
        """The type of the key; the value is not looked at."""
        return (("TYPE", self.key),)

    def lack(self, answers: Sequence[Answer], place: Place) -> str:
        """Tell whether the key is missing."""
        return "" if has_type(self, answers[0], place) else f"the key `{self.key}` is missing"


class Library(NamedTuple):
    """A library of functions; `file` is as the manifest names it."""

    name: str
    code: bytes
    file: str
    key: str = ""
    type: str = ""

    @property
    def id(self) -> str:
        """`functions.<library>`."""
        return f"functions.{self.name}"

    @property
    def digest(self) -> str:
        """Of the code."""
        return sha256(self.code)

    @property
    def making(self) -> tuple[str | bytes, ...]:
        """FUNCTION LOAD REPLACE: all functions of the library are replaced at once."""
        return ("FUNCTION", "LOAD", "REPLACE", self.code)

    @property
    def questions(self) -> tuple[Command, ...]:
        """The library with its code."""
        return (("FUNCTION", "LIST", "LIBRARYNAME", self.name, "WITHCODE"),)

    def lack(self, answers: Sequence[Answer], place: Place) -> str:
        """Tell whether the library is missing or has another code."""
        [answer] = answers
        if isinstance(answer, RedisError) and answer.word == "ERR" and answer.text.startswith("unknown command"):
            raise Unhealthy(Diagnosis(codes.NO_FUNCTIONS, facts_of(place) | {"name": self.name}))
        found = [as_mapping(library).get("library_code") for library in granted(answer)]
        if not found:
            return f"the library `{self.name}` is missing"
        same = found == [self.code.decode(errors="replace")]
        return "" if same else f"the library `{self.name}` is not that of `{self.file}`"


class Entry(NamedTuple):
    """What the record says of something that was made: its sha256 and the time."""

    of: Wanted
    key: str = RECORD
    type: str = "hash"

    @property
    def id(self) -> str:
        """Of the record."""
        return f"the record of {self.of.id}"

    @property
    def making(self) -> tuple[str, ...]:
        """HSET, with the present time."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return ("HSET", RECORD, self.of.id, f"{self.of.digest} {now}")


def has_type(wanted: Named, answer: Answer, place: Place) -> bool:
    """Whether the key is there, by the answer to TYPE; raises Unhealthy (RDS020) when it has another type."""
    if isinstance(answer, RedisError):
        raise answer
    if answer not in (wanted.type, "none"):
        raise Unhealthy(wrong_type(wanted, str(answer), place))
    return answer == wanted.type


def wrong_type(wanted: Named, found: str, place: Place) -> Diagnosis:
    """Return the diagnosis of a key that holds something else."""
    facts = {"key": wanted.key, "found": found, "wanted": wanted.type}
    return Diagnosis(codes.WRONG_TYPE, facts_of(place) | facts)


def granted(answer: Answer) -> list[Answer]:
    """Return a list that was asked for; raises the error that came instead."""
    if isinstance(answer, RedisError):
        raise answer
    return answer if isinstance(answer, list) else []


def as_mapping(answer: Answer) -> dict[str, Answer]:
    """Read a flat list of names and values."""
    parts = answer if isinstance(answer, list) else []
    return {str(name): value for name, value in zip(parts[::2], parts[1::2], strict=False)}


def sha256(data: bytes) -> str:
    """Return the hash in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
