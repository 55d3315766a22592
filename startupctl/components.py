"""Reads the components of a manifest: reserved keys, kinds, policies."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, get_args

from pydantic import BeforeValidator, Field

from startupctl.discover import find_kind, kind_names
from startupctl.edges import read_edges
from startupctl.fields import Priority, PriorityField
from startupctl.fitting import NOTHING, fit
from startupctl.interpolate import Lookup
from startupctl.model import MOMENTS, Component, Moment
from startupctl.near import shown
from startupctl.nodes import MappingNode
from startupctl.policies import PolicyKeys, layer_of
from startupctl.shapes import keys_of

if TYPE_CHECKING:
    from startupctl.check import Check
    from startupctl.findings import KeyPath
    from startupctl.fitting import Outside, Reading
    from startupctl.nodes import Entry
    from startupctl.policies import Layer, Policies

NAME = "^[A-Za-z0-9][A-Za-z0-9_.-]*$"


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class ComponentKeys(PolicyKeys):
    """The reserved keys that every component may have, beside `kind` and `depends_on`."""

    priority: PriorityField = Field(default=Priority.HIGH, description="CRITICAL, HIGH, MEDIUM or LOW, in any case")
    when: Annotated[tuple[Moment, ...], BeforeValidator(_as_list, json_schema_input_type=list[Moment] | Moment)] = (
        Field(default=get_args(Moment), min_length=1, description="the moments it takes part in; default: all")
    )
    enabled: bool = Field(default=True, description="false: as if it were not there, its variables are not resolved")
    tags: tuple[str, ...] = Field(default=(), description="names for --tag")
    hint: str = Field(default="", description="shown when it fails")
    runbook: str = Field(default="", description="a link or a text, shown when it fails")


_BY_HAND = frozenset({"kind", "depends_on"})
RESERVED = _BY_HAND | ComponentKeys.model_fields.keys()
_NO_KEYS = ComponentKeys()
_EVERY_MOMENT, _NO_TAGS = frozenset(MOMENTS), frozenset[str]()


class ComponentReader:
    """Reads one component after the other; `origins` keeps where the values of their policies came from."""

    def __init__(self, reading: Reading, policies: Policies, pool: Outside) -> None:
        """Take what holds for all components."""
        self.reading, self.policies, self.pool = reading, policies, pool
        self.origins: dict[str, Layer] = {}
        self._blind = Lookup({}, resolve=False)

    def read(self, name: str, entry: Entry) -> Component | None:
        """Return a component; None, with a problem reported, when it is no mapping."""
        where, node = ("components", name), entry.value
        if not re.fullmatch(NAME, name):
            hint = "begin with a letter or a digit and go on with these, `_`, `.` and `-`"
            self.reading.report("cannot be the name of a component", where, hint, entry.key)
        if not isinstance(node, MappingNode):
            self.reading.report("must be a mapping that holds `kind`", where, node=node)
            return None
        reserved = replace(node, entries={key: one for key, one in node.entries.items() if key in RESERVED})
        own = replace(node, entries={key: one for key, one in node.entries.items() if key not in RESERVED})
        kind_name, kind = self._kind(reserved, where)
        keys = self._keys(reserved, where)
        database = kind is not None and kind.database
        policy, self.origins[f"components.{name}"] = self.policies.resolve(layer_of(keys, reserved), database=database)
        depends_on, edge_marks = read_edges(node.get("depends_on"), (*where, "depends_on"), self.reading)
        return Component(
            name=name,
            kind=kind_name,
            priority=keys.priority,
            check=self._check(kind, own, where, enabled=keys.enabled),
            depends_on=depends_on,
            when=_EVERY_MOMENT if "when" not in keys.model_fields_set else frozenset(keys.when),
            enabled=keys.enabled,
            policy=policy,
            tags=frozenset(keys.tags) if keys.tags else _NO_TAGS,
            hint=keys.hint,
            runbook=keys.runbook,
            folder=node.source.folder,
            mark=entry.key.mark,
            edge_marks=edge_marks,
            database=database,
        )

    def _keys(self, reserved: MappingNode, where: KeyPath) -> ComponentKeys:
        entries = {key: one for key, one in reserved.entries.items() if key not in _BY_HAND}
        if not entries:
            return _NO_KEYS
        return fit(ComponentKeys, replace(reserved, entries=entries), where, self.reading).model or _NO_KEYS

    def _kind(self, reserved: MappingNode, where: KeyPath) -> tuple[str, type[Check] | None]:
        """Return the kind as it is written, and its class when there is one."""
        node, where = reserved.get("kind"), (*where, "kind")
        if node is None:
            self.reading.report("is required", where, "`startupctl kinds` lists them", reserved)
            return "", None
        name = self.reading.text(node, where) or ""
        try:
            return name, find_kind(name) if name else None
        except LookupError:
            hint = self.reading.near(name, kind_names()) or "`startupctl kinds` lists them"
            self.reading.report(f"no kind is called `{shown(name)}`", where, hint, node)
        except (TypeError, ImportError) as error:  # of a third party's package
            self.reading.report(f"the kind `{name}` cannot be loaded: {error}", where, node=node)
        return name, None

    def _check(self, kind: type[Check] | None, own: MappingNode, where: KeyPath, *, enabled: bool) -> Check | None:
        """Return the kind with its keys; None when it has problems, or needs what is not resolved."""
        if kind is None:
            return None
        lookup = self.reading.lookup if enabled else self._blind
        pool = self.pool if "pool" in keys_of(kind) else NOTHING
        fitted = fit(kind, own, where, self.reading, lookup=lookup, also=RESERVED, outside=pool)
        if not fitted.whole:
            return None
        check: Check = fitted.model
        self.reading.lookup.secrets.update(check.secrets())
        return check
