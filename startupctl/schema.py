"""Makes the JSON Schema of a manifest out of the models that read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from startupctl.check import secret_keys
from startupctl.components import NAME, ComponentKeys
from startupctl.discover import find_kind, kind_names
from startupctl.edges import EdgeKeys
from startupctl.fitting import FILE_SUFFIX
from startupctl.model import Settings
from startupctl.policies import PolicyKeys
from startupctl.shapes import keys_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

    from startupctl.check import Check

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_VARIABLE: Schema = {"type": "string", "pattern": r"\$\{"}
_TEXT: Schema = {"type": ["string", "number", "boolean"]}  # an unquoted number is text where text is wanted
_NUMBERS = ("integer", "number", "boolean")
_NESTED = ("properties", "$defs", "patternProperties")


def manifest_schema() -> Schema:
    """Return the JSON Schema (2020-12) of a manifest, with a branch for each kind that is installed."""
    definitions: Schema = {}
    kinds = kind_names()
    for kind in kinds:
        _define(kind, find_kind(kind), definitions)
    definitions["settings"] = _body("settings", Settings, definitions)
    definitions["defaults"] = _body("defaults", PolicyKeys, definitions)
    definitions["component"] = _component(kinds)
    return {"$schema": DIALECT, "title": "startupctl manifest", **_root(), "$defs": definitions}


def _root() -> Schema:
    part = {
        "name": {**_TEXT, "description": "name of the service"},
        "settings": {"$ref": "#/$defs/settings"},
        "defaults": {"$ref": "#/$defs/defaults"},
    }
    components = {"type": "object", "minProperties": 1, "propertyNames": {"pattern": NAME}}
    patches = {"type": "object", "additionalProperties": {"type": "object"}}
    profile = {"type": "object", "properties": {**part, "components": patches}, "additionalProperties": False}
    return {
        "type": "object",
        "required": ["version", "components"],
        "additionalProperties": False,
        "properties": {
            "version": {"const": 1, "description": "version of this format"},
            **part,
            "profiles": {"type": "object", "description": "merged over the rest", "additionalProperties": profile},
            "components": {**components, "additionalProperties": {"$ref": "#/$defs/component"}},
        },
    }


def _component(kinds: list[str]) -> Schema:
    branches = [
        {"if": {"properties": {"kind": {"const": kind}}}, "then": {"$ref": f"#/$defs/{kind}"}} for kind in kinds
    ]
    kind = {"enum": kinds, "description": "what is checked; `startupctl kinds` lists them"}
    return {"type": "object", "required": ["kind"], "properties": {"kind": kind}, "allOf": branches}


def _define(name: str, kind: type[Check], definitions: Schema) -> None:
    """Add the definition of a component of one kind: the reserved keys and its own."""
    own = _body(name, kind, definitions)
    reserved = _body("component", ComponentKeys, definitions)["properties"]
    properties = {"kind": {"const": name}, **own["properties"], **reserved, "depends_on": _depends_on()}
    definitions[name] = {**own, "properties": properties}


def _depends_on() -> Schema:
    edge = {"anyOf": [_lenient(EdgeKeys.model_json_schema()), {"type": "null"}]}
    names = {"type": "array", "items": {"type": "string"}}
    mapping = {"type": "object", "additionalProperties": edge}
    return {"anyOf": [names, mapping], "description": "components that must have settled before"}


def _body(owner: str, model: type[BaseModel], definitions: Schema) -> Schema:
    """Return the schema of a model; the tables in it become definitions called `<owner>.<Model>`."""
    schema = model.model_json_schema(ref_template=f"#/$defs/{owner}.{{model}}")
    inner = {table.__name__: table for table in _tables(model)}
    for name, body in schema.pop("$defs", {}).items():
        lenient = _lenient(body)
        definitions[f"{owner}.{name}"] = _with_files(lenient, inner[name]) if name in inner else lenient
    schema.pop("title", None)
    return _with_files(_lenient(schema), model)


def _tables(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield the models inside a model."""
    for key in keys_of(model).values():
        for inner in key.shape.models:
            yield inner
            yield from _tables(inner)


def _with_files(schema: Schema, model: type[BaseModel]) -> Schema:
    """Add `<key>_file` beside every secret key; where the key is required, either will do."""
    properties, required = dict(schema.get("properties", {})), list(schema.get("required", ()))
    either = []
    for key in sorted(secret_keys(model)):
        file = f"{key}{FILE_SUFFIX}"
        properties.setdefault(file, {"type": "string", "description": f"file that holds `{key}`"})
        if key in required:
            required.remove(key)
            either.append({"anyOf": [{"required": [key]}, {"required": [file]}]})
    return {**schema, "properties": properties, "required": required, **({"allOf": either} if either else {})}


def _lenient(schema: Any) -> Any:
    """Allow `${X}` wherever a scalar is wanted, and any scalar where text is."""
    if isinstance(schema, list):
        return [_lenient(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "enum" in schema or "const" in schema:
        about = {key: schema[key] for key in ("description", "default") if key in schema}
        return {"anyOf": [schema, _VARIABLE], **about}
    changed = {key: _lenient_part(key, value) for key, value in schema.items() if key != "title"}
    if schema.get("type") == "string":
        return {**changed, **_TEXT}
    if schema.get("type") in _NUMBERS:
        return {**changed, "type": [schema["type"], "string"], "pattern": _VARIABLE["pattern"]}
    return changed


def _lenient_part(key: str, value: Any) -> Any:
    if key in _NESTED:
        return {name: _lenient(inner) for name, inner in value.items()}
    return value if key in ("default", "examples", "required") else _lenient(value)
