"""Turns what pydantic finds into problems of the manifest: our sentences, the place, never a value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from startupctl.errors import Problem
from startupctl.near import near_hint, shown
from startupctl.nodes import MappingNode, ScalarNode, SequenceNode
from startupctl.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

    from startupctl.nodes import Node

KeyPath = tuple[str | int, ...]

_SENTENCES = {
    "missing": "is required",
    "extra_forbidden": "unknown key",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "finite_number": "must be a finite number",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match the pattern `{pattern}`",
    "too_long": "must have at most {max_length} entries",
    "none_required": "must be empty",
    "pattern_regex": "must be a regular expression",
}
_BY_BEGINNING = {
    "int_": "must be a whole number",
    "float_": "must be a number",
    "decimal_": "must be a number",
    "bool_": "must be true or false",
    "string_": "must be text",
    "path_": "must be a path",
    "list_": "must be a list",
    "tuple_": "must be a list",
    "set_": "must be a list",
    "frozen_set_": "must be a list",
    "dict_": "must be a mapping",
    "model_": "must be a mapping",
    "mapping_": "must be a mapping",
    "date": "must be a date and time",
    "time": "must be a time",
    "url_": "must be a URL",
}
_QUOTED = re.compile(r"'([^']*)'")


def read_findings(
    error: ValidationError,
    node: MappingNode,
    where: KeyPath,
    silent: Iterable[KeyPath] = (),
    secrets: Iterable[str] = (),
) -> list[Problem]:
    """Return the problems of one mapping; `where` is its own path.

    Places in `silent` (relative to the mapping) have no value or a problem already: what is found at,
    above or below them is dropped. `secrets` are taken out of sentences that kinds make themselves.
    """
    by_path: dict[KeyPath, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False, include_input=False):
        by_path.setdefault(_path(detail, node), []).append(detail)
    covered = {path[:length] for path in by_path for length in range(len(path))}
    quiet = set(silent)
    above = {path[:length] for path in quiet for length in range(len(path) + 1)}
    return [
        _problem(path, details, node, where, secrets)
        for path, details in by_path.items()
        # a mapping that fits no type of a union is wrong inside, where one of the types went furthest
        if path not in covered and path not in above and not any(path[:end] in quiet for end in range(len(path)))
    ]


def dotted(path: KeyPath) -> str:
    """Return a path as problems name it: `components.cache.tags[0]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{shown(part)}" for part in path)
    return text.removeprefix(".")


def place_of(node: Node, path: KeyPath) -> Node:
    """Return the node that a problem about this path points to: the value, its key, or what should hold it."""
    for part in path:
        if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
        elif isinstance(node, MappingNode) and part in node.entries:
            node = node.entries[str(part)].value
        elif isinstance(node, MappingNode) and f"{part}_file" in node.entries:
            return node.entries[f"{part}_file"].key
        else:
            return node
    return node


def _path(detail: ErrorDetails, node: Node) -> KeyPath:
    """Return the place in the file; what pydantic adds for the arms of a union is left out."""
    path: list[str | int] = []
    for part in detail["loc"]:
        inner = place_of(node, (part,))
        if inner is not node:
            path.append(part)
            node = inner
    if detail["type"] == "missing" and (not path or path[-1] != detail["loc"][-1]):
        path.append(detail["loc"][-1])
    return tuple(path)


def _problem(
    path: KeyPath, details: Sequence[ErrorDetails], node: MappingNode, where: KeyPath, secrets: Iterable[str]
) -> Problem:
    place = place_of(node, path)
    sentences = list(dict.fromkeys(sentence(detail, secrets) for detail in details))
    what = sentences[0]
    if all(sentence.startswith("must be ") for sentence in sentences):
        what = " or ".join([what, *(sentence.removeprefix("must be ") for sentence in sentences[1:])])
    return Problem(what, dotted((*where, *path)), _hint(details, place), place.mark)


def sentence(detail: ErrorDetails, secrets: Iterable[str] = ()) -> str:
    """Return what one finding of pydantic means; `secrets` are taken out of what kinds say themselves."""
    name, context = detail["type"], {key: _whole(value) for key, value in detail.get("ctx", {}).items()}
    if name in ("value_error", "assertion_error"):
        text = str(context.get("error", "")) or "is not valid"
        return Redactor(secrets).clean(text) if any(secret in text for secret in secrets) else text
    if name in ("literal_error", "enum"):
        return "must be " + _QUOTED.sub(r"`\1`", str(context.get("expected", "another value")))
    if name == "string_too_short":
        least = context["min_length"]
        return "must not be empty" if least == 1 else f"must have at least {least} characters"
    if name == "too_short":
        least = context["min_length"]
        return "must not be empty" if least == 1 else f"must have at least {least} entries"
    if name in _SENTENCES:
        return _SENTENCES[name].format_map(context)
    return next((text for start, text in _BY_BEGINNING.items() if name.startswith(start)), "is not valid")


def _whole(value: object) -> object:
    """Write a bound as people do: 1, not 1.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _hint(details: Sequence[ErrorDetails], place: Node) -> str:
    expected = [str(detail.get("ctx", {}).get("expected", "")) for detail in details]
    choices = _QUOTED.findall(" ".join(expected))
    return near_hint(place.text, choices) if choices and isinstance(place, ScalarNode) else ""
