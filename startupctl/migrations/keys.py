"""The manifest keys of `migrations:`, the same for every database."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from startupctl.addresses import Url
from startupctl.fields import Argv, Seconds
from startupctl.keys import Keys
from startupctl.migrations.formats import AUTO, format_names

if TYPE_CHECKING:
    from startupctl.check import Run

DEFAULT_TABLE = "startupctl_migrations"
DEFAULT_LOCK_TIMEOUT = 600.0  # seconds


class OutOfOrder(StrEnum):
    """What happens to a pending file that is older than an applied one."""

    AUTO = "auto"  # as the format's own tool does it
    APPLY = "apply"
    ERROR = "error"


def _nothing_if_empty(value: object) -> object:
    return None if value == "" else value


def _known_format(value: str) -> str:
    known = [AUTO, *format_names()]
    if value not in known:
        raise ValueError(f"not a format, use one of {', '.join(known)}")
    return value


_FORMATS = WithJsonSchema({"type": "string", "enum": [AUTO, *format_names()]})
_ONE_WAY: dict[str, Any] = {"oneOf": [{"required": ["dir"]}, {"required": ["tool"]}]}
_WITH_TOOL = frozenset({"tool", "url", "lock", "lock_timeout", "timeout"})


class ToolKeys(Keys):
    """A migrator that is asked and run: programs with their words, without a shell, in the folder of the manifest."""

    check: Argv = Field(description="changes nothing, and exits with 0 when nothing is pending")
    up: Argv = Field(
        description="applies what is pending; it is run by one process at a time, under the migration lock"
    )

    @property
    def label(self) -> str:
        """The migrator without its arguments: they may hold secrets."""
        return self.up[0] + (" ..." if self.up[1:] else "")


class MigrationKeys(Keys):
    """Where the migrations are and how they are applied; times in seconds, 0 means without limit."""

    model_config = ConfigDict(json_schema_extra=_ONE_WAY)

    dir: str = Field(default="", min_length=1, description="directory of the files, relative to the manifest")
    tool: ToolKeys | None = Field(default=None, description="instead of `dir`: alembic, Django or any other migrator")
    format: Annotated[str, AfterValidator(_known_format), _FORMATS] = Field(
        default=AUTO, description="auto looks and decides"
    )
    placeholders: dict[str, str] = Field(default_factory=dict, description="values for `${name}` in files of Flyway")
    table: str = Field(
        default=DEFAULT_TABLE,
        pattern=r"^[^.\s]+(\.[^.\s]+)?$",
        description="where applied migrations are recorded, `table` or `schema.table`",
    )
    url: Annotated[Url | None, BeforeValidator(_nothing_if_empty)] = Field(
        default=None, description="a direct connection, where `url` leads to a pooler"
    )
    lock_timeout: Seconds = Field(
        default=DEFAULT_LOCK_TIMEOUT, description="from the last sign of life of the lock's holder"
    )
    timeout: Seconds = Field(default=0.0, description="one file, or one run of `tool.up`")
    out_of_order: OutOfOrder = Field(default=OutOfOrder.AUTO, description="a pending file older than an applied one")
    lock: str = Field(default="", description="the component that lends its lock")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        for_files = self.model_fields_set - _WITH_TOOL
        if self.tool and for_files:
            raise ValueError(f"`tool` and `{min(for_files)}` exclude each other: the tool knows its files")
        if not (self.dir or self.tool):
            raise ValueError("`dir` or `tool` is missing")
        return self

    def folder(self, run: Run) -> Path:
        """Return the directory of the files as a path that can be opened."""
        return run.folder / Path(self.dir).expanduser()
