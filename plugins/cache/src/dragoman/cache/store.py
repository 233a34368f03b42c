"""Answers in a SQLite file that several processes may share."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.core import DragomanWarning

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from dragoman.core import Json

    _T = TypeVar("_T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, answer BLOB NOT NULL, born REAL NOT NULL, used REAL NOT NULL);
CREATE INDEX IF NOT EXISTS by_use ON answers (used);
"""
#: Seconds to wait for another process that writes. A cache that makes its caller wait is worse than none.
_PATIENCE = 0.5
#: An answer's last use is written down when it is older than so many seconds: reading shall not mean writing.
_COARSE = 60.0
#: The size is looked at once in so many writes.
_SOMETIMES = 64
#: After cleaning up so much of the limit is in use.
_ROOMY = 0.9
#: What SQLite says of a file that it cannot trust.
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Store:
    """`path` is the file, made when first needed, readable by its owner only.

    `max_bytes`: when the answers take more, those used longest ago go. `max_age`: seconds after which an answer is
    not given any more; None: never. A file that is broken is set aside with a warning, and a new one is begun.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, max_bytes: int = 1_000_000_000, max_age: float | None = None
    ) -> None:
        self.path = Path(path)
        self.max_bytes = max_bytes
        self.max_age = max_age
        # Its own thread may enter it again: Python may collect a stream here, whose end puts its answer.
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._process = 0
        self._writes = 0

    def get(self, key: bytes) -> Json | None:
        """Return the answer for a key, if there is one that is not too old."""
        found = self._try(lambda database: self._get(database, key))
        return None if found is None else dict(json.loads(found))

    def put(self, key: bytes, answer: Json) -> None:
        """Keep an answer, in place of an older one."""
        text = json.dumps(answer, separators=(",", ":")).encode()
        if len(text) <= self.max_bytes:
            self._try(lambda database: self._put(database, key, text))

    def clear(self) -> None:
        """Forget all answers."""
        self._try(lambda database: database.execute("DELETE FROM answers"))

    def close(self) -> None:
        """Close the file; it is opened again when needed."""
        with self._lock:
            self._close()

    def __len__(self) -> int:
        """The number of answers, old ones too."""
        count = self._try(lambda database: database.execute("SELECT count(*) FROM answers").fetchone()[0])
        return count or 0

    def _get(self, database: sqlite3.Connection, key: bytes) -> bytes | None:
        row = database.execute("SELECT answer, born, used FROM answers WHERE key = ?", (key,)).fetchone()
        now = time.time()
        if row is None or (self.max_age is not None and now - row[1] > self.max_age):
            return None
        if now - row[2] > _COARSE:
            with suppress(sqlite3.OperationalError):
                database.execute("UPDATE answers SET used = ? WHERE key = ?", (now, key))
        return bytes(row[0])

    def _put(self, database: sqlite3.Connection, key: bytes, text: bytes) -> None:
        now = time.time()
        database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", (key, text, now, now))
        self._writes += 1
        if self._writes % _SOMETIMES == 1 or len(text) > self.max_bytes // _SOMETIMES:
            self._make_room(database, now)

    def _make_room(self, database: sqlite3.Connection, now: float) -> None:
        if self.max_age is not None:
            database.execute("DELETE FROM answers WHERE born < ?", (now - self.max_age,))
        size = database.execute("SELECT total(length(answer)) FROM answers").fetchone()[0]
        if size <= self.max_bytes:
            return
        surplus = size - self.max_bytes * _ROOMY
        # The oldest uses, one after the other, until what they free is enough.
        database.execute(
            "DELETE FROM answers WHERE key IN (SELECT key FROM (SELECT key, used, length(answer) AS own, "
            "sum(length(answer)) OVER (ORDER BY used, key) AS freed FROM answers) WHERE freed - own < ?)",
            (surplus,),
        )

    def _try(self, work: Callable[[sqlite3.Connection], _T]) -> _T | None:
        """Do the work; a cache that fails answers nothing, and breaks nothing."""
        with self._lock:
            for _ in range(2):
                try:
                    return work(self._open())
                except sqlite3.DatabaseError as error:
                    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _BROKEN:
                        self._set_aside()
                        continue
                    if getattr(error, "sqlite_errorcode", 0) & 0xFF not in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
                        self._complain(error)
                except OSError as error:
                    self._complain(error)
                return None
        return None

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and self._process == os.getpid():
            return self._connection
        # A connection of the process that this one was forked from must not be used, and not be closed either.
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.touch(mode=0o600)
        connection = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(_SCHEMA)
        except sqlite3.Error:
            connection.close()
            raise
        self._connection, self._process = connection, os.getpid()
        return connection

    def _close(self) -> None:
        if self._connection is not None and self._process == os.getpid():
            self._connection.close()
        self._connection = None

    def _set_aside(self) -> None:
        self._close()
        aside = self.path.with_name(f"{self.path.name}.broken-{time.time_ns()}")
        with suppress(OSError):
            self.path.rename(aside)
        for ending in ("-wal", "-shm"):
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
        message = f"the cache {self.path} is broken; it is now {aside.name}, and a new one is begun"
        warnings.warn(message, DragomanWarning, stacklevel=5)

    def _complain(self, error: Exception) -> None:
        warnings.warn(f"the cache {self.path} cannot be used: {error}", DragomanWarning, stacklevel=5)
