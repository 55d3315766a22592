"""PostgreSQL connection parameters as people write them: URLs of several dialects, the variables of libpq.

What a parameter means is libpq's: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from startupctl.quoting import quote_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from startupctl.addresses import Url

_SCHEME = re.compile(r"postgres(ql)?(\+\w+)?")
_SSL_WORDS = {"true": "require", "1": "require", "false": "disable", "0": "disable", "no-verify": "require"}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# read by an ORM, a pool or a migration tool, never by the server
FRAMEWORK_KEYS = _words(
    # Prisma
    "pgbouncer connection_limit pool_timeout socket_timeout statement_cache_size sslaccept sslidentity"
    # asyncpg and SQLAlchemy
    " prepared_statement_cache_size prepared_statement_name_func command_timeout min_size max_size pool_size max_overflow"
    " pool_recycle pool_pre_ping async_fallback"
    # Rails and Django
    " pool timeout encoding prepared_statements checkout_timeout reaping_frequency conn_max_age conn_health_checks"
    # pgx and node-postgres
    " pool_max_conns pool_min_conns pool_max_conn_lifetime pool_max_conn_idle_time pool_health_check_period"
    " default_query_exec_mode statement_cache_capacity uselibpqcompat"
)
ENVIRONMENT = {
    "host": "PGHOST",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "application_name": "PGAPPNAME",
    "options": "PGOPTIONS",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "channel_binding": "PGCHANNELBINDING",
    "gssencmode": "PGGSSENCMODE",
}
# variables of libpq whose meaning is left to libpq
UNSPOKEN_VARIABLES = _words(
    "PGSERVICE PGHOSTADDR PGREQUIREAUTH PGREQUIREPEER PGSSLNEGOTIATION PGSSLCRL PGSSLCRLDIR PGSSLCERTMODE PGSSLSNI"
    " PGSSLMINPROTOCOLVERSION PGSSLMAXPROTOCOLVERSION PGMINPROTOCOLVERSION PGMAXPROTOCOLVERSION PGLOADBALANCEHOSTS"
    " PGKRBSRVNAME PGGSSLIB PGGSSDELEGATION PGCLIENTENCODING PGDATESTYLE PGTZ PGGEQO"
)
SPOKEN_KEYS = _words(
    "host port dbname user password sslmode sslrootcert sslcert sslkey application_name fallback_application_name"
    " options connect_timeout target_session_attrs"
)
# tuning of a connection that lives long; it changes no answer
TUNING_KEYS = _words("keepalives keepalives_idle keepalives_interval keepalives_count tcp_user_timeout sslcompression")
# spoken with these values only
SPOKEN_VALUES = {
    "channel_binding": {"prefer", "disable"},
    "gssencmode": {"prefer", "disable"},
    "sslnegotiation": {"postgres"},
    "load_balance_hosts": {"disable"},
    "sslsni": {"1"},
}


def url_parameters(url: Url) -> dict[str, str]:
    """Return the libpq parameters that a URL stands for; what only frameworks read is left out.

    Raises ValueError, without any value in its text, for another scheme, for a `%` that starts no
    escape and for a NUL: libpq refuses them too.
    """
    if not _SCHEME.fullmatch(url.scheme):
        raise ValueError(f"the scheme `{url.scheme}` is not postgresql (or postgres, or postgresql+driver)")
    if url.malformed_escape:
        raise ValueError("a `%` in the URL starts no escape; write %25 for the character itself")
    found = {"dbname": url.path, "user": url.user or "", "password": url.password.reveal() if url.password else ""}
    if url.hosts:
        found["host"] = ",".join(host for host, _ in url.hosts)
        found["port"] = ",".join(str(port or "") for _, port in url.hosts).strip(",")
    for key, value in url.query:
        found.update(_query_parameter(key, value))
    return written(_with_schema(found))


def written(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that say something: to libpq an empty one is none; raises ValueError for a NUL."""
    if any("\0" in value for value in parameters.values()):
        raise ValueError("a connection parameter holds a NUL character")
    return {key: value for key, value in parameters.items() if value}


def unspoken(filled: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    """Name what is left to libpq, in the words of its manual; empty when the speaker knows everything.

    `filled` is what was written with the defaults of the environment.
    """
    found = [
        key
        for key, value in filled.items()
        if key not in SPOKEN_KEYS | TUNING_KEYS and value not in SPOKEN_VALUES.get(key, ())
    ]
    found += [name for name in sorted(UNSPOKEN_VARIABLES) if environ.get(name)]
    if "," in filled["host"] or "," in filled["port"] or filled["host"].startswith("@"):
        found.append("host")
    if "sslcert" in filled and "sslkey" not in filled:
        found.append("sslcert")
    if "password" not in filled and environ.get("PGPASSFILE"):
        found.append("passfile")
    return found


def _query_parameter(key: str, value: str) -> dict[str, str]:
    if key == "ssl":
        return {"sslmode": _SSL_WORDS.get(value, value)}
    if key == "sslmode":
        return {"sslmode": "require" if value == "no-verify" else value}
    if key in FRAMEWORK_KEYS or key.startswith("x-"):
        return {}
    return {key: value}


def _with_schema(found: dict[str, str]) -> dict[str, str]:
    """Turn Prisma's `schema` and the `search_path` of Go's drivers into the server option they mean."""
    schema, path = found.pop("schema", ""), found.pop("search_path", "")
    if schema and schema != "public":
        path = quote_name(schema)
    if not path:
        return found
    escaped = re.sub(r"([\\\s])", r"\\\1", path)
    return {**found, "options": f"{found.get('options', '')} -c search_path={escaped}".strip()}
