"""The JSON Schema says what the reader does."""

from __future__ import annotations

import json

import jsonschema
import pytest
import yaml

from manifests import HEAD
from startupctl.components import RESERVED
from startupctl.discover import kind_names
from startupctl.errors import ManifestError
from startupctl.manifest import json_schema, load_manifest

pytestmark = pytest.mark.usefixtures("sample_kinds")


@pytest.fixture(scope="module")
def validator(sample_kinds):
    from startupctl import discover

    # the broken entry points of the sample package have no schema
    hidden = {name: entry for name, entry in discover._entry_points().items() if name in ("sample", "needy")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(discover, "_entry_points", lambda: hidden)
        schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


CASES = [
    ("it: {kind: sample}", True),
    ("it: {kind: sample, text: 12, flag: true, number: 3, wait: 5s, size: 2GB}", True),
    ("it: {kind: sample, number: '${N}', flag: '${F}', mode: '${M}'}", True),
    ("it: {kind: sample, inner: {word: x, token_file: x}, either: {level: 2}, anything: {a: [1]}}", True),
    ("it: {kind: sample, timeout: 5, when: [check], priority: critical, backoff: {max: 3s}, tags: [a]}", True),
    ("it: {kind: sample, when: check, enabled: false, depends_on: [b]}\n  b: {kind: tcp, address: 'a:1'}", True),
    ("it: {kind: sample, depends_on: {b: {required: false}}}\n  b: {kind: needy, url: 'a://b'}", True),
    ("it: {kind: needy, url_file: x}", True),
    ("it: {kind: needy}", False),
    ("it: {kind: sample, txet: x}", False),
    ("it: {kind: sample, inner: {wrod: x}}", False),
    ("it: {kind: sample, number: x}", False),
    ("it: {kind: sample, mode: other}", False),
    ("it: {kind: sample, max_retries: -1}", False),
    ("it: {kind: sample, when: [deploy]}", False),
    ("it: {kind: nothing}", False),
    ("it: {text: x}", False),
    ("my it: {kind: sample}", False),
]


@pytest.mark.parametrize(("component", "right"), CASES)
def test_schema_and_reader_agree(validator, tmp_path, component, right):
    text = f"{HEAD}  {component}\n"
    assert validator.is_valid(yaml.safe_load(text)) is right
    (tmp_path / "m.yaml").write_text(text)
    if right:
        load_manifest([tmp_path / "m.yaml"], environ={}, resolve=False)
    else:
        with pytest.raises(ManifestError):
            load_manifest([tmp_path / "m.yaml"], environ={}, resolve=False)


def test_every_kind_has_a_branch_with_the_reserved_keys(validator):
    schema = validator.schema
    for name in kind_names():
        if name not in ("no-kind", "gone"):
            assert schema["$defs"][name]["properties"].keys() >= RESERVED
            assert schema["$defs"][name]["additionalProperties"] is False


def test_reserved_keys_are_described(validator):
    properties = validator.schema["$defs"]["tcp"]["properties"]
    assert all(properties[key].get("description") for key in RESERVED - {"kind"})


def test_every_reference_leads_somewhere(validator):
    text = json.dumps(validator.schema)
    references = {part.split('"')[0] for part in text.split('"$ref": "#/$defs/')[1:]}
    assert references <= validator.schema["$defs"].keys()
