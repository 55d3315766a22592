"""Fits the nodes of a manifest into typed fields: the type decides what a scalar is, variables are filled on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from startupctl.errors import Problem
from startupctl.findings import KeyPath, dotted, read_findings
from startupctl.interpolate import Missing, Unfilled
from startupctl.near import near_hint
from startupctl.nodes import MappingNode, ScalarNode, SequenceNode
from startupctl.shapes import ANYTHING, TEXT, Shape, core_value, keys_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from startupctl.interpolate import Lookup
    from startupctl.nodes import Entry, Node

Model = TypeVar("Model", bound=BaseModel)
MAX_COMPARED = 30_000  # names; looking for near ones takes some 20 microseconds each
FILE_SUFFIX = "_file"

_UNFILLED = object()


class Reading:
    """What one reading of a manifest gathers: problems, and through `lookup` the secrets."""

    def __init__(self, lookup: Lookup) -> None:
        """Begin with nothing found."""
        self.lookup = lookup
        self.problems: list[Problem] = []
        self._left_to_compare = MAX_COMPARED

    def report(self, what: str, where: KeyPath = (), hint: str = "", node: Node | None = None) -> None:
        """Add a problem at a node."""
        self.problems.append(Problem(what, dotted(where), hint, node.mark if node else None))

    def near(self, name: str, known: Collection[str]) -> str:
        """Return a hint that names the nearest known name; nothing when very many were looked for before."""
        if self._left_to_compare <= 0:
            return ""
        self._left_to_compare -= len(known)
        return near_hint(name, known)

    def text(self, node: Node, where: KeyPath) -> str | None:
        """Return the text of a scalar with its variables filled; None, reported, when it has none."""
        if not isinstance(node, ScalarNode) or node.is_null:
            self.report("must be text", where, node=node)
            return None
        try:
            return self.lookup.fill(node.text, node.source.folder)
        except Unfilled as unfilled:
            for reason in unfilled.reasons:
                self.report(reason.what, where, reason.hint, node)
            return None


class Outside(NamedTuple):
    """Tables of values from outside the manifest: `below` are defaults for what is written, `above` win over it."""

    below: Mapping[str, Mapping[str, Any]]
    above: Mapping[str, Mapping[str, Any]]


NOTHING = Outside({}, {})


class Fitted(NamedTuple):
    """A model made of a mapping; `model` is None when it could not be, `whole` is false when places had no value."""

    model: Any
    whole: bool


def fit(
    model: type[Model],
    node: MappingNode,
    where: KeyPath,
    reading: Reading,
    *,
    lookup: Lookup | None = None,
    also: Collection[str] = (),
    outside: Outside = NOTHING,
) -> Fitted:
    """Read a mapping as a model; problems go to `reading`.

    `also` are keys that belong to somebody else here, for suggestions; `lookup` replaces that of `reading`.
    """
    fitting = _Fitting(reading, lookup or reading.lookup, where)
    values = fitting.table(model, node, (), also)
    for key in outside.below.keys() | outside.above.keys():
        written = values.get(key, {})
        if isinstance(written, dict):
            values[key] = {**outside.below.get(key, {}), **written, **outside.above.get(key, {})}
    try:
        return Fitted(model.model_validate(values), not fitting.silent)
    except ValidationError as error:
        secrets = fitting.lookup.secrets | fitting.secrets
        reading.problems += read_findings(error, node, where, fitting.silent, secrets)
        return Fitted(None, whole=False)


class _Fitting:
    """One mapping on its way into a model.

    `silent` are the places in it that need no further problem, `secrets` what is written at secret keys.
    """

    def __init__(self, reading: Reading, lookup: Lookup, where: KeyPath) -> None:
        self.reading, self.lookup, self.where = reading, lookup, where
        self.silent: list[KeyPath] = []
        self.secrets: set[str] = set()

    def table(
        self, model: type[BaseModel], node: MappingNode, path: KeyPath, also: Collection[str] = ()
    ) -> dict[str, Any]:
        """Return the values of a model by key; a null counts as not given where the type knows no null."""
        keys, values = keys_of(model), {}
        for name, entry in node.entries.items():
            stem = name.removesuffix(FILE_SUFFIX)
            if name in keys:
                value = self.value(entry.value, keys[name].shape, (*path, name))
                if value is not _UNFILLED and (value is not None or keys[name].shape.nullable):
                    values[name] = value
                if keys[name].secret and isinstance(value, str):
                    self.secrets.add(value)
            elif stem != name and stem in keys and keys[stem].secret:
                values |= self._from_file(stem, entry, node, path)
            else:
                self._unknown(name, entry, (*path, name), [*keys, *also])
        return values

    def value(self, node: Node, shape: Shape, path: KeyPath) -> Any:
        """Return what pydantic is given for a node, `_UNFILLED` when a variable in it has no value."""
        if isinstance(node, ScalarNode):
            return self._scalar(node, shape, path)
        if isinstance(node, SequenceNode):
            inner = shape.items or ANYTHING
            items = [self.value(item, inner, (*path, at)) for at, item in enumerate(node.items)]
            return _UNFILLED if _UNFILLED in items else items
        assert isinstance(node, MappingNode)
        model = shape.model_for(node.entries.keys())
        if model:
            return self.table(model, node, path)
        inner = shape.values or ANYTHING
        values = {name: self.value(entry.value, inner, (*path, name)) for name, entry in node.entries.items()}
        return _UNFILLED if _UNFILLED in values.values() else values

    def _scalar(self, node: ScalarNode, shape: Shape, path: KeyPath) -> Any:
        if node.is_null:
            return None
        text, written = node.text, True
        if "$" in text:
            try:
                text, written = self.lookup.fill(text, node.source.folder), False
            except Unfilled as unfilled:
                return self._without_value(unfilled, node, path)
        # what a variable holds stays text where anything goes; where text cannot be right, `true` is no text
        by_looks = (written and node.plain and shape.by_looks) or (shape.models and not shape.text)
        return core_value(text) if by_looks else text

    def _without_value(self, unfilled: Unfilled, node: Node, path: KeyPath) -> object:
        self.silent.append(path)
        for reason in unfilled.reasons:
            self.reading.report(reason.what, (*self.where, *path), reason.hint, node)
        return _UNFILLED

    def _from_file(self, key: str, entry: Entry, node: MappingNode, path: KeyPath) -> dict[str, Any]:
        """Return the value of a secret key that is given as the name of a file, nothing when there is none."""
        place = (*path, entry.key.text)
        if node.get(key):
            self.silent.append((*path, key))
            what = f"`{key}` and `{entry.key.text}` exclude each other"
            self.reading.report(what, (*self.where, *place), "keep one", entry.key)
            return {}
        name = self.value(entry.value, TEXT, place)
        value = None if name is None else self._secret(name, entry.value, place)
        if value is _UNFILLED:
            self.silent.append((*path, key))
        return {} if value is None or value is _UNFILLED else {key: value}

    def _secret(self, name: object, node: Node, place: KeyPath) -> object:
        """Return the text of a file, `_UNFILLED` when its name or the file cannot be read."""
        if name is _UNFILLED:
            return _UNFILLED
        if not isinstance(name, str):
            return self._without_value(Unfilled([Missing("must be the path of a file")]), node, place)
        try:
            return self.lookup.read_secret(node.source.folder / name)
        except Unfilled as unfilled:
            return self._without_value(unfilled, node, place)

    def _unknown(self, name: str, entry: Entry, path: KeyPath, known: Collection[str]) -> None:
        self.silent.append(path)
        self.reading.report("unknown key", (*self.where, *path), self.reading.near(name, known), entry.key)
