"""What a PostgreSQL connection is made to: server, database, role, TLS, with libpq's defaults."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import quote

from startupctl.addresses import Endpoint
from startupctl.fields import MAX_PORT, Secret
from startupctl.wire.pg_parameters import ENVIRONMENT, unspoken, written

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PORT = 5432
SOCKET_FOLDER = "/var/run/postgresql"  # where the libpq of psycopg looks, and Debian's server puts it
CERTIFICATE_FILES = ("postgresql.crt", "postgresql.key", "root.crt", "root.crl")
SESSION_ATTRIBUTES = ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")
SYSTEM_CERTIFICATES = "system"
APPLICATION_NAME = "startupctl"
_PLACES = frozenset({"host", "hostaddr", "service", "PGHOSTADDR", "PGSERVICE"})  # what may lead elsewhere


class SslMode(StrEnum):
    """How much TLS is wanted; https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-SSLMODE-STATEMENTS."""

    DISABLE = "disable"
    ALLOW = "allow"
    PREFER = "prefer"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"

    @property
    def is_weak(self) -> bool:
        """Whether a connection without TLS is taken too."""
        return self in (SslMode.DISABLE, SslMode.ALLOW, SslMode.PREFER)


@dataclass(frozen=True, slots=True, repr=False)
class PgTarget:
    """One database as one role sees it.

    `given` is what was written, for the driver, and may hold the password. The file names are as
    written; `sslrootcert` may be `system`. `unspoken` names what only libpq understands: then the
    other fields are the best reading of it. `connect_timeout` is in seconds, None without one.
    """

    given: Mapping[str, str]
    endpoint: Endpoint
    database: str
    user: str
    password: Secret | None
    sslmode: SslMode
    sslrootcert: str = ""
    sslcert: str = ""
    sslkey: str = ""
    application_name: str = APPLICATION_NAME
    options: str = ""
    connect_timeout: float | None = None
    session_attributes: str = "any"
    unspoken: tuple[str, ...] = ()

    @classmethod
    def read(cls, given: Mapping[str, str], environ: Mapping[str, str] | None = None) -> PgTarget:
        """Complete libpq parameters by the variables and defaults of libpq.

        Raises ValueError, naming the parameter and never its value, for what libpq would refuse.
        """
        environ = os.environ if environ is None else environ
        given = written(given)
        filled = _filled(given, environ)
        return cls(
            given=MappingProxyType(dict(given)),
            endpoint=_endpoint(filled),
            database=filled["dbname"],
            user=filled["user"],
            password=Secret(filled["password"]) if "password" in filled else None,
            sslmode=_sslmode(filled),
            sslrootcert=filled.get("sslrootcert", ""),
            sslcert=filled.get("sslcert", ""),
            sslkey=filled.get("sslkey", ""),
            application_name=filled.get("application_name")
            or filled.get("fallback_application_name", APPLICATION_NAME),
            options=filled.get("options", ""),
            connect_timeout=_seconds(filled),
            session_attributes=_one_of(filled, "target_session_attrs", SESSION_ATTRIBUTES, "any"),
            unspoken=tuple(unspoken(filled, environ)),
        )

    @property
    def label(self) -> str:
        """The target as a URL without its secrets."""
        if "service" in self.given:
            return f"postgresql://?service={quote(self.given['service'])}"
        if not self.endpoint.path:
            place = self.given["host"] if "," in self.given.get("host", "") else str(self.endpoint)
            return f"postgresql://{quote(self.user)}@{place}/{quote(self.database)}"
        folder, _, port = self.endpoint.path.rpartition("/.s.PGSQL.")
        tail = "" if port == str(DEFAULT_PORT) else f"&port={port}"
        return f"postgresql://{quote(self.user)}@/{quote(self.database)}?host={folder}{tail}"

    def __repr__(self) -> str:
        """Return the label: the fields may hold the password."""
        return self.label

    __str__ = __repr__

    @property
    def is_local(self) -> bool:
        """Whether all that is sent stays on this machine."""
        return self.endpoint.is_local and _PLACES.isdisjoint(self.unspoken)

    @property
    def uses_tls(self) -> bool:
        """Whether TLS is asked for at all; over a unix socket it never is."""
        return self.sslmode is not SslMode.DISABLE and not self.endpoint.path

    def to_database(self, name: str) -> PgTarget:
        """Return the same server and role with another database."""
        return replace(self, given=MappingProxyType({**self.given, "dbname": name}), database=name)

    def in_folder(self, folder: Path) -> PgTarget:
        """Return the target with its certificate files found relative to `folder`."""
        names = ("sslrootcert", "sslcert", "sslkey")
        files = [name for name in names if self.given.get(name, SYSTEM_CERTIFICATES) != SYSTEM_CERTIFICATES]
        if not files:
            return self
        given = {**self.given, **{name: str(folder / self.given[name]) for name in files}}
        return replace(
            self,
            given=MappingProxyType(given),
            sslrootcert=given.get("sslrootcert", self.sslrootcert),
            sslcert=given.get("sslcert", self.sslcert),
            sslkey=given.get("sslkey", self.sslkey),
        )

    def parameters(self) -> dict[str, str]:
        """Return what psycopg.connect takes, the password included.

        A server on another host gets no password in clear text unless TLS is demanded: `require_auth`
        of libpq 16 forbids it.
        """
        found = {"fallback_application_name": APPLICATION_NAME, **self.given}
        if "host" not in found and self.endpoint.path and not self.unspoken:
            found["host"] = self.endpoint.path.rpartition("/")[0]
        if self.sslmode.is_weak and not self.is_local:
            found.setdefault("require_auth", "!password")
        return found

    def proven(self, *, encrypted: bool) -> PgTarget:
        """Return the target as it was met: what answered with TLS once is asked for TLS from now on."""
        if not (encrypted and self.sslmode.is_weak):
            return self
        given = MappingProxyType({**self.given, "sslmode": SslMode.REQUIRE.value})
        return replace(self, given=given, sslmode=SslMode.REQUIRE)


def home_files(target: PgTarget, home: Path | None = None) -> list[Path]:
    """Return the files of the user that libpq would read for this target; looks at the file system."""
    home = home or Path.home()
    found = [] if target.password else [home / ".pgpass"]
    if target.uses_tls:
        found += [home / ".postgresql" / name for name in CERTIFICATE_FILES]
    return [file for file in found if file.exists()]


def _filled(given: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Add what the environment says and what libpq takes for granted."""
    found = {key: environ[name] for key, name in ENVIRONMENT.items() if environ.get(name)} | dict(given)
    found.setdefault("port", str(DEFAULT_PORT))
    found.setdefault("host", SOCKET_FOLDER)
    found.setdefault("user", _os_user())
    found.setdefault("dbname", found["user"])
    return found


