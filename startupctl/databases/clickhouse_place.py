"""Where a ClickHouse is and who asks: what a connection URL says, as clickhouse-connect reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from startupctl.addresses import Endpoint
from startupctl.fields import Secret
from startupctl.wire.clickhouse import ClickHouseServer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from startupctl.addresses import Url

PORT = 8123
TLS_PORT = 8443
PLAIN = frozenset({"http", "clickhouse+http"})
UNSAID = frozenset({"clickhouse", "clickhousedb", "clickhousedb+connect"})
ENCRYPTED = frozenset({"https", "clickhouses", "clickhouse+https"})
EMBEDDED = "chdb"
TLS_PORTS = frozenset({443, TLS_PORT})

_TRUE = frozenset({"1", "on", "true", "y", "yes"})
_ADDRESS = frozenset({"host", "port", "user", "user_name", "username", "password", "database", "secure", "protocol"})
# what clickhouse-connect takes for itself and does not send as a setting
_CLIENT_OPTIONS = frozenset(
    (
        "access_token",
        "autogenerate_query_id",
        "autogenerate_session_id",
        "ca_cert",
        "client_cert",
        "client_cert_key",
        "client_name",
        "compress",
        "compression",
        "connect_timeout",
        "dedicated_pool",
        "form_encode_query_params",
        "http_proxy",
        "https_proxy",
        "interface",
        "native_codec",
        "proxy_path",
        "query_limit",
        "query_retries",
        "rename_response_column",
        "send_receive_timeout",
        "server_host_name",
        "session_id",
        "show_clickhouse_errors",
        "tls_mode",
        "tz_mode",
        "tz_source",
        "verify",
    )
)


@dataclass(frozen=True, slots=True)
class EmbeddedEngine:
    """The engine inside this process; `folder` is empty for one in memory."""

    folder: str
    database: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """The folder, printable."""
        return f"chdb:{self.folder or 'memory'}"


def place_in(url: Url) -> ClickHouseServer | EmbeddedEngine:
    """Read a URL; raises ValueError naming the part that cannot be used.

    As clickhouse-connect does: the userinfo and the path win over the parameters `user`, `password`
    and `database`; other parameters are settings, with or without the prefix `ch_`.
    """
    if len(url.hosts) > 1:
        raise ValueError("one host only: give each server of a cluster a component of its own")
    return _embedded(url) if url.scheme == EMBEDDED else _server(url)


def default_port(*, secure: bool) -> int:
    """Return the port of the HTTP interface."""
    return TLS_PORT if secure else PORT


def is_true(text: str | None) -> bool:
    """Whether the value of a parameter means yes."""
    return (text or "").lower() in _TRUE


def _server(url: Url) -> ClickHouseServer:
    secure = _is_secure(url)
    if not re.fullmatch(r"[!-~]*", url.param("access_token") or ""):
        raise ValueError("`access_token` holds a character that HTTP does not allow")
    return ClickHouseServer(
        endpoint=Endpoint(url.host or "localhost", url.port or default_port(secure=secure)),
        secure=secure,
        user=url.user or url.param("user") or url.param("user_name") or url.param("username") or "",
        password=url.password or Secret(url.param("password") or ""),
        database=url.path.partition("/")[0] or url.param("database") or "",
        settings=_settings(url),
        options={key: value for key, value in url.query if key in _CLIENT_OPTIONS},
        path="/" + (url.param("proxy_path") or "").strip("/"),
    )


def _is_secure(url: Url) -> bool:
    if url.scheme in ENCRYPTED or url.param("protocol") == "https" or url.param("interface") == "https":
        return True
    if url.scheme not in PLAIN | UNSAID:
        raise ValueError(
            "the scheme must be clickhouse, clickhouses, http, https or chdb (HTTP; not the native protocol)"
        )
    said = url.param("secure")
    return is_true(said) if said is not None else url.scheme in UNSAID and url.port in TLS_PORTS


def _embedded(url: Url) -> EmbeddedEngine:
    """Read `chdb:///folder`, `chdb://memory/database` or `chdb://`."""
    if url.host not in ("", "memory", ":memory:"):
        raise ValueError("a folder is written with three slashes, as in chdb:///var/lib/app/events")
    in_memory = bool(url.host)
    return EmbeddedEngine(
        folder="" if in_memory or not url.path else f"/{url.path}",
        database=(url.path if in_memory else "") or url.param("database") or "",
        settings=_settings(url),
    )


def _settings(url: Url) -> dict[str, str]:
    return {
        key.removeprefix("ch_"): value for key, value in url.query if key not in _ADDRESS and key not in _CLIENT_OPTIONS
    }
