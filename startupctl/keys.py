"""The base of what is read from keys of a manifest: frozen, no unknown keys, no value in an error."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Keys(BaseModel):
    """A group of keys; its validator is built when it is first used, not when its module is imported."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, serialize_by_alias=True, defer_build=True
    )


def without_empty(keys: Any) -> Any:
    """Take `${X:-}` of an unset variable as a key that is not there; a validator before all others."""
    return {key: value for key, value in keys.items() if value != ""} if isinstance(keys, dict) else keys


def table_or_none(value: object) -> object:
    """Read `create: true` as a table without entries and `create: false` as no table; words do as well."""
    return {"true": {}, "false": None}.get(str(value).lower(), value)
