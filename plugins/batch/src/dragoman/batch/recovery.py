"""An output file of an earlier run: its lines, and its end, which a crash may have torn."""

from __future__ import annotations

import json
import os
import zlib
from collections import deque
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from dragoman.batch.compression import GZIP, Kind, suffix_of, zstd
from dragoman.core import DragomanError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BLOCK = 1024 * 1024
#: The end of a sync flush, and what closes a gzip member behind it: an empty last block.
_FLUSHED, _EMPTY_BLOCK = b"\x00\x00\xff\xff", b"\x03\x00"
#: An empty last block of zstd, raw; the number of a frame, and those of frames that hold no data.
_EMPTY_RAW, _FRAME, _SKIPPED = b"\x01\x00\x00", 0xFD2FB528, range(0x184D2A50, 0x184D2A60)


@dataclass(frozen=True, slots=True)
class _Torn:
    """An unfinished member or frame begins at `start`; with `close` behind `end`, it is whole."""

    start: int
    end: int
    close: bytes


def repair(path: Path) -> int:
    """Mend a torn end, and return how many bytes were cut off. Raises `DragomanError` for a file that is no output."""
    kind = suffix_of(path)
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        if not size:
            return 0
        if not kind:
            return _repair_plain(file, size)
        try:
            torn = _torn_gzip(file) if kind == "gzip" else _torn_zstd(file, size)
        except (ValueError, zlib.error, zstd().ZstdError) as cause:
            message = f"{path} is damaged, and not at its end ({cause}): --overwrite begins anew"
            raise DragomanError(message) from cause
        if torn is None:
            return 0
        file.truncate(torn.end)
        file.seek(torn.end)
        file.write(torn.close)
        file.flush()
        os.fsync(file.fileno())
        return size - torn.end


def read_lines(path: Path) -> Iterator[bytes]:
    """Give the lines of a file that is whole, without their newlines."""
    rest = b""
    with path.open("rb") as file:
        for piece in _pieces(file, suffix_of(path)):
            *lines, rest = (rest + piece).split(b"\n")
            yield from lines
    if rest:
        yield rest


def _pieces(file: IO[bytes], kind: Kind) -> Iterator[bytes]:
    """Give the content, decompressed, of all members or frames."""
    reader: Any = None
    while data := file.read(_BLOCK):
        if not kind:
            yield data
            continue
        while data:
            reader = reader or (zlib.decompressobj(GZIP) if kind == "gzip" else zstd().ZstdDecompressor())
            yield reader.decompress(data)
            data = reader.unused_data if reader.eof else b""
            reader = None if reader.eof else reader


def _repair_plain(file: IO[bytes], size: int) -> int:
    """Cut off half a line; one that lacks its newline alone gets it."""
    end, tail = size, b""
    while end and b"\n" not in tail:
        start = max(0, end - _BLOCK)
        file.seek(start)
        tail = file.read(end - start) + tail
        end = start
    rest = tail.rpartition(b"\n")[2]
    if not rest:
        return 0
    if _is_whole(rest):
        file.seek(size)
        file.write(b"\n")
        return 0
    file.truncate(size - len(rest))
    return len(rest)


def _is_whole(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _torn_gzip(file: IO[bytes]) -> _Torn | None:
    """Find the member that does not end; whole members are read only."""
    file.seek(0)
    start = position = 0
    reader: Any = None
    while data := file.read(_BLOCK):
        position += len(data)
        while data:
            reader = reader or zlib.decompressobj(GZIP)
            reader.decompress(data)
            data = reader.unused_data if reader.eof else b""
            if reader.eof:
                reader, start = None, position - len(data)
    return None if reader is None else _last_flush(file, start)


def _last_flush(file: IO[bytes], start: int) -> _Torn:
    """Find the last flush behind a whole line. Bytes like its end may stand elsewhere, so each is tried."""
    reader, check, length, ended = zlib.decompressobj(GZIP), 0, 0, False
    good: deque[tuple[int, bytes, Any]] = deque(maxlen=4)
    for end, part in _flushed_parts(file, start):
        piece = reader.decompress(part)
        check, length = zlib.crc32(piece, check), length + len(piece)
        ended = piece.endswith(b"\n") if piece else ended
        if ended:
            close = _EMPTY_BLOCK + check.to_bytes(4, "little") + (length % 2**32).to_bytes(4, "little")
            good.append((end, close, reader.copy()))
    while good:
        end, close, reader = good.pop()
        try:
            reader.decompress(close)
        except zlib.error:
            continue
        if reader.eof:
            return _Torn(start, end, close)
    return _Torn(start, start, b"")


def _flushed_parts(file: IO[bytes], start: int) -> Iterator[tuple[int, bytes]]:
    """Cut what begins at `start` behind each end of a flush; what follows the last one is not given."""
    file.seek(start)
    end, rest = start, b""
    while data := file.read(_BLOCK):
        *parts, rest = (rest + data).split(_FLUSHED)
        for part in parts:
            end += len(part) + len(_FLUSHED)
            yield end, part + _FLUSHED


def _torn_zstd(file: IO[bytes], size: int) -> _Torn | None:
    """Walk from block to block; nothing is decompressed unless the last frame does not end."""
    start = 0
    while start < size:
        file.seek(start)
        head = file.read(18)
        number = int.from_bytes(head[:4], "little")
        if number in _SKIPPED:
            start += 8 + int.from_bytes(head[4:8], "little")
            continue
        if len(head) > 3 and number != _FRAME:  # noqa: PLR2004 (the bytes of the number)
            message = "there is something that is no frame"
            raise ValueError(message)
        ends, whole = _block_ends(file, start, head, size)
        if whole is None:
            return _last_block(file, start, ends)
        start = whole
    return None


def _block_ends(file: IO[bytes], start: int, head: bytes, size: int) -> tuple[list[int], int | None]:
    """Return where the frame's header and its last blocks end, and where the frame ends, if it does."""
    if len(head) < 6:  # noqa: PLR2004 (the shortest head of a frame)
        return [], None
    flags = head[4]
    single, checked = flags >> 5 & 1, flags >> 2 & 1
    length = (1 if single else 0, 2, 4, 8)[flags >> 6]
    position = start + 5 + (1 - single) + (0, 1, 2, 4)[flags & 3] + length
    ends: deque[int] = deque([position], maxlen=4096)
    while position + 3 <= size:
        file.seek(position)
        block = int.from_bytes(file.read(3), "little")
        # Of a block that repeats one byte, that byte is there.
        position += 3 + (1 if block >> 1 & 3 == 1 else block >> 3)
        if position > size:
            break
        if block & 1:
            position += 4 * checked
            return [*ends], position if position <= size else None
        ends.append(position)
    if checked:
        message = "its last frame has a checksum and does not end"
        raise ValueError(message)
    return [*ends], None


def _last_block(file: IO[bytes], start: int, ends: list[int]) -> _Torn:
    """Find the last block behind a whole line."""
    reader, position, good = zstd().ZstdDecompressor(), start, start
    file.seek(start)
    for end in ends:
        tail = b""
        while position < end:
            data = file.read(min(_BLOCK, end - position))
            position += len(data)
            tail = reader.decompress(data) or tail
        if tail.endswith(b"\n"):
            good = end
    return _Torn(start, good, _EMPTY_RAW if good > start else b"")
