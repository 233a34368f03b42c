"""Compressed bodies: cut anywhere, one after another, broken, and far larger than they look."""

from __future__ import annotations

import gzip
import random
import zlib

import pytest

from dragoman.core.errors import httpx
from dragoman.core.inflating import Inflater

DATA = random.Random(7).randbytes(2000) + b"a" * 300_000  # noqa: S311 (no secret: a body)


def raw(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def read(encoding: str, body: bytes, size: int) -> bytes:
    inflater = Inflater(encoding)
    pieces = [piece for at in range(0, len(body), size) for piece in inflater.feed(body[at : at + size])]
    inflater.finish()
    assert all(0 < len(piece) <= 65536 for piece in pieces)
    return b"".join(pieces)


@pytest.mark.parametrize("size", [2, 7, 1000, 10**6])
@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(DATA, mtime=0)),
        ("x-gzip", gzip.compress(DATA[:9], mtime=0) + gzip.compress(DATA[9:], mtime=0)),
        ("deflate", zlib.compress(DATA)),
        ("deflate", raw(DATA)),
    ],
)
def test_read(encoding: str, body: bytes, size: int) -> None:
    assert read(encoding, body, size) == DATA


def test_nothing_is_whole() -> None:
    assert read("gzip", b"", 1) == b""


@pytest.mark.parametrize(
    "body", [gzip.compress(DATA, mtime=0)[:-1], gzip.compress(DATA, mtime=0)[:100], b"no gzip", b"\x1f"]
)
def test_cut_or_broken(body: bytes) -> None:
    with pytest.raises(httpx.DecodingError):
        read("gzip", body, 50)


def test_what_was_not_asked_for() -> None:
    with pytest.raises(httpx.DecodingError, match="'br', which was not asked for"):
        Inflater("br")
