"""Manifest keys of TLS, the same for every kind that has a certificate to check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

CaFile = Annotated[Path | None, Field(description="who signs the server's certificate; default: the system's list")]
CertFile = Annotated[Path | None, Field(description="the client's certificate")]
KeyFile = Annotated[Path | None, Field(description="the key of `cert_file`")]
Verify = Annotated[bool, Field(description="check the server's certificate and its name")]


def file_in(folder: Path, file: Path | str | None) -> Path | None:
    """Return where a file of the manifest in `folder` is, None for none."""
    return folder / file if file else None
