"""TLS contexts for the speakers, by what shall be verified."""

from __future__ import annotations

import ssl
from functools import partial
from typing import TYPE_CHECKING

from startupctl.failures import LocalTlsFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def client_context(
    *,
    verify: bool = True,
    check_name: bool = True,
    ca_file: Path | None = None,
    cert_file: Path | None = None,
    key_file: Path | None = None,
) -> ssl.SSLContext:
    """Return a client context.

    Without `verify` any certificate is taken; with it and without `check_name` the chain is checked
    and the name is not (libpq's verify-ca). Raises LocalTlsFile for a file that cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = verify and check_name
    context.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    if verify and ca_file:
        _load(ca_file, partial(context.load_verify_locations, ca_file))
    elif verify:
        context.load_default_certs()
    if cert_file:
        _load(cert_file, partial(context.load_cert_chain, cert_file, key_file, password=""))
    return context


def _load(path: Path, read: Callable[[], None]) -> None:
    try:
        read()
    except (OSError, ssl.SSLError) as error:
        raise LocalTlsFile(path, error) from error
