"""Splits requests into parts: files of what one batch may hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from dragoman.batch.parts import Part
from dragoman.batch.records import Result
from dragoman.core import DragomanError, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from dragoman.batch.parts import State
    from dragoman.batch.records import Request
    from dragoman.batch.spool import Spool
    from dragoman.batch.translating import Encoded, Translator

#: How many parts may be written at the same time; one more, and the oldest is closed.
_OPEN = 64


@dataclass(slots=True)
class _Writing:
    """A part that is being written."""

    part: Part
    file: IO[bytes]
    size: int = 0


class Splitter:
    """Writes requests into the files of parts, and adds each part that is full to the state.

    What cannot go into any is told to `tell` as the result that it is.
    """

    def __init__(self, state: State, spool: Spool, translator: Translator, tell: Callable[[Result], None]) -> None:
        self._state, self._spool, self._translator, self._tell = state, spool, translator, tell
        self._writing: dict[Hashable, _Writing] = {}
        self._resumes = bool(state.parts)
        self._number = max((part.number for part in state.parts), default=0)

    def add(self, request: Request) -> None:
        """Put a request into the part that it belongs to.

        Raises `DragomanError` where the first one's provider has no batch API, and `OSError`.
        """
        if self._resumes and self._spool.claim(request.custom_id):
            return
        try:
            encoded = self._translator.encode(request)
        except DragomanError as exception:
            if not (self._state.parts or self._writing):
                raise
            encoded = self._translator.failed(request, exception)
        if isinstance(encoded, Result):
            self._tell(encoded)
            return
        self._write(request, encoded)

    def finish(self) -> None:
        """Close the parts that are being written: there are no more requests."""
        for kind in [*self._writing]:
            self._close(kind)

    def give_up(self) -> None:
        """Leave the parts that are being written: their requests come again with the next run."""
        for writing in self._writing.values():
            writing.file.close()
            self._state.file(writing.part.number).unlink()
        self._writing.clear()

    def _write(self, request: Request, encoded: Encoded) -> None:
        port, kind = encoded.port, encoded.kind
        fits = port.custom_id.fullmatch(request.custom_id)
        vendor_id = request.custom_id if fits else f"dragoman-line-{request.line}"
        line = port.line(vendor_id, encoded.wire)
        if len(line) > port.max_bytes:
            message = (
                f"the request has {len(line)} bytes, and a batch of {encoded.call.provider} takes {port.max_bytes}"
            )
            self._tell(self._translator.failed(request, InvalidRequest(message)))
            return
        writing = self._writing.get(kind)
        if writing and (writing.part.requests >= port.max_requests or writing.size + len(line) >= port.max_bytes):
            self._close(kind)
            writing = None
        writing = writing or self._begin(request, encoded)
        part = writing.part
        if not self._spool.add(part.number, vendor_id, request):
            # An id of ours that is somebody's own.
            self._close(kind)
            writing = self._begin(request, encoded)
            part = writing.part
            self._spool.add(part.number, vendor_id, request)
        if part.requests:
            writing.file.write(b"\n")
        writing.file.write(line)
        writing.size += len(line) + 1
        part.requests += 1
        part.last = request.line

    def _begin(self, request: Request, encoded: Encoded) -> _Writing:
        if len(self._writing) >= _OPEN:
            self._close(next(iter(self._writing)))
        self._number += 1
        call, endpoint = encoded.call, encoded.port.endpoint(encoded.wire)
        part = Part(self._number, call.provider, call.model, endpoint, request.line)
        writing = _Writing(part, self._state.file(part.number).open("wb"))
        self._writing[encoded.kind] = writing
        return writing

    def _close(self, kind: Hashable) -> None:
        writing = self._writing.pop(kind)
        writing.file.close()
        self._spool.commit()
        self._state.parts.append(writing.part)
        self._state.save()
