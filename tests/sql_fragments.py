"""SQL for tests of lexers: random texts full of marks, and files made of fragments whose borders are known."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

MARKS = [
    *(
        "'",
        '"',
        "`",
        "\\",
        "--",
        "//",
        "#",
        "# ",
        "/*",
        "*/",
        "$",
        "$$",
        "$tag$",
        ";",
        "(",
        ")",
        "[",
        "]",
        "*",
        "/",
        "-",
    ),
    *("\n", "\r\n", "\r", " ", "\t", "E'", "U&'", "x'", "1", "$1", "ab", "a$b", "é", "\xa0", "\u2018", "\u2019"),
    *("begin atomic", "end", "case", "create rule", "create function", "create trigger", "create temp trigger"),
]
texts_of_marks = st.lists(st.sampled_from(MARKS), max_size=40).map("".join)


@dataclass(frozen=True)
class Fragments:
    """What statements of a dialect may be made of.

    No `;` inside of `counting` and `blanks` ends anything; `bodies` are what stands before and behind statements
    that belong to another one.
    """

    counting: tuple[str, ...]
    blanks: tuple[str, ...]
    bodies: tuple[tuple[str, str], ...] = ()

    def files(self):
        """Return a strategy for files: their statements, and their text."""
        gap = st.lists(st.sampled_from(self.blanks), max_size=3).map("".join)
        return st.lists(st.tuples(gap, self._statement(), gap), max_size=6).map(_joined)

    def files_of_one_each(self):
        """Return a strategy for files in which each statement is one fragment."""
        gap = st.lists(st.sampled_from(self.blanks), max_size=3).map("".join)
        return st.lists(st.tuples(gap, st.sampled_from(self.counting), gap), max_size=6).map(_joined)

    def _statement(self):
        bodies = (self._with_body(head, tail) for head, tail in self.bodies)
        return st.one_of(self._simple(), *bodies)

    def _simple(self):
        counting = st.sampled_from(self.counting)
        more = st.lists(st.tuples(st.sampled_from(self.blanks), counting), max_size=8)
        return st.tuples(counting, more).map(lambda parts: parts[0] + "".join(f"{a} {b}" for a, b in parts[1]))

    def _with_body(self, head, tail):
        inner = st.lists(self._simple(), min_size=1, max_size=3)
        return inner.map(lambda statements: f"{head} {'; '.join(statements)}{tail}")


def _joined(parts):
    return [statement for _, statement, _ in parts], ";".join(map("".join, parts))
