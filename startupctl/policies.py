"""Decides how each component is tried: flag, its own key, environment, `defaults:`, built-in default, in this order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from startupctl.fields import PositiveSeconds, Seconds
from startupctl.keys import Keys
from startupctl.model import Backoff, Breaker, Policy
from startupctl.nodes import MappingNode
from startupctl.settings import BUILT_IN, Setting

if TYPE_CHECKING:
    from startupctl.nodes import Node
    from startupctl.settings import Found

DATABASE_TIMEOUT = 60.0  # seconds
_DEFAULT = Policy()


class PolicyKeys(Keys):
    """How a component is tried; the keys of `defaults:`."""

    timeout: PositiveSeconds = Field(
        default=_DEFAULT.timeout,
        description="one component, from when its dependencies settled; default of database kinds: 60s",
    )
    attempt_timeout: PositiveSeconds = Field(default=_DEFAULT.attempt_timeout, description="one attempt")
    connect_timeout: PositiveSeconds = Field(default=_DEFAULT.connect_timeout, description="one connection attempt")
    max_retries: int = Field(
        default=_DEFAULT.max_retries, ge=0, description="backed-off retries after the first attempt"
    )
    settle: Seconds = Field(
        default=_DEFAULT.settle, description="how long a server that was absent may still refuse a login"
    )
    success_threshold: int = Field(
        default=_DEFAULT.success_threshold, ge=1, description="passes in a row that are wanted"
    )
    # factories: pydantic would copy a default each time
    backoff: Backoff = Field(default_factory=lambda: _DEFAULT.backoff, description="waits between retries")
    breaker: Breaker = Field(
        default_factory=lambda: _DEFAULT.breaker, description="after how many failed runs it is left alone, how long"
    )


Layer = dict[str, Setting]
"""Settings by the dotted name of a policy's value, as `backoff.initial`."""

_OVERRIDES = {
    "timeout": "timeout",
    "max_retries": "max_retries",
    "breaker_threshold": "breaker.threshold",
    "recovery_timeout": "breaker.recovery_timeout",
}


class Policies:
    """Resolves the policies of one manifest; equal ones are one object."""

    def __init__(self, flags: Found, variables: Found, defaults: Layer) -> None:
        """Take what is given outside of the components."""
        self._flags = {database: _overrides(flags, database=database) for database in (False, True)}
        self._bases = {
            database: _built_in(database=database) | defaults | _overrides(variables, database=database)
            for database in (False, True)
        }
        self._alone = {database: base | self._flags[database] for database, base in self._bases.items()}
        self._known: dict[Policy, Policy] = {}

    def resolve(self, own: Layer, *, database: bool) -> tuple[Policy, Layer]:
        """Return the policy of a component that gives `own` values, and where each value came from."""
        found = self._bases[database] | own | self._flags[database] if own else self._alone[database]
        policy = _policy(found)
        return self._known.setdefault(policy, policy), found


def layer_of(keys: PolicyKeys, node: MappingNode) -> Layer:
    """Return what a mapping gives, each value with its place; `keys` is what was read from `node`."""
    layer: Layer = {}
    for name in keys.model_fields_set & PolicyKeys.model_fields.keys():
        value, place = getattr(keys, name), node.entries[name].value
        if isinstance(place, MappingNode):
            layer |= {
                f"{name}.{key}": Setting(getattr(value, key), origin_of(place.entries[key].value))
                for key in value.model_fields_set
            }
        else:
            layer[name] = Setting(value, origin_of(place))
    return layer


def origin_of(node: Node) -> str:
    """Return where a value is written, as `startupctl config` prints it."""
    return f"profile {node.source.profile}" if node.source.profile else str(node.mark)


def _overrides(found: Found, *, database: bool) -> Layer:
    layer = {leaf: found[name] for name, leaf in _OVERRIDES.items() if name in found}
    if database and "db_timeout" in found:
        layer["timeout"] = found["db_timeout"]
    return layer


def _built_in(*, database: bool) -> Layer:
    keys = PolicyKeys(timeout=DATABASE_TIMEOUT) if database else PolicyKeys()
    return {leaf: Setting(value, BUILT_IN) for leaf, value in _leaves(keys)}


def _leaves(keys: PolicyKeys) -> list[tuple[str, Any]]:
    leaves: list[tuple[str, Any]] = []
    for name in PolicyKeys.model_fields:
        value = getattr(keys, name)
        if isinstance(value, Keys):
            leaves += [(f"{name}.{key}", getattr(value, key)) for key in type(value).model_fields]
        else:
            leaves.append((name, value))
    return leaves


def _policy(found: Layer) -> Policy:
    flat: dict[str, Any] = {}
    tables: dict[str, dict[str, Any]] = {"backoff": {}, "breaker": {}}
    for leaf, setting in found.items():
        table, _, key = leaf.rpartition(".")
        (tables[table] if table else flat)[key] = setting.value
    return Policy(**flat, backoff=Backoff(**tables["backoff"]), breaker=Breaker(**tables["breaker"]))
