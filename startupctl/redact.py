"""Takes known secrets out of text that comes from outside: error texts, facts, SQL, output of children.

It is applied to leaf strings only, never to our own sentences, names, codes or numbers. Secrets of 8
characters and more are found by value in every spelling; those of 4 to 7 only as a whole word, so
that ordinary text survives; shorter ones only by structure (a URL's userinfo, SQL's PASSWORD '…').
"""

from __future__ import annotations

import base64
import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, unquote

from startupctl.fields import is_secret_variable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MASK = "***"
BY_VALUE, AS_WORD = 8, 4  # characters
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_ESCAPE = re.compile(r"%[0-9A-F]{2}")
_LITERAL = r"(?:e?'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|'.*|\$(\w*)\$.*?(?:\$\2\$|\Z))"  # with escapes, without, cut off, in dollars
_STRUCTURES = (
    # a scheme begins where its run of letters does: looking from each letter would take the square of a long word's time
    (re.compile(r"(?<![A-Za-z0-9+.-])([A-Za-z0-9+.-]+://[^\s/:@]*):[^\s/]*@"), rf"\1:{MASK}@"),
    (re.compile(rf"(?is)\b(password\s*=\s*)(?:{_LITERAL}|\S+)"), rf"\1{MASK}"),
    (re.compile(rf"(?is)\b(PASSWORD\s+|IDENTIFIED\s+(?:WITH\s+\w+\s+)?BY\s+){_LITERAL}"), rf"\1{MASK}"),
)


class Redactor:
    """Knows the secrets of one run."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Keep the secrets; patterns are built on first use."""
        found = {form for secret in secrets for form in (secret, secret.strip())}
        self._secrets = {secret for secret in found if len(secret) >= AS_WORD}

    def clean(self, text: str) -> str:
        """Return the text with every secret in it replaced by stars."""
        if self._pattern:
            text = self._pattern.sub(MASK, text)
        return masked(text)

    def clean_all(self, value: Any) -> Any:
        """Return a JSON value with every string in it cleaned; keys stay as they are."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, dict):
            return {key: self.clean_all(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean_all(item) for item in value]
        return value

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        spellings = {spelling: secret for secret in self._secrets for spelling in _spellings(secret)}
        parts = [_as_pattern(spelling, spellings[spelling]) for spelling in sorted(spellings, key=len, reverse=True)]
        return re.compile("|".join(parts)) if parts else None


def masked(text: str) -> str:
    """Return the text with stars where a secret stands by its structure, whoever knows it: in a URL, behind PASSWORD in SQL."""
    for pattern, replacement in _STRUCTURES:
        text = pattern.sub(replacement, text)
    return text


def environment_secrets(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the values of variables whose name says secret, and the userinfo of proxy variables."""
    for name, value in environ.items():
        if is_secret_variable(name):
            yield value
        elif name in _PROXIES and "@" in value:
            user, _, password = value.rpartition("@")[0].rpartition("//")[2].partition(":")
            yield from (password or user, unquote(password or user))


def _as_pattern(spelling: str, secret: str) -> str:
    escaped = re.escape(spelling)
    return escaped if len(secret) >= BY_VALUE else rf"(?<!\w){escaped}(?!\w)"


def _spellings(secret: str) -> Iterator[str]:
    data = secret.encode(errors="surrogateescape")  # an environment variable may hold any bytes
    yield secret
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    for encoded in (quote(data, safe=""), quote(data), quote_plus(data)):
        yield encoded
        yield _ESCAPE.sub(lambda escape: escape[0].lower(), encoded)
    if len(secret) >= BY_VALUE:
        yield base64.b64encode(data).decode()
        yield from _base64_cores(data)


def _base64_cores(secret: bytes) -> Iterator[str]:
    """Yield what base64 makes of the secret at each of the three offsets it can have in a longer text."""
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + secret).decode()
        first = (0, 2, 3)[offset]  # characters that also depend on the bytes before
        last = len(encoded) - (0, 3, 2)[(offset + len(secret)) % 3]  # and on those after
        yield encoded[first:last]
        yield encoded[first:last].translate(str.maketrans("+/", "-_"))
