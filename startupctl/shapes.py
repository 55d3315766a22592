"""What the type of a field allows at its place: a model's keys, a mapping, a list, text, or anything."""

from __future__ import annotations

import re
import types
from collections import abc
from functools import cache, reduce
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel

from startupctl.check import secret_keys

_INTEGER = re.compile(r"[-+]?[0-9]{1,4000}")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"([-+]?)\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS = {word: value for value in (True, False) for word in (str(value), str(value).lower(), str(value).upper())}
_NUMBERS = {int, float, bool}
_LISTS = (list, tuple, set, frozenset)


class Shape(NamedTuple):
    """What may stand at a place; `values` and `items` are the shapes inside a mapping and a list.

    `text`: there is a type that reads a scalar. `undecided`: text as well as a number would be right.
    """

    models: tuple[type[BaseModel], ...] = ()
    values: Shape | None = None
    items: Shape | None = None
    text: bool = False
    undecided: bool = False
    nullable: bool = False

    @property
    def by_looks(self) -> bool:
        """Whether a plain scalar is what YAML 1.2's core schema makes of it, because the type does not decide."""
        return self.undecided or not self.text

    def model_for(self, keys: abc.Set[str]) -> type[BaseModel] | None:
        """Return the model that knows most of these keys, None when there is no model."""
        return max(self.models, key=lambda model: len(keys_of(model).keys() & keys), default=None)

    def __or__(self, other: Shape) -> Shape:
        """Allow what either allows."""
        return Shape(
            self.models + other.models,
            self.values or other.values,
            self.items or other.items,
            self.text or other.text,
            self.undecided or other.undecided,
            self.nullable or other.nullable,
        )


ANYTHING = Shape(nullable=True)
TEXT = Shape(text=True)


class Key(NamedTuple):
    """One key of a model: the shape of its value, and whether it holds a secret."""

    shape: Shape
    secret: bool


@cache
def keys_of(model: type[BaseModel]) -> dict[str, Key]:
    """Return the keys a model takes, as they are written."""
    secret = secret_keys(model)
    names = {info.alias or name: info for name, info in model.model_fields.items()}
    return {name: Key(shape_of(info.annotation), name in secret) for name, info in names.items()}


def shape_of(annotation: Any) -> Shape:
    """Read a type into a shape; a type that is read from one text is `TEXT`."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return shape_of(args[0])
    if origin in (Union, types.UnionType):
        return _shape_of_union(args)
    if annotation in (Any, object):
        return ANYTHING
    if annotation in (None, types.NoneType):
        return Shape(nullable=True)
    return _shape_of_class(origin or annotation, args)


def _shape_of_class(kind: Any, args: tuple[Any, ...]) -> Shape:
    if not isinstance(kind, type):
        return TEXT
    if issubclass(kind, BaseModel):
        return Shape(models=(kind,))
    if issubclass(kind, abc.Mapping):
        return Shape(values=shape_of(args[1]) if args else ANYTHING)
    if issubclass(kind, abc.Iterable) and args:
        return Shape(items=shape_of(args[0]))
    return Shape(items=ANYTHING) if issubclass(kind, _LISTS) else TEXT


def _shape_of_union(arms: tuple[Any, ...]) -> Shape:
    plain = {get_args(arm)[0] if get_origin(arm) is Annotated else arm for arm in arms}
    return reduce(Shape.__or__, map(shape_of, arms), Shape(undecided=str in plain and bool(plain & _NUMBERS)))


def core_value(text: str) -> object:
    """Return what YAML 1.2's core schema makes of a plain scalar (YAML 1.2.2, section 10.3.2)."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if special := _SPECIAL.fullmatch(text):
        return float("nan") if special[1] is None else float(f"{special[1]}inf")
    return text