def _os_user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise ValueError("no user is given, and this process runs as a user without a name") from None


def _endpoint(filled: Mapping[str, str]) -> Endpoint:
    host, port = filled["host"].partition(",")[0], filled["port"].partition(",")[0] or str(DEFAULT_PORT)
    if not (port.isascii() and port.isdigit()) or not 1 <= int(port) <= MAX_PORT:
        raise ValueError(f"the port is not a number from 1 to {MAX_PORT}")
    return Endpoint(path=f"{host}/.s.PGSQL.{port}") if host.startswith("/") else Endpoint(host, int(port))


def _sslmode(filled: Mapping[str, str]) -> SslMode:
    system = filled.get("sslrootcert") == SYSTEM_CERTIFICATES
    default = SslMode.VERIFY_FULL if system else SslMode.PREFER
    mode = SslMode(_one_of(filled, "sslmode", [mode.value for mode in SslMode], default.value))
    if system and mode is not SslMode.VERIFY_FULL:
        raise ValueError("sslrootcert=system needs sslmode=verify-full")
    return mode


def _one_of(filled: Mapping[str, str], key: str, values: list[str] | tuple[str, ...], default: str) -> str:
    value = filled.get(key, default)
    if value not in values:
        raise ValueError(f"{key} is not one of {', '.join(values)}")
    return value


def _seconds(filled: Mapping[str, str]) -> float | None:
    text = filled.get("connect_timeout", "0").strip()
    try:
        seconds = int(text)
    except ValueError:
        raise ValueError("connect_timeout is not a whole number of seconds") from None
    return float(seconds) if seconds > 0 else None
