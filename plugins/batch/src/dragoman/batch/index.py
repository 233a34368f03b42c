"""Which requests were answered before, and which ids the input has had: on disk, so that memory stays what it is."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from dragoman.batch.outputs import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

#: KiB of pages that are kept in memory.
_CACHE = 16384
_SETTINGS = ("journal_mode=off", "synchronous=off", "locking_mode=exclusive", f"cache_size=-{_CACHE}")
#: The line of ids that an earlier run has answered and this one has not read yet.
_BEFORE = 0


class Index:
    """A set of ids with the lines that they stand on, in a SQLite file that is of no use after the run.

    Without a path the file is SQLite's own temporary one. Raises `OutputError` where it cannot be written.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._remove()
        # Made on one thread and used on the run's.
        self._database = sqlite3.connect(path or "", isolation_level=None, check_same_thread=False)
        try:
            for setting in _SETTINGS:
                self._database.execute(f"PRAGMA {setting}")
            self._database.execute("CREATE TABLE ids (id TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")
            self._database.execute("BEGIN")
        except sqlite3.Error as cause:
            self._database.close()
            raise self._failed(cause) from cause
        self._execute = self._database.execute

    def remember(self, ids: Iterable[str]) -> int:
        """Note what an earlier run has answered; return how many these are, each counted once."""
        before = self._database.total_changes
        rows = ((_sound(one),) for one in ids)
        try:
            self._database.executemany("INSERT INTO ids VALUES (?, 0) ON CONFLICT DO NOTHING", rows)
        except sqlite3.Error as cause:
            raise self._failed(cause) from cause
        return self._database.total_changes - before

    def see(self, custom_id: str, line: int) -> Literal["new", "done"] | int:
        """Note an id of the input. Returns the line that has it too, if there is one."""
        custom_id = _sound(custom_id)
        try:
            changed = self._execute("INSERT INTO ids VALUES (?, ?) ON CONFLICT DO NOTHING", (custom_id, line)).rowcount
        except sqlite3.Error as cause:
            raise self._failed(cause) from cause
        if changed:
            return "new"
        found: int = self._execute("SELECT line FROM ids WHERE id = ?", (custom_id,)).fetchone()[0]
        if found != _BEFORE:
            return found
        self._execute("UPDATE ids SET line = ? WHERE id = ?", (line, custom_id))
        return "done"

    def strangers(self) -> int:
        """Count what was answered before and is not in the input, which was read to its end."""
        # Names of bad lines begin with a NUL, where SQLite's substr and length end.
        return self._count("line = 0 AND id >= char(1)")

    def mended(self) -> int:
        """Count the bad lines of earlier runs that are none in the input, which was read to its end."""
        return self._count("line = 0 AND id < char(1)")

    def _count(self, which: str) -> int:
        found: int = self._execute(f"SELECT count(*) FROM ids WHERE {which}").fetchone()[0]  # noqa: S608 (ours)
        return found

    def close(self) -> None:
        """Remove the file."""
        self._database.close()
        self._remove()

    def _failed(self, cause: sqlite3.Error) -> OutputError:
        return OutputError(f"the ids of the batch cannot be kept on disk: {cause}")

    def _remove(self) -> None:
        if self._path is not None:
            with suppress(FileNotFoundError):
                self._path.unlink()


def _sound(custom_id: str) -> str:
    """Half a character, which JSON may have, is none that SQLite takes."""
    return custom_id if custom_id.isascii() else custom_id.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
