"""TLS as libpq does it: what is verified, by the mode and by the files that are there."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from startupctl.failures import LocalTlsFile
from startupctl.wire.pg_target import SYSTEM_CERTIFICATES, SslMode
from startupctl.wire.tls import client_context

if TYPE_CHECKING:
    import ssl

    from startupctl.wire.pg_target import PgTarget

ROOT_CERTIFICATES = Path("~/.postgresql/root.crt")


def tls_context(target: PgTarget) -> ssl.SSLContext:
    """Return the context for a target; reads files.

    A root certificate that is there is used in every mode, as libpq does it; the verify modes insist
    on one. Raises LocalTlsFile.
    """
    root = _root_certificate(target)
    system = target.sslrootcert == SYSTEM_CERTIFICATES
    key = Path(target.sslkey) if target.sslkey else None
    if target.sslcert and key:
        _refuse_shared_key(key)
    return client_context(
        verify=system or root is not None,
        check_name=target.sslmode is SslMode.VERIFY_FULL,
        ca_file=root,
        cert_file=Path(target.sslcert) if target.sslcert else None,
        key_file=key,
    )


def _root_certificate(target: PgTarget) -> Path | None:
    if target.sslrootcert == SYSTEM_CERTIFICATES:
        return None
    named = Path(target.sslrootcert) if target.sslrootcert else ROOT_CERTIFICATES.expanduser()
    insists = target.sslmode in (SslMode.VERIFY_CA, SslMode.VERIFY_FULL)
    return named if insists or named.exists() else None


def _refuse_shared_key(key: Path) -> None:
    """Refuse a key that others may read, by libpq's rule: 0600, or 0640 when root owns it."""
    try:
        found = key.stat()
    except OSError as error:
        raise LocalTlsFile(key, error) from error
    allowed = stat.S_IRWXU | (stat.S_IRGRP if found.st_uid == 0 and os.geteuid() != 0 else 0)
    if stat.S_IMODE(found.st_mode) & ~allowed:
        raise LocalTlsFile(key, PermissionError(errno.EPERM, "others may read this key; chmod 600"))
