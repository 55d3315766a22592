"""One HTTP request read as a query: text, data, user, settings, session."""

from __future__ import annotations

import base64
import binascii
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message

# URL arguments that are no settings: HTTPHandler::reserved_param_names and what each handler takes
NOT_SETTINGS = frozenset(
    [
        "query",
        "database",
        "default_format",
        "user",
        "password",
        "quota_key",
        "session_id",
        "session_timeout",
        "session_check",
        "query_id",
        "compress",
        "decompress",
        "enable_http_compression",
        "wait_end_of_query",
        "buffer_size",
        "client_protocol_version",
        "role",
        "stacktrace",
        "close_session",
    ]
)
READ_ONLY_WITH_SETTINGS = "2"  # what a GET may do: https://clickhouse.com/docs/interfaces/http


@dataclass(frozen=True, slots=True)
class Query:
    """A query as it was asked; `text` is the URL's, `data` the body."""

    text: bytes
    data: bytes
    user: str
    password: str = field(repr=False)
    query_id: str
    database: str = ""
    output_format: str = "TabSeparated"
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    session_id: str = ""
    session_must_exist: bool = False

    @property
    def sql(self) -> str:
        """The statement: the URL's part, then the body."""
        return b"\n".join(part for part in (self.text, self.data) if part).decode()


def read_query(arguments: str, headers: Message, data: bytes, *, readonly: bool) -> Query:
    """Read URL arguments and headers; `readonly` adds the setting that a GET implies."""
    params = dict(parse_qsl(arguments, keep_blank_values=True))
    settings = {key: value for key, value in params.items() if _is_setting(key)}
    user, password = _credentials(params, headers)
    return Query(
        text=params.get("query", "").encode(),
        data=data,
        user=user,
        password=password,
        query_id=params.get("query_id") or str(uuid.uuid4()),
        database=params.get("database", ""),
        output_format=headers.get("X-ClickHouse-Format") or params.get("default_format") or "TabSeparated",
        settings={"readonly": READ_ONLY_WITH_SETTINGS, **settings} if readonly else settings,
        parameters={key.removeprefix("param_"): value for key, value in params.items() if key.startswith("param_")},
        session_id=params.get("session_id", ""),
        session_must_exist=params.get("session_check") == "1",
    )


def _is_setting(key: str) -> bool:
    return key not in NOT_SETTINGS and not key.startswith("param_")


def _credentials(params: Mapping[str, str], headers: Message) -> tuple[str, str]:
    authorization = headers.get("Authorization", "")
    if authorization.startswith("Basic "):
        try:
            user, _, password = (
                base64.b64decode(authorization.removeprefix("Basic "), validate=True).decode().partition(":")
            )
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return user or "default", password
    user = params.get("user") or headers.get("X-ClickHouse-User") or "default"
    return user, params.get("password") or headers.get("X-ClickHouse-Key") or ""
