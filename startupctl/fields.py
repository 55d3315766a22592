"""The vocabulary of the manifest: durations, sizes, ports, the words of a program, priorities, secrets.

The type of a field decides what a scalar means, never its looks; a message about a value that may
hold a secret never repeats it.
"""

from __future__ import annotations

import math
import re
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

_SECOND_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTE_UNITS = {"": 1, "B": 1} | {
    prefix + suffix: base**power
    for power, prefix in enumerate("KMGT", 1)
    for base, suffix in ((1000, "B"), (1024, "iB"))
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([A-Za-z]*)")
_SECRET_NAME = re.compile(r"PASS|PWD|SECRET|TOKEN|KEY|CREDENTIAL|DSN", re.IGNORECASE)
MAX_PORT = 65535


def is_secret_name(name: str) -> bool:
    """Whether a parameter of this name holds a secret, by the words in it."""
    return bool(_SECRET_NAME.search(name))


def is_secret_variable(name: str) -> bool:
    """Whether an environment variable of this name holds a secret; PWD and OLDPWD are the shell's folders."""
    return is_secret_name(name) and name not in ("PWD", "OLDPWD")


def parse_seconds(value: object) -> float:
    """Read `500ms`, `5s`, `1m30s`, `2h` or a bare number of seconds.

    Raises ValueError for anything else, also for negative numbers, NaN and unknown units.
    """
    text = str(value).strip()
    parts = _DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _SECOND_UNITS[unit] for number, unit in parts)
    return _bare_number(text, "a duration such as 500ms, 5s, 1m30s or 2h")


def parse_bytes(value: object) -> int:
    """Read `512MiB`, `2GB` or a bare number of bytes; raises ValueError otherwise."""
    match = _SIZE.fullmatch(str(value).strip())
    if not match or match[2] not in _BYTE_UNITS:
        message = "not a size such as 512MiB or 2GB"
        raise ValueError(message)
    return int(float(match[1]) * _BYTE_UNITS[match[2]])


def _bare_number(text: str, wanted: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0 or "_" in text:
        message = f"not {wanted}"
        raise ValueError(message)
    return number


Seconds = Annotated[
    float,
    BeforeValidator(parse_seconds),
    WithJsonSchema(
        {"type": ["string", "number"], "description": "a duration: 500ms, 5s, 1m30s, 2h; a bare number is seconds"}
    ),
]
PositiveSeconds = Annotated[Seconds, Field(gt=0)]
Bytes = Annotated[
    int,
    BeforeValidator(parse_bytes),
    WithJsonSchema({"type": ["string", "integer"], "description": "a size: 512MiB, 2GB; a bare number is bytes"}),
]
Port = Annotated[int, Field(ge=1, le=MAX_PORT)]
Argv = Annotated[list[Annotated[str, Field(pattern=r"^[^\x00]*$")]], Field(min_length=1)]


class Priority(IntEnum):
    """How much a component matters; a higher value matters more."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @classmethod
    def parse(cls, value: object) -> Priority:
        """Read a priority in any case; raises ValueError naming the four."""
        try:
            return value if isinstance(value, Priority) else cls[str(value).strip().upper()]
        except KeyError:
            message = f"not a priority, use one of {', '.join(p.name for p in reversed(cls))}"
            raise ValueError(message) from None

    def __str__(self) -> str:
        """Return the name as the manifest writes it."""
        return self.name


PriorityField = Annotated[
    Priority,
    BeforeValidator(Priority.parse),
    WithJsonSchema({"type": "string", "pattern": "^(?i:critical|high|medium|low)$"}),
]


class Parsed:
    """A value read from one string; gives pydantic and the JSON Schema what they need."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text; raises ValueError whose words hold nothing that may be secret."""
        raise NotImplementedError

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(cls._read)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string"}

    @classmethod
    def _read(cls, value: object) -> Self:
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            message = "must be text"
            raise ValueError(message)  # noqa: TRY004  (pydantic turns only ValueError into a finding)
        return cls.parse(value)


class Secret(Parsed):
    """Text that is never shown; `reveal` is the only way to it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Keep the text."""
        self._text = text

    @classmethod
    def parse(cls, text: str) -> Secret:
        """Take the text as it stands."""
        return cls(text)

    def reveal(self) -> str:
        """Return the text, to be sent and never to be printed."""
        return self._text

    def __repr__(self) -> str:
        """Return stars."""
        return "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        """Compare the texts."""
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        """Hash the text."""
        return hash(self._text)

    def __bool__(self) -> bool:
        """Whether there is any text."""
        return bool(self._text)
