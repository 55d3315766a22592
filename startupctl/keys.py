"""The base of what is read from keys of a manifest: frozen, no unknown keys, no value in an error."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Keys(BaseModel):
    """A group of keys; its validator is built when it is first used, not when its module is imported."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, serialize_by_alias=True, defer_build=True
    )
