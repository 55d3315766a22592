"""Whatever a file holds, it is a manifest or a list of problems; and large ones cost what small ones do."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manifests import HEAD
from startupctl.errors import ManifestError
from startupctl.manifest import load_manifest
from startupctl.model import Manifest

pytestmark = pytest.mark.usefixtures("sample_kinds")

WHOLE = b"""\
version: 1
name: shop
settings: {deadline: 5m, max_concurrent: 64, fail_on: CRITICAL, degrade_on: MEDIUM}
defaults:
  timeout: 30s
  backoff: {initial: 1s, max: 30s, multiplier: 2, jitter: 0.2}
  breaker: {threshold: 3, recovery_timeout: 300s}
profiles:
  dev: {components: {cache: {enabled: false}}}
components:
  database: &database
    kind: needy
    priority: CRITICAL
    url: scheme://app:${PASSWORD:-s3cret-pw}@host:5432/${NAME:-db}
    success_threshold: 2
  cache: {kind: sample, inner: {word: x, token: s3cret-pw, level: 3}, args: {a: [1, 2.5, yes]}, either: true}
  app:
    kind: sample
    words: [a, b]
    table: {a: b}
    when: [check, serve]
    depends_on: {database: {}, cache: {required: false}}
    text: "$$ ${HOST:?say}"
  other: *database
"""
LINES = WHOLE.splitlines(keepends=True)
WORDS = sorted(set(re.findall(rb"\w+", WHOLE)))
RANDOM_TREES = st.recursive(
    st.sampled_from(["x", "1", "${X}", "$", "true", "sample", "tcp", "needy", "null", "[", "''", "a: b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["version", "components", "settings", "it", "kind", "depends_on", "inner", "url", "x.y", "é"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)
relaxed = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def read(tmp_path_factory, sample_kinds):
    """Read bytes as a manifest; return it or its problems as one text."""
    file = tmp_path_factory.mktemp("fuzz") / "m.yaml"

    def read(data, **options):
        file.write_bytes(data)
        try:
            manifest = load_manifest([file], environ={"HOST": "h"}, **options)
        except ManifestError as error:
            return str(error) or "no problem is told"
        assert isinstance(manifest, Manifest)
        assert manifest.components
        return ""

    return read


def test_the_manifest_that_is_changed_below_is_right(read):
    assert read(WHOLE) == ""
    assert read(WHOLE, profile="dev", resolve=False) == ""


@relaxed
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=4), st.booleans())
def test_flipped_bytes(read, flips, resolve):
    data = bytearray(WHOLE)
    for place, byte in flips:
        data[place] = byte
    read(bytes(data), resolve=resolve)


@relaxed
@given(st.lists(st.sampled_from(LINES), max_size=30), st.sampled_from([None, "dev", "gone"]))
def test_lines_in_any_order(read, lines, profile):
    read(b"".join(lines), profile=profile)


@relaxed
@given(st.sampled_from(WORDS), st.sampled_from([*WORDS, b"", b"[]", b"{}", b"~", b"${X}", b"!x", b"*y", b"'"]))
def test_words_replaced_by_others(read, old, new):
    for resolve in (False, True):
        assert "s3cret-pw" not in read(WHOLE.replace(old, new), resolve=resolve).replace("`s3cret-pw", "")


@relaxed
@given(st.integers(0, len(WHOLE)), st.integers(0, len(WHOLE)), st.integers(0, len(WHOLE)))
def test_parts_cut_out_and_put_in_elsewhere(read, start, end, target):
    part = WHOLE[min(start, end) : max(start, end)]
    rest = WHOLE[: min(start, end)] + WHOLE[max(start, end) :]
    read(rest[:target] + part + rest[target:])


@relaxed
@given(RANDOM_TREES)
def test_any_tree(read, tree):
    read(f"version: 1\ncomponents: {_flow(tree)}\n".encode())
    read(f"version: 1\ncomponents: {{it: {_flow(tree)}}}\n".encode())
    read(
        f"version: 1\ncomponents: {{it: {{kind: sample, depends_on: {_flow(tree)}, inner: {_flow(tree)}}}}}\n".encode()
    )


@relaxed
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes(read, data):
    assert read(data)
    read(HEAD.encode() + b"  it: {kind: sample, text: '" + data + b"'}")


def _flow(tree):
    if isinstance(tree, dict):
        return "{" + ", ".join(f'"{key}": {_flow(value)}' for key, value in tree.items()) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(map(_flow, tree)) + "]"
    return tree if tree in ("''", "null") else f'"{tree}"'


def many(count):
    """A manifest of so many components, each with an edge or two, as bytes."""
    parts = [
        f"  c{number}:\n    kind: tcp\n    address: host{number}:80\n    timeout: {number % 60 + 1}s\n"
        for number in range(count)
    ]
    edges = [f"    depends_on: [c{number - 1}, c{number // 2}]\n" if number else "" for number in range(count)]
    return (HEAD + "".join(part + edge for part, edge in zip(parts, edges, strict=True))).encode()


def cost(file):
    """CPU seconds of reading, the best of three."""
    times = []
    for _ in range(3):
        began = time.process_time()
        load_manifest([file], environ={}, resolve=False)
        times.append(time.process_time() - began)
    return min(times)


def test_ten_times_the_components_cost_ten_times_as_much(tmp_path):
    small, large = tmp_path / "small.yaml", tmp_path / "large.yaml"
    small.write_bytes(many(1_000))
    large.write_bytes(many(10_000))
    assert cost(large) < 25 * cost(small)  # flat within a factor of 2.5; a quadratic part would show as 100


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "".join(f"  c{number}: {{kind: tcpp}}\n" for number in range(20_000)),
        HEAD + "".join(f"  c{number}: {{kind: tcp, adress: x}}\n" for number in range(20_000)),
        HEAD + "".join(f"  c{number}: {{kind: tcp, address: 'a:1', depends_on: [d{number}]}}\n" for number in range(20_000)),
        HEAD + "  it: {kind: sample, " + ", ".join(f"k{number}: x" for number in range(100_000)) + "}\n",
        HEAD + "  it: {kind: sample, some: [" + "x," * 100_000 + "]}\n",
        HEAD + "  it: {kind: sample, text: '" + "${X:-" * 500_000 + "'}\n",
        HEAD + "  it: {kind: sample, words: [" + "'${X}'," * 100_000 + "]}\n",
        HEAD + "".join(f"  c{number}: {{kind: tcp, address: 'a:1', depends_on: [c{(number + 1) % 9_000}]}}\n" for number in range(9_000)),
    ],
    ids=["kinds", "keys", "edges", "one component", "items", "nested variables", "variables", "circle"],
)  # fmt: skip
def test_many_mistakes_are_told_in_time(read, text):
    began = time.process_time()
    assert read(text.encode())
    assert time.process_time() - began < 15
