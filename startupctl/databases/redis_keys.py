"""The manifest keys of the kind `redis` that are tables of their own: expect, bootstrap."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from startupctl.fields import Secret
from startupctl.keys import Keys
from startupctl.versions import VersionField

if TYPE_CHECKING:
    from collections.abc import Iterator

OURS = "startupctl:"  # what the keys of ours in a database begin with

Role = Annotated[
    Literal["master", "replica"],
    BeforeValidator(lambda value: {"primary": "master", "slave": "replica"}.get(value, value)),
]
Name = Annotated[str, Field(min_length=1)]
Groups = Annotated[tuple[Name, ...], Field(min_length=1)]


class RedisExpect(Keys):
    """What the server must be."""

    version: VersionField | None = Field(default=None, description="a constraint on the server's own version: `>=7.2`")
    role: Role | None = Field(default=None, description="`master` (also `primary`) or `replica`")


class StreamKeys(Keys):
    """A stream and its consumer groups."""

    groups: Groups = Field(description="the consumer groups")
    start: str = Field(
        default="$",
        pattern=r"^(\$|\d+(-\d+)?)$",
        description="the entry a new group begins after: `$` the last one there is, `0` before the first, or an ID",
    )


class BootstrapKeys(Keys):
    """What must be in the database before the service starts; it is made where it is missing, never changed."""

    streams: dict[Name, Groups | StreamKeys] = Field(
        default={}, description="stream to its consumer groups: `orders: [billing, mail]`"
    )
    functions: tuple[Path, ...] = Field(
        default=(), description="files of function libraries; loaded when the code differs"
    )
    keys: dict[Name, Secret] = Field(
        default={}, description="key to the text it begins with, set only where it is missing"
    )

    @model_validator(mode="after")
    def _apart(self) -> Self:
        names = [*self.streams, *self.keys]
        for name in names:
            if name.startswith(OURS):
                raise ValueError(f"`{name}`: names that begin with `{OURS}` are startupctl's own")
            if names.count(name) > 1:
                raise ValueError(f"`{name}` is a stream and a key")
        return self

    def stream_keys(self) -> Iterator[tuple[str, StreamKeys]]:
        """Yield every stream with its groups."""
        for name, keys in self.streams.items():
            yield name, keys if isinstance(keys, StreamKeys) else StreamKeys(groups=keys)
