"""The requests that vendors have, by the ids that they know: on disk, since their answers come in any order."""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dragoman.batch.records import Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
    part INTEGER, vendor_id TEXT, custom_id TEXT UNIQUE, line INTEGER, url TEXT, body TEXT, wanted INTEGER,
    PRIMARY KEY (part, vendor_id)
) WITHOUT ROWID
"""
_COLUMNS = "custom_id, body, url, line"


class Spool:
    """Requests by part and by the vendor's id.

    A request is *wanted* from when the run has handed it over to when its result was told. All methods raise
    `OSError` where the disk is full or the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        with _disk():
            self._base = sqlite3.connect(path)
            self._base.execute(_SCHEMA)

    def begin(self, parts: Iterable[int]) -> None:
        """Begin a run that goes on with these parts; its requests come again with the input, and are not wanted yet."""
        known = ",".join(str(int(part)) for part in parts)
        with _disk():
            # What an earlier run wrote of a part that it did not finish is written anew.
            self._base.execute(f"DELETE FROM requests WHERE part NOT IN ({known})")  # noqa: S608 (numbers)
            self._base.execute("UPDATE requests SET wanted = 0")
            self._base.commit()

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    def commit(self) -> None:
        """See that what was added is on the disk."""
        with _disk():
            self._base.commit()

    def add(self, part: int, vendor_id: str, request: Request) -> bool:
        """Add a request, which is wanted; False: there is one of this id in the part."""
        row = (part, vendor_id, request.custom_id, request.line, request.url, json.dumps(request.body))
        with _disk():
            insert = "INSERT OR IGNORE INTO requests VALUES (?, ?, ?, ?, ?, ?, 1)"
            return self._base.execute(insert, row).rowcount > 0

    def claim(self, custom_id: str) -> bool:
        """Say that a request is wanted; False: it is not here."""
        with _disk():
            update = "UPDATE requests SET wanted = 1 WHERE custom_id = ?"
            return self._base.execute(update, (custom_id,)).rowcount > 0

    def find(self, part: int, vendor_id: str) -> tuple[Request, bool] | None:
        """Return a request, and whether it is wanted."""
        select = f"SELECT {_COLUMNS}, wanted FROM requests WHERE part = ? AND vendor_id = ?"  # noqa: S608 (ours)
        row = self._base.execute(select, (part, vendor_id)).fetchone()
        return row and (_request(row[:-1]), bool(row[-1]))

    def told(self, custom_id: str) -> None:
        """Say that a request is wanted no more."""
        with _disk():
            self._base.execute("UPDATE requests SET wanted = 0 WHERE custom_id = ?", (custom_id,))

    def sample(self, part: int) -> Request | None:
        """Return one request of a part."""
        select = f"SELECT {_COLUMNS} FROM requests WHERE part = ? LIMIT 1"  # noqa: S608 (ours)
        row = self._base.execute(select, (part,)).fetchone()
        return row and _request(row)

    def wanted(self, part: int) -> Iterator[Request]:
        """Return the requests of a part that are wanted; it stays right while they are told."""
        select = f"SELECT {_COLUMNS} FROM requests WHERE part = ? AND wanted LIMIT 500"  # noqa: S608 (ours)
        while rows := self._base.execute(select, (part,)).fetchall():
            for row in rows:
                yield _request(row)

    def drop(self, part: int) -> None:
        """Forget a part."""
        with _disk():
            self._base.execute("DELETE FROM requests WHERE part = ?", (part,))
            self._base.commit()


def _request(row: tuple[str, str, str, int]) -> Request:
    custom_id, body, url, line = row
    return Request(custom_id, json.loads(body), url, line)


@contextmanager
def _disk() -> Iterator[None]:
    """Report what is wrong with the disk as everything else does that writes there."""
    try:
        yield
    except sqlite3.Error as exception:
        message = f"the requests that are on their way cannot be kept on disk: {exception}"
        raise OSError(message) from exception
