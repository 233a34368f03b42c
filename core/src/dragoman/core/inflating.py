"""Compressed bodies, piece by piece, never more at once than asked for."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from dragoman.core.errors import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What the reader of a body understands.
ACCEPTED = "gzip, deflate"
_GZIP, _ZLIB, _RAW = 31, 15, -15
_MOST = 65536


class Inflater:
    """Reads one compressed body. Raises the HTTP library's `DecodingError`."""

    def __init__(self, encoding: str) -> None:
        if encoding not in {"deflate", "gzip", "x-gzip"}:
            message = f"the body is encoded as {encoding[:40]!r}, which was not asked for"
            raise httpx.DecodingError(message)
        self._gzip = encoding != "deflate"
        self._inner = zlib.decompressobj(_GZIP if self._gzip else _ZLIB)
        self._fresh = True

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Decode what came; gives pieces of 64 KiB at most."""
        found = b""
        # A full piece may leave more inside, though all input was taken.
        while piece or len(found) == _MOST:
            if self._inner.eof:
                if not (self._gzip and piece):
                    return
                # gzip files may follow one another.
                self._inner = zlib.decompressobj(_GZIP)
            found = self._decompress(piece)
            if found:
                yield found
            piece = self._inner.unconsumed_tail or self._inner.unused_data

    def finish(self) -> None:
        """Take the end of the body; raises if it is not the end of what was compressed."""
        if not (self._fresh or self._inner.eof):
            message = "the compressed body ends too early"
            raise httpx.DecodingError(message)

    def _decompress(self, piece: bytes) -> bytes:
        try:
            try:
                found = self._inner.decompress(piece, _MOST)
            except zlib.error:
                if self._gzip or not self._fresh:
                    raise
                # Some servers mean bare deflate, without the head that belongs to it.
                self._inner = zlib.decompressobj(_RAW)
                found = self._inner.decompress(piece, _MOST)
        except zlib.error as cause:
            raise httpx.DecodingError(str(cause)) from cause
        self._fresh = False
        return found
