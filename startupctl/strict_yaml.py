"""Reads YAML 1.2 into nodes that keep their places; the limits hold on the stream of events, before a tree exists."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import yaml

from startupctl.errors import Mark, Problem
from startupctl.near import shown
from startupctl.nodes import Entry, MappingNode, ScalarNode, SequenceNode

if TYPE_CHECKING:
    from startupctl.nodes import Node, Source

MAX_BYTES = 4 * 2**20
MAX_DEPTH = 50
MAX_NODES = 300_000  # what aliases expand to counts too

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_TAG_DIRECTIVE = re.compile(r"^%TAG\b", re.MULTILINE)
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_AT_PLACE = {
    "\t": ("a tab cannot indent or begin a value", "use spaces"),
    ":": ("not valid YAML: a mapping cannot begin here", "quote a value that holds `: `, or check the indentation"),
    "@": ("not valid YAML: a value cannot begin with `@`", "quote it"),
    "`": ("not valid YAML: a value cannot begin with a backtick", "quote it"),
    "%": ("not valid YAML: a value cannot begin with `%`", "quote it"),
}


class _Refused(Exception):
    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(str(problem))


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet."""

    node: SequenceNode | MappingNode
    anchor: str | None
    first: int
    deepest: int
    key: ScalarNode | None = None


class _Anchored(NamedTuple):
    node: Node
    size: int
    height: int


def read_tree(data: bytes, source: Source) -> tuple[Node | None, list[Problem]]:
    """Read one YAML document; return its root and every problem found on the way.

    The root is None when the text cannot be read to its end. At most `MAX_BYTES` are looked at, so a
    caller need not read more than one byte beyond.
    """
    builder = _Builder(source)
    try:
        builder.build(_decode(data, source))
    except _Refused as refused:
        return None, [*builder.problems, refused.problem]
    return builder.root, builder.problems


def _decode(data: bytes, source: Source) -> str:
    whole = Mark(source.name)
    if len(data) > MAX_BYTES:
        raise _Refused(Problem(f"is larger than {MAX_BYTES // 2**20} MiB", mark=whole))
    if data.startswith(_UTF16_MARKS):
        raise _Refused(Problem("is UTF-16", hint="save it as UTF-8", mark=whole))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig")
        problem = Problem("is not UTF-8 text", hint="save it as UTF-8", mark=_place(before, source))
        raise _Refused(problem) from None
    _refuse_characters(text, source)
    return text


def _refuse_characters(text: str, source: Source) -> None:
    if found := _UNPRINTABLE.search(text):
        what = f"the control character U+{ord(found[0]):04X} cannot stand in a manifest"
        raise _Refused(Problem(what, mark=_place(text[: found.start()], source)))
    # libyaml compares each directive with all before it
    if found := _TAG_DIRECTIVE.search(text):
        raise _Refused(Problem("tags have no meaning in a manifest", mark=_place(text[: found.start()], source)))


def _place(before: str, source: Source) -> Mark:
    """Return the place that follows the text `before`."""
    return Mark(source.name, before.count("\n") + 1, len(before) - before.rfind("\n"))


