"""Where a Redis or Valkey server is and who asks: what a connection URL says, as redis-py reads it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from startupctl.addresses import Endpoint
from startupctl.fields import Secret
from startupctl.wire.tls_keys import file_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from startupctl.addresses import Url

PORT = 6379
PLAIN = frozenset({"redis", "valkey"})
ENCRYPTED = frozenset({"rediss", "valkeys"})
SOCKET = frozenset({"unix", "redis+unix", "valkey+unix", "redis+socket"})


class TlsFiles(NamedTuple):
    """What the server's certificate is checked against, and our own; the files can be opened."""

    verify: bool = True
    check_name: bool = True
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


class Place(NamedTuple):
    """A server, the credentials and the database.

    `tls_options` are those of the URL, by redis-py's names; `files` are what became of them and of the
    component's own keys.
    """

    endpoint: Endpoint
    tls: bool = False
    user: str | None = None
    password: Secret | None = None
    database: int = 0
    tls_options: Mapping[str, str] = MappingProxyType({})
    files: TlsFiles = TlsFiles()

    def in_folder(self, folder: Path, *, verify: bool, **files: Path | None) -> Place:
        """Return the place with paths that can be opened; `files`, as TlsFiles names them, win over those of the URL."""
        in_url = self.tls_options
        named = {"ca_file": "ssl_ca_certs", "cert_file": "ssl_certfile", "key_file": "ssl_keyfile"}
        found = TlsFiles(
            verify=verify and in_url.get("ssl_cert_reqs", "").lower().removeprefix("cert_") != "none",
            check_name=in_url.get("ssl_check_hostname", "").lower() not in ("false", "0", "no"),
            **{name: file_in(folder, files.get(name) or in_url.get(option)) for name, option in named.items()},
        )
        return self._replace(files=found)


def place_in(url: Url) -> Place:
    """Read a URL; raises ValueError naming the part that cannot be used.

    As redis-py does: the userinfo wins over `?username=` and `?password=`, `?db=` wins over the path.
    """
    if url.scheme not in PLAIN | ENCRYPTED | SOCKET:
        raise ValueError("the scheme must be redis, rediss, valkey, valkeys or unix (no cluster, no sentinel)")
    if len(url.hosts) > 1:
        raise ValueError("one host only: a cluster or a set of sentinels cannot be checked as one server")
    in_socket = url.scheme in SOCKET
    if in_socket and (url.host or not url.path):
        raise ValueError("a socket is written with three slashes, as in unix:///run/redis.sock")
    password = url.param("password")
    return Place(
        endpoint=Endpoint(path=f"/{url.path}") if in_socket else Endpoint(url.host or "localhost", url.port or PORT),
        tls=url.scheme in ENCRYPTED,
        user=url.user or url.param("username"),
        password=url.password or (Secret(password) if password else None),
        database=_database(url.param("db") or url.param("virtual_host") or ("" if in_socket else url.path)),
        tls_options={key: value for key, value in url.query if key.startswith("ssl_")},
    )


def _database(text: str) -> int:
    number = text.strip("/") or "0"
    if not (number.isascii() and number.isdigit()):
        raise ValueError("the database must be a number, as in redis://host/0")
    return int(number)
