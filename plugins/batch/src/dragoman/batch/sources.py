"""Requests for the desk, out of a file or out of a program; what is bad or was answered before is sorted out."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dragoman.batch.lines import read_line, read_request
from dragoman.batch.records import BadLine, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.batch.index import Index
    from dragoman.batch.inputs import Background
    from dragoman.batch.summary import Summary

#: Requests of a program's that are taken at once.
_AT_ONCE = 64


class Sorter:
    """Keeps apart what is to be asked, what was done before, and what cannot be asked, which `bad` is told of."""

    def __init__(self, index: Index, bad: Callable[[BadLine], None], summary: Summary) -> None:
        self._index = index
        self._bad = bad
        self._summary = summary
        #: Lines with something on them.
        self.lines = 0

    def sort(self, found: Request | BadLine | None) -> Request | None:
        """Return the request, if it is to be asked."""
        if found is None:
            return None
        self.lines += 1
        if isinstance(found, BadLine):
            self._sort_bad(found)
            return None
        seen = self._index.see(found.custom_id, found.line)
        if seen == "new":
            return found
        if seen == "done":
            self._summary.skipped += 1
            return None
        reason = f"has the custom_id of line {seen}"
        self._sort_bad(BadLine(found.line, "duplicate_custom_id", reason, found.custom_id))
        return None

    def _sort_bad(self, bad: BadLine) -> None:
        """Tell of a bad line that no earlier run has told of."""
        if self._index.see(id_of_bad(bad.line), bad.line) == "new":
            self._bad(bad)


def id_of_bad(line: int) -> str:
    """Name a bad line among the ids, of which none begins so."""
    return f"\0{line}"


class FileSource:
    """The lines of a stream. `model` is for bodies without one."""

    def __init__(self, reader: Background, sorter: Sorter, model: str) -> None:
        self._reader = reader
        self._sorter = sorter
        self._model = model
        #: The last line that was read.
        self.line = 0

    async def more(self) -> list[Request] | None:
        """See `Source`."""
        lines = await self._reader.read()
        if not lines:
            return None
        found = []
        for number, text in lines:
            request = self._sorter.sort(read_line(text, number, self._model))
            self.line = number
            if request is not None:
                found.append(request)
        return found


class ProgramSource:
    """What a program gives: `Request`s, or objects as a line of a file has them."""

    def __init__(self, requests: Iterable[Any] | AsyncIterable[Any], sorter: Sorter, model: str) -> None:
        if isinstance(requests, AsyncIterable):
            self._later: AsyncIterator[Any] | None = aiter(requests)
            self._now: Iterator[Any] = iter(())
        else:
            self._later, self._now = None, iter(requests)
        self._sorter = sorter
        self._model = model
        self.line = 0

    async def more(self) -> list[Request] | None:
        """See `Source`. One that comes from an asynchronous iterator is waited for alone."""
        found, ended = list[Request](), object()
        for _ in range(1 if self._later is not None else _AT_ONCE):
            item = next(self._now, ended) if self._later is None else await anext(self._later, ended)
            if item is ended:
                return found or None
            self.line += 1
            request = self._sorter.sort(self._read(item))
            if request is not None:
                found.append(request)
        return found

    def _read(self, item: Any) -> Request | BadLine:
        if isinstance(item, Request):
            fields = {"custom_id": item.custom_id, "url": item.url, "body": item.body}
            return read_request(fields, self.line, self._model, item.size)
        return read_request(dict(item) if isinstance(item, Mapping) else item, self.line, self._model)