class _Builder:
    """Builds the tree of one document from events."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._stack: list[_Open] = []
        self._anchors: dict[str, _Anchored] = {}
        self._nodes = 0

    def build(self, text: str) -> None:
        try:
            for event in yaml.parse(text, Loader=yaml.CLoader):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            raise _Refused(self._syntax(error, text)) from None
        except yaml.YAMLError:
            raise _Refused(Problem("is not valid YAML", mark=Mark(self.source.name))) from None
        if self.root is None:
            raise _Refused(Problem("is empty", hint="begin with `version: 1` and `components:`", mark=self._whole))

    @property
    def _whole(self) -> Mark:
        return Mark(self.source.name)

    def _take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._count(event, 1)
            self._open(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._close()
        elif isinstance(event, yaml.AliasEvent):
            self._expand(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._begin(event)

    def _begin(self, event: yaml.DocumentStartEvent) -> None:
        if self.root is not None:
            what, hint = "a second document begins here, a manifest is one document", "remove the line `---`"
            raise _Refused(Problem(what, hint=hint, mark=self._mark(event)))

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._count(event, 1)
        line, column = _start(event)
        text = event.value
        if "\0" in text:
            raise _Refused(Problem("a NUL character cannot stand in a manifest", mark=self._mark(event)))
        plain = event.implicit[0] and not event.style
        self._add(ScalarNode(self.source, line, column, text, plain), event.anchor, 1, 0)

    def _count(self, event: yaml.NodeEvent, size: int) -> None:
        self._nodes += size
        if self._nodes > MAX_NODES:
            what = f"holds more than {MAX_NODES:,} values, what aliases stand for included"
            raise _Refused(Problem(what, mark=self._mark(event)))
        if getattr(event, "tag", None):  # an alias has none
            what, hint = "tags have no meaning in a manifest", "remove it; the key decides the type"
            raise _Refused(Problem(what, hint=hint, mark=self._mark(event)))

    def _open(self, event: yaml.CollectionStartEvent) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise _Refused(Problem(f"is nested more than {MAX_DEPTH} levels deep", mark=self._mark(event)))
        shape = MappingNode if isinstance(event, yaml.MappingStartEvent) else SequenceNode
        self._stack.append(_Open(shape(self.source, *_start(event)), event.anchor, self._nodes, 0))

    def _close(self) -> None:
        done = self._stack.pop()
        self._add(done.node, done.anchor, self._nodes - done.first + 1, done.deepest + 1)

    def _expand(self, event: yaml.AliasEvent) -> None:
        anchor = event.anchor or ""
        found = self._anchors.get(anchor)
        if found is None:
            what = f"`*{shown(anchor)}` stands for an anchor that is not complete before it"
            raise _Refused(Problem(what, mark=self._mark(event)))
        if len(self._stack) + found.height > MAX_DEPTH:
            raise _Refused(Problem(f"is nested more than {MAX_DEPTH} levels deep", mark=self._mark(event)))
        self._count(event, found.size)
        self._add(found.node, None, found.size, found.height)

    def _add(self, node: Node, anchor: str | None, size: int, height: int) -> None:
        if anchor:
            self._anchors[anchor] = _Anchored(node, size, height)
        if not self._stack:
            self.root = node
            return
        parent = self._stack[-1]
        parent.deepest = max(parent.deepest, height)
        if isinstance(parent.node, SequenceNode):
            parent.node.items.append(node)
        elif parent.key is None:
            parent.key = self._as_key(node)
        else:
            self._put(parent.node, parent.key, node)
            parent.key = None

    def _as_key(self, node: Node) -> ScalarNode:
        if not isinstance(node, ScalarNode) or node.is_null:
            raise _Refused(Problem("a key must be text", hint="quote it", mark=node.mark))
        return node

    def _put(self, node: MappingNode, key: ScalarNode, value: Node) -> None:
        first = node.entries.get(key.text)
        if first:
            what = f"the key `{shown(key.text)}` is written twice"
            self.problems.append(Problem(what, hint=f"the first is at {first.key.mark}", mark=key.mark))
        elif key.text == "<<" and key.plain:
            what, hint = "YAML 1.2 has no merge key `<<`", "use `defaults:`, a profile or a second file"
            self.problems.append(Problem(what, hint=hint, mark=key.mark))
        else:
            node.entries[key.text] = Entry(key, value)

    def _mark(self, event: yaml.Event) -> Mark:
        return Mark(self.source.name, *_start(event))

    def _syntax(self, error: yaml.MarkedYAMLError, text: str) -> Problem:
        """Say what is wrong by the character at the place; libyaml's own sentence holds nothing of the text."""
        place = error.problem_mark or error.context_mark
        if place is None:
            return Problem(f"not valid YAML: {error.problem}", mark=self._whole)
        what, hint = _AT_PLACE.get(text[place.index : place.index + 1], (f"not valid YAML: {error.problem}", ""))
        return Problem(what, hint=hint, mark=Mark(self.source.name, place.line + 1, place.column + 1))


def _start(event: yaml.Event) -> tuple[int, int]:
    place = event.start_mark
    assert place is not None
    return place.line + 1, place.column + 1
