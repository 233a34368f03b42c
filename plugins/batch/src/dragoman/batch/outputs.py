"""Where results go: files that are only appended to, one write for each line."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from dragoman.batch.compression import make_codec, suffix_of
from dragoman.batch.recovery import repair
from dragoman.core import DragomanError

#: What is kept free for the answers that are on their way when a disk is full.
_RESERVE = 4 * 1024 * 1024
#: What systems say of a file that cannot grow: a full disk, a quota, a limit on its size.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class OutputError(DragomanError):
    """A file cannot be written."""


class Reserve:
    """Space beside the output, taken before the first request is sent and given up when a disk is full."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._taken = False
        #: Whether a disk was full.
        self.given_up = False

    def take(self) -> None:
        """Raises `OutputError` where there is no room for it."""
        try:
            self._path.write_bytes(bytes(_RESERVE))
        except OSError as cause:
            with suppress(OSError):
                self._path.unlink()
            raise unwritable(self._path.parent, cause, f"(a run wants {_RESERVE // 1024**2} MiB)") from cause
        self._taken = True

    def give_up(self) -> bool:
        """Make room; False: that was done before."""
        first, self.given_up = not self.given_up, True
        self.free()
        return first

    def free(self) -> None:
        """Leave nothing behind."""
        if self._taken:
            self._taken = False
            with suppress(OSError):
                self._path.unlink()


class Output:
    """A file that lines are appended to. A killed process loses none that was written; `sync` is for a lost machine.

    Raises `OutputError` where the file cannot be opened, or is another run's. `reserve` may make room once.
    """

    def __init__(self, path: Path, reserve: Reserve | None = None, *, overwrite: bool = False) -> None:
        self.path = path
        self._reserve = reserve
        self._codec = make_codec(suffix_of(path))
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
            try:
                self._regular = path.is_file()
                if self._regular:
                    # A device, as /dev/null, may be anybody's at the same time.
                    _lock(self._file, path)
                self._prepare(overwrite=overwrite)
            except BaseException:
                os.close(self._file)
                raise
        except OSError as cause:
            raise unwritable(path, cause) from cause
        self._unsynced = self._broken = self._written = False

    def _prepare(self, *, overwrite: bool) -> None:
        #: Bytes of a torn line of an earlier run, that were cut off.
        self.cut = 0
        if self._regular and overwrite:
            os.ftruncate(self._file, 0)
        elif self._regular:
            self.cut = repair(self.path)
        self.size = os.fstat(self._file).st_size if self._regular else 0

    def write(self, line: bytes) -> None:
        """Append a line. Raises `OutputError`; the file ends with the line before, then."""
        if self._broken:
            message = f"{self.path} cannot be written any more"
            raise OutputError(message)
        data = self._codec.line(line)
        try:
            self._append(data)
        except OSError as cause:
            self._broken = True
            raise unwritable(self.path, cause) from cause
        self._unsynced = self._written = True

    def _append(self, data: bytes) -> None:
        """Append all of it, or nothing."""
        for last in (False, True):
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(self._file, rest) :]
            except OSError as cause:
                if self._regular:
                    os.ftruncate(self._file, self.size)
                if last or cause.errno not in _FULL or self._reserve is None or not self._reserve.give_up():
                    raise
            else:
                self.size += len(data)
                return

    async def sync(self) -> None:
        """Have the system write to the disk what it was given, without holding up anybody."""
        if self._unsynced and self._regular:
            self._unsynced = False
            await asyncio.to_thread(os.fsync, self._file)

    def close(self) -> None:
        """End the file. Raises `OutputError` if its end cannot be written; what was written before is safe."""
        try:
            if self._broken:
                if self._regular:
                    repair(self.path)
            elif self._written or not self.size:
                # An empty file would be none of its kind.
                self._append(self._codec.end())
            if self._regular:
                os.fsync(self._file)
        except OSError as cause:
            raise unwritable(self.path, cause) from cause
        finally:
            os.close(self._file)


class Stdout:
    """Results on stdout: for a pipe, and without a way to go on later.

    As long as it is there, what others print goes to stderr: engines tell of their own affairs.
    """

    cut = size = 0
    path = Path("stdout")

    def __init__(self) -> None:
        self._stdout = sys.stdout
        sys.stdout = sys.stderr

    def write(self, line: bytes) -> None:
        """Write a line, at once."""
        try:
            self._stdout.buffer.write(line)
            self._stdout.buffer.flush()
        except OSError as cause:
            raise unwritable(self.path, cause) from cause

    async def sync(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Give stdout back."""
        sys.stdout = self._stdout


def unwritable(path: Path, cause: OSError, more: str = "") -> OutputError:
    """Say that a file or a folder cannot be written, and why."""
    text = f"{path} cannot be written: {cause.strerror or cause} {more}".rstrip()
    return OutputError(text)


def _lock(file: int, path: Path) -> None:
    """Keep a second run away from the file, as long as this process lives."""
    with suppress(ImportError):
        import fcntl

        locking: Any = fcntl
        try:
            locking.flock(file, locking.LOCK_EX | locking.LOCK_NB)
        except BlockingIOError as cause:
            message = f"{path} is being written by another run"
            raise OutputError(message) from cause
        except OSError:
            # A file system without locks.
            return
