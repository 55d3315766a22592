"""YAML 1.2 with positions, and what is refused before a tree exists."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from startupctl.nodes import MappingNode, ScalarNode, SequenceNode, Source
from startupctl.strict_yaml import MAX_BYTES, MAX_DEPTH, read_tree

SOURCE = Source("m.yaml", Path())


def tree(text):
    root, problems = read_tree(text if isinstance(text, bytes) else text.encode(), SOURCE)
    assert problems == []
    return root


def refused(text):
    root, problems = read_tree(text if isinstance(text, bytes) else text.encode(), SOURCE)
    assert root is None or problems
    return [str(problem) for problem in problems]


def plain(node):
    if isinstance(node, MappingNode):
        return {name: plain(entry.value) for name, entry in node.entries.items()}
    return [plain(item) for item in node.items] if isinstance(node, SequenceNode) else node.text


@pytest.mark.parametrize(
    "text", ["22:22", "1:30", "no", "Yes", "0644", "0x1f", "1_000", "1e3", ".5", "2026-01-01", "=", "12e03", "null"]
)
def test_a_scalar_stays_the_text_it_was_written_as(text):
    assert plain(tree(f"key: {text}")) == {"key": text}


def test_keys_and_values_know_their_places():
    root = tree("a: 1\nbäh:\n  - x\n  -  'y'\n")
    entry = root.entries["bäh"]
    assert str(entry.key.mark) == "m.yaml:2:1"
    assert [str(item.mark) for item in entry.value.items] == ["m.yaml:3:5", "m.yaml:4:6"]
    assert [item.plain for item in entry.value.items] == [True, False]


@pytest.mark.parametrize("text", ["", "~", "null", "Null", "NULL"])
def test_null_is_what_is_written_so_without_quotes(text):
    assert tree(f"key: {text}").entries["key"].value.is_null
    assert not tree(f"key: '{text}'").entries["key"].value.is_null


def test_aliases_stand_for_what_they_name():
    assert plain(tree("a: &x {b: [1, 2]}\nc: *x\n&k d: *k\n")) == {
        "a": {"b": ["1", "2"]},
        "c": {"b": ["1", "2"]},
        "d": "d",
    }


@pytest.mark.parametrize("text", ["%YAML 1.2\n---\na: 1\n...\n", "\ufeffa: 1", "a: 1\r\n", "# only a note\na: 1"])
def test_ordinary_beginnings_and_ends_are_read(text):
    assert plain(tree(text)) == {"a": "1"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3", "m.yaml:3:1: the key `a` is written twice, the first is at m.yaml:1:1"),
        ("a: {b: 1, b: 2}", "m.yaml:1:11: the key `b` is written twice, the first is at m.yaml:1:5"),
        ("a:\n\tb: 1", "m.yaml:2:1: a tab cannot indent or begin a value, use spaces"),
        ("a: @b", "m.yaml:1:4: not valid YAML: a value cannot begin with `@`, quote it"),
        ("a: b: c", "m.yaml:1:5: not valid YAML: a mapping cannot begin here, quote a value that holds `: `, or check the indentation"),
        ("a: [1", "m.yaml:2:1: not valid YAML: did not find expected ',' or ']'"),
        ("a: 1\n---\nb: 1", "m.yaml:2:1: a second document begins here, a manifest is one document, remove the line `---`"),
        ("a: !!str 1", "m.yaml:1:4: tags have no meaning in a manifest, remove it; the key decides the type"),
        ("a: !!python/object:os.system x", "m.yaml:1:4: tags have no meaning in a manifest, remove it; the key decides the type"),
        ("%TAG ! x:\n---\na: 1", "m.yaml:1:1: tags have no meaning in a manifest"),
        ("<<: {a: 1}", "m.yaml:1:1: YAML 1.2 has no merge key `<<`, use `defaults:`, a profile or a second file"),
        ("~: 1", "m.yaml:1:1: a key must be text, quote it"),
        ("[a]: 1", "m.yaml:1:1: a key must be text, quote it"),
        ("? {a: 1}\n: 2", "m.yaml:1:3: a key must be text, quote it"),
        ("a: *b", "m.yaml:1:4: `*b` stands for an anchor that is not complete before it"),
        ("a: &a [*a]", "m.yaml:1:8: `*a` stands for an anchor that is not complete before it"),
        ('a: "\\0"', "m.yaml:1:4: a NUL character cannot stand in a manifest"),
        ("a: 1\nb: \x1b[0m", "m.yaml:2:4: the control character U+001B cannot stand in a manifest"),
        (b"a: 1\nb: \xff", "m.yaml:2:4: is not UTF-8 text, save it as UTF-8"),
        ("a: ä".encode("utf-16"), "m.yaml: is UTF-16, save it as UTF-8"),
        ("", "m.yaml: is empty, begin with `version: 1` and `components:`"),
        ("# nothing\n", "m.yaml: is empty, begin with `version: 1` and `components:`"),
        (b"\x7fELF\x02\x01\x00\x00", "m.yaml:1:1: the control character U+007F cannot stand in a manifest"),
    ],
)  # fmt: skip
def test_what_is_refused_is_told_with_its_place(text, problem):
    assert refused(text) == [problem]


def test_every_repeated_key_is_told():
    assert len(refused("a: 1\na: 2\nb: {c: 1, c: 2, c: 3}")) == 3


def test_a_key_with_control_characters_cannot_write_to_the_terminal():
    (problem,) = refused('"\\e[31m": 1\n"\\e[31m": 2')
    assert "\x1b" not in problem


def test_a_long_key_is_cut_in_messages():
    assert len(refused(f"{'x' * 900}: 1\n{'x' * 900}: 2")[0]) < 200


LONG = 10_000_000
HOSTILE = {
    "ten megabytes": "a: 1\n" * (LONG // 5),
    "open brackets": "[" * LONG,
    "open braces": "{a: " * LONG,
    "open sequences": "- " * LONG,
    "open keys": "? " * LONG,
    "steps": "".join(f"{' ' * level}a:\n" for level in range(2800)),
    "many values": "[" + "a," * LONG,
    "many keys": "{" + ",".join(f"a{number}" for number in range(500_000)),
    "repeated keys": "a: 1\n" * (MAX_BYTES // 5),
    "bomb": "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"a{level + 1}: &a{level + 1} [{','.join([f'*a{level}'] * 10)}]\n" for level in range(12)),
    "deep by aliases": "a0: &a0 [x]\n" + "".join(f"a{level + 1}: &a{level + 1} [*a{level}]\n" for level in range(2000)),
    "many aliases": "a: &a x\nb: [" + "*a," * (MAX_BYTES // 3 - 10),
    "tag directives": "".join(f"%TAG !a{number}! x\n" for number in range(200_000)),
    "one long text": "a: '" + "x" * (MAX_BYTES - 10),
    "backslashes": 'a: "' + "\\" * (MAX_BYTES - 10),
    "anchors": "&a " * (MAX_BYTES // 4),
    "random bytes": bytes((number * 7919 + number // 251) % 256 for number in range(LONG)),
    "blank lines and a bracket": "\n" * (MAX_BYTES - 2) + "[",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_soon(name):
    text = HOSTILE[name]
    data = text.encode() if isinstance(text, str) else text
    began = time.process_time()
    _, problems = read_tree(data, SOURCE)
    assert problems
    assert time.process_time() - began < 5  # a second on an idle machine; without the limits minutes


def test_depth_is_measured_in_levels():
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert isinstance(tree(deepest), SequenceNode)
    assert refused(f"[{deepest}]") == [f"m.yaml:1:{MAX_DEPTH + 1}: is nested more than {MAX_DEPTH} levels deep"]


def test_a_hostile_file_costs_little_memory(tmp_path):
    (tmp_path / "big.yaml").write_bytes(b"[" + b"a," * 5_000_000)
    (tmp_path / "wide.yaml").write_bytes(
        ("{" + ",".join(f"a{number}" for number in range(400_000))).encode()[:MAX_BYTES]
    )
    script = (
        "import sys\n"
        "from startupctl.errors import ManifestError\n"
        "from startupctl.manifest import load_manifest\n"
        "for name in sys.argv[1:]:\n"
        "    try: load_manifest([name])\n"
        "    except ManifestError: pass\n"
        "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])\n"
    )
    run = [sys.executable, "-c", script, tmp_path / "big.yaml", tmp_path / "wide.yaml"]
    kibibytes = int(subprocess.run(run, check=True, capture_output=True, text=True).stdout)
    assert kibibytes < 200 * 1024


def test_a_scalar_as_the_root_is_a_tree_of_one():
    assert isinstance(tree("hello"), ScalarNode)
