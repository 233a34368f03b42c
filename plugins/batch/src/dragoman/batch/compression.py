"""Compressed files that lines are appended to, one by one, and that are whole again after a crash.

Each line is flushed to a boundary of the format, behind which the file can be closed: gzip by a sync flush, which ends
with the bytes 00 00 FF FF (https://www.rfc-editor.org/rfc/rfc1951#section-3.2.4), zstd by the end of a block
(https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1). What follows the last one is cut off, and an empty last block is
put there, with gzip's checksum and length behind it. Each run appends a member (gzip) or a frame (zstd) of its own.
"""

from __future__ import annotations

import zlib
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import os

Kind = Literal["", "gzip", "zstd"]
_KINDS: dict[str, Kind] = {"gz": "gzip", "zst": "zstd", "zstd": "zstd"}
#: zlib's `wbits` for a stream with gzip's head and tail.
GZIP = 31
#: zlib's level: three quarters of the time of its usual one, for little more than its size.
_LEVEL = 4


def suffix_of(name: str | os.PathLike[str]) -> Kind:
    """Return how a file is compressed, by the ending of its name; empty: it is not."""
    return _KINDS.get(str(name).rpartition(".")[2].lower(), "")


@cache
def zstd() -> Any:
    """Return the module for zstd: the standard library's since Python 3.14, its backport before."""
    try:
        return import_module("compression.zstd")
    except ImportError:
        return import_module("backports.zstd")


class Codec(Protocol):
    """Makes the bytes to append."""

    def line(self, line: bytes) -> bytes:
        """Bytes for a line, up to a boundary."""

    def end(self) -> bytes:
        """Bytes behind the last line; a whole member or frame where there was none."""


class _Plain:
    def line(self, line: bytes) -> bytes:
        return line

    def end(self) -> bytes:
        return b""


class _Gzip:
    def __init__(self) -> None:
        self._compressor: Any = zlib.compressobj(_LEVEL, zlib.DEFLATED, GZIP)

    def line(self, line: bytes) -> bytes:
        made: bytes = self._compressor.compress(line) + self._compressor.flush(zlib.Z_SYNC_FLUSH)
        return made

    def end(self) -> bytes:
        made: bytes = self._compressor.flush()
        return made


class _Zstd:
    def __init__(self) -> None:
        self._compressor = zstd().ZstdCompressor()

    def line(self, line: bytes) -> bytes:
        made: bytes = self._compressor.compress(line, self._compressor.FLUSH_BLOCK)
        return made

    def end(self) -> bytes:
        made: bytes = self._compressor.flush()
        return made


def make_codec(kind: Kind) -> Codec:
    """Make what compresses in this way."""
    kinds: dict[Kind, type[Codec]] = {"": _Plain, "gzip": _Gzip, "zstd": _Zstd}
    return kinds[kind]()
