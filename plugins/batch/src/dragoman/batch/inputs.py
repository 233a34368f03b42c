"""Where requests come from: a file, plain or compressed, or stdin, read line by line in a thread of its own."""

from __future__ import annotations

import gzip
import os
import queue
import sys
import threading
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from dragoman.batch.compression import suffix_of, zstd
from dragoman.batch.lines import LONGEST_LINE
from dragoman.core import DragomanError

if TYPE_CHECKING:
    import asyncio

#: A line with its number; None: it is too long.
Numbered = tuple[int, bytes | None]
#: Lines, and bytes, that are read at once.
_AT_ONCE, _BYTES_AT_ONCE = 256, 1024 * 1024


@dataclass(slots=True)
class Input:
    """A stream of lines, the file below it, and that one's bytes, if they are known."""

    name: str
    stream: IO[bytes]
    raw: IO[bytes] | None = None
    size: int = 0

    def share(self) -> float | None:
        """How much of the file has been read; None: nobody knows."""
        return self.raw.tell() / self.size if self.raw is not None and self.size else None

    def close(self) -> None:
        """Close what was opened."""
        if self.raw is not None:
            self.stream.close()
            self.raw.close()


def open_input(name: str) -> Input:
    """Open a file of requests: gzip (.gz) and zstd (.zst, .zstd) by its ending; "-" is stdin.

    Raises `DragomanError` for one that cannot be read.
    """
    if name == "-":
        if sys.stdin is None:
            message = "stdin cannot be read: it is closed"
            raise DragomanError(message)
        return Input("stdin", sys.stdin.buffer)
    try:
        raw = Path(name).open("rb")  # noqa: SIM115 (its user closes it)
        size = os.fstat(raw.fileno()).st_size
    except OSError as cause:
        message = f"{name} cannot be read: {cause.strerror or cause}"
        raise DragomanError(message) from cause
    opened: dict[str, Any] = {
        "": lambda raw: raw,
        "gzip": lambda raw: gzip.GzipFile(fileobj=raw),
        "zstd": lambda raw: zstd().open(raw),
    }
    return Input(name, opened[suffix_of(name)](raw), raw, size)


class Lines:
    """Numbers the lines of a stream, from 1."""

    def __init__(self, opened: Input) -> None:
        self._stream = opened.stream
        self._name = opened.name
        self.number = 0

    def read(self) -> list[Numbered]:
        """Read some lines; none: it has ended. Raises `DragomanError` for a stream that is broken."""
        found: list[Numbered] = []
        size = 0
        try:
            while len(found) < _AT_ONCE and size < _BYTES_AT_ONCE:
                line = self._stream.readline(LONGEST_LINE + 1)
                if not line:
                    break
                size += len(line)
                self.number += 1
                if len(line) > LONGEST_LINE:
                    self._skip(line)
                found.append((self.number, line if len(line) <= LONGEST_LINE else None))
        except (EOFError, OSError, zlib.error, zstd().ZstdError) as cause:
            if found:
                # What is whole is given first; the next reading fails again.
                return found
            message = f"{self._name} is broken after line {self.number}: {str(cause) or type(cause).__name__}"
            raise DragomanError(message) from cause
        return found

    def _skip(self, line: bytes) -> None:
        while line and not line.endswith(b"\n"):
            line = self._stream.readline(_BYTES_AT_ONCE)


class Background:
    """Reads in a thread, so that a slow disk or pipe holds up no answer; the thread does not outlive the program."""

    def __init__(self, lines: Lines, loop: asyncio.AbstractEventLoop) -> None:
        self._lines = lines
        self._loop = loop
        self._wanted: queue.SimpleQueue[asyncio.Future[list[Numbered]] | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="dragoman-batch-reader", daemon=True).start()

    async def read(self) -> list[Numbered]:
        """`Lines.read`, without blocking."""
        wanted: asyncio.Future[list[Numbered]] = self._loop.create_future()
        self._wanted.put(wanted)
        return await wanted

    def close(self) -> None:
        """Let the thread end."""
        self._wanted.put(None)

    def _work(self) -> None:
        for wanted in iter(self._wanted.get, None):
            try:
                found: Any = self._lines.read()
            except BaseException as exception:  # noqa: BLE001 (raised where it was asked for)
                found = exception
            try:
                self._loop.call_soon_threadsafe(_tell, wanted, found)
            except RuntimeError:
                # The loop is closed: nobody waits any more.
                return


def _tell(wanted: asyncio.Future[list[Numbered]], found: Any) -> None:
    if wanted.done():
        return
    if isinstance(found, BaseException):
        wanted.set_exception(found)
    else:
        wanted.set_result(found)
