"""Request bodies: chunked or with a length, compressed or not."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

from startupctl.embedded.clickhouse_http.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message
    from io import BufferedIOBase


def read_body(stream: BufferedIOBase, headers: Message) -> bytes:
    """Read a request body to its end and unpack it; raises Refusal for an encoding nobody knows."""
    if "chunked" in headers.get("Transfer-Encoding", ""):
        packed = b"".join(iter(lambda: _read_chunk(stream), b""))
    else:
        packed = stream.read(int(headers.get("Content-Length") or 0))
    encoding = headers.get("Content-Encoding") or ""
    if encoding not in UNPACK:
        raise Refusal.of(36, "BAD_ARGUMENTS", f"Unknown compression method: {encoding}")
    return UNPACK[encoding](packed)


def _read_chunk(stream: BufferedIOBase) -> bytes:
    size = int(stream.readline().split(b";")[0], 16)
    chunk = stream.read(size)
    stream.readline()
    return chunk


def _lz4(data: bytes) -> bytes:
    import lz4.frame  # type: ignore[import-untyped]  # it has no annotations

    unpacked: bytes = lz4.frame.decompress(data)
    return unpacked


def _zstd(data: bytes) -> bytes:
    from backports import zstd

    return zstd.decompress(data)


UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "lz4": _lz4,
    "zstd": _zstd,
}
