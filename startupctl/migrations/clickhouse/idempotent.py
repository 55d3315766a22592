"""Which ClickHouse statements do no harm when they are run a second time; read from their words alone."""

from __future__ import annotations

from functools import lru_cache
from itertools import islice, pairwise, takewhile
from typing import TYPE_CHECKING

from startupctl.migrations.clickhouse.lexer import CLICKHOUSE
from startupctl.migrations.lexer import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Words = tuple[str, ...]

SHOWN = 5000  # tokens that are looked at; behind them stands data
READING = frozenset({"SELECT", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN", "CHECK", "USE"})
SETTLING = frozenset({"SET", "SYSTEM", "OPTIMIZE", "GRANT", "REVOKE", "TRUNCATE", "KILL"})
UNLESS, WHERE_IT_IS = ("IF", "NOT", "EXISTS"), ("IF", "EXISTS")
_OF_TABLES = frozenset({"COLUMN", "INDEX", "PROJECTION", "CONSTRAINT", "STATISTICS"})


def is_idempotent(sql: str) -> bool:
    """Whether a statement that may have been executed, in whole or in part, can be run again.

    Yes only for what is listed here; of anything else a person decides.
    """
    words = _words(sql)
    first = words[0] if words else ""
    if first in READING or first in SETTLING:
        return ";" not in words[:-1]
    judge = _JUDGES.get(first)
    return judge is not None and len(words) < SHOWN and ";" not in words[:-1] and judge(words)


def keeps_session(sql: str) -> bool:
    """Whether a statement changes the session, so that a later session must hear it again."""
    return _words(sql)[:1] in (("SET",), ("USE",))


def makes_temporary(sql: str) -> bool:
    """Whether a statement makes a table that ends with the session, and its rows with it."""
    words = _words(sql)
    return words[:1] == ("CREATE",) and "TEMPORARY" in words[:4]


def is_insert(sql: str) -> bool:
    """Whether a statement adds rows: a part of them may be kept when it fails."""
    words = _words(sql)
    return words[:1] == ("INSERT",) or (words[:1] == ("WITH",) and "INSERT" in words)


def is_distributed(sql: str) -> bool:
    """Whether a statement goes to all servers of a cluster."""
    words = _words(sql)
    return ("ON", "CLUSTER") in pairwise(words)


@lru_cache(maxsize=64)
def _words(sql: str) -> Words:
    """Return the tokens, words in capitals; what is quoted is not shown. A SELECT may stand in parentheses."""
    tokens = islice((token for token in CLICKHOUSE.tokens(sql) if token.counts), SHOWN)
    words = tuple("''" if token.part is Part.QUOTED else token.text.upper() for token in tokens)
    opened = len(tuple(takewhile("(".__eq__, words)))
    return words[opened:]


def _head(words: Words) -> Words:
    """Return the words up to the `EXISTS` that stands before the name; empty without one."""
    for at, word in enumerate(words[:8]):
        if word == "EXISTS":
            return words[: at + 1]
    return ()


def _creates_once(words: Words) -> bool:
    """Whether it creates whole or not at all: a table that was there and filled in part would stay so."""
    if words[1:3] == ("OR", "REPLACE"):
        return True
    fills = "POPULATE" in words or ("VIEW" not in words[:3] and "FUNCTION" not in words[:3] and _selects(words))
    return _head(words)[-3:] == UNLESS and not fills


def _selects(words: Words) -> bool:
    """Whether a table is made of a SELECT."""
    for at, word in enumerate(words):
        if word == "AS" and next((one for one in words[at + 1 : at + 9] if one != "("), "") in ("SELECT", "WITH"):
            return True
    return False


def _alters_once(words: Words) -> bool:
    if words[1:2] not in (("TABLE",), ("DATABASE",)):
        return False
    return all(map(_acts_once, _actions(_behind_target(words[2:]))))


def _behind_target(words: Words) -> Words:
    """Return what stands behind the name of a table and its cluster."""
    words = words[2:] if words[:2] == WHERE_IT_IS else words
    words = words[3:] if words[1:2] == (".",) else words[1:]
    if words[:2] != ("ON", "CLUSTER"):
        return words
    return words[words.index("}") + 1 :] if words[2:3] == ("{",) and "}" in words else words[3:]


def _actions(words: Words) -> Iterator[Words]:
    """Yield the actions of an ALTER; commas in parentheses part none, nor those of a query."""
    depth = begin = 0
    for at, word in enumerate(words):
        depth += (word in ("(", "[", "{")) - (word in (")", "]", "}"))
        if word == "," and not depth and words[begin : begin + 2] != ("MODIFY", "QUERY"):
            yield words[begin:at]
            begin = at + 1
    yield words[begin:]


def _acts_once(action: Words) -> bool:
    if action[:1] == ("(",) and action[-1:] == (")",):
        return _acts_once(action[1:-1])
    verb, thing = action[:1], action[1:2]
    if verb == ("ADD",):
        return thing != () and thing[0] in _OF_TABLES and action[2:5] == UNLESS
    if verb in (("DROP",), ("CLEAR",), ("RENAME",)):
        return thing != () and thing[0] in _OF_TABLES and action[2:4] == WHERE_IT_IS
    is_setting = thing == ("=",)  # of a list behind MODIFY SETTING
    return (
        is_setting
        or verb in (("MODIFY",), ("COMMENT",), ("MATERIALIZE",))
        or action[:2] in (("ALTER", "COLUMN"), ("RESET", "SETTING"))
    )


_JUDGES: dict[str, Callable[[Words], bool]] = {
    "WITH": lambda words: "INSERT" not in words,
    "CREATE": _creates_once,
    "DROP": lambda words: _head(words)[-2:] == WHERE_IT_IS,
    "DETACH": lambda words: _head(words)[-2:] == WHERE_IT_IS,
    "ATTACH": lambda words: _head(words)[-3:] == UNLESS,
    "ALTER": _alters_once,
}
