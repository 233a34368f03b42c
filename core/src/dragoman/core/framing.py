"""A vendor's bytes -> events: server-sent events and newline-delimited JSON, without I/O.

Bytes may be cut anywhere, also inside a line end or a character. What `feed` gets back is a list, so that
a piece that holds many events costs one call.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from dragoman.core.provider import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

#: No vendor sends an event near this size; a server that never ends one must not fill the memory.
MAX_BYTES = 64 * 1024 * 1024

#: An event without data, at which readers of JSON stumble.
_SILENT = re.compile(rb"data: ?[\r\n]+")
_BOM = b"\xef\xbb\xbf"
#: What most events are: one line.
_DATA = b"data: "
#: Where an SSE event ends, or as much of its end as was cut off the piece before.
_EVENT_END = re.compile(rb"\A[\r\n]+|(?:\r\n){2}|\n\n|\r\r")


class FramingError(ValueError):
    """The stream goes on without the end of an event."""


class _Framing(ABC):
    """Cuts the stream into blocks at `end`; what follows the last one waits for more.

    `max_bytes` bounds what waits. Events that came before an oversized one are delivered first, and
    `FramingError` is raised by the call after.
    """

    end: ClassVar[bytes]

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self._waiting = bytearray()
        self._fresh = True

    def feed(self, piece: bytes) -> list[Event]:
        """Take the next bytes; return the events that are complete now. Raises `FramingError`."""
        if self._fresh:
            piece = self._without_bom(piece)
        waiting = self._waiting
        if waiting:
            self._check_size()
            # Only the new bytes are searched: a large event in small pieces must not cost its square.
            start = len(waiting) + 1 - len(self.end)
            waiting += piece
            if waiting.find(self.end, start) < 0:
                self._check_size()
                return []
            piece = bytes(waiting)
            waiting.clear()
        blocks = piece.split(self.end)
        waiting += blocks.pop()
        events = [event for block in blocks if (event := self._read(block)) is not None]
        if not events:
            self._check_size()
        return events

    def finish(self) -> list[Event]:
        """Take the end of the connection; return what is left. Raises `FramingError`.

        Real servers leave out the last line end, or the blank line after the last event. Such an event is
        delivered, though browsers would discard it, except where the stream ends inside a line: then it is
        delivered only if its data are a whole JSON value or `[DONE]`, so that half a line never passes for data.
        """
        self._check_size()
        rest = bytes(self._waiting)
        self._waiting.clear()
        event = self._read(rest)
        if event is None or not (rest.endswith(b"\n") or _is_whole(event.data)):
            return []
        return [event]

    @abstractmethod
    def _read(self, block: bytes) -> Event | None:
        """Read one block, without its end; None if there is nothing to deliver."""

    def _without_bom(self, piece: bytes) -> bytes:
        head = bytes(self._waiting) + piece
        self._waiting.clear()
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._waiting += head
            return b""
        self._fresh = False
        return head.removeprefix(_BOM)

    def _check_size(self) -> None:
        size = len(self._waiting)
        if size > self.max_bytes:
            msg = (
                f"the provider has sent {size} bytes without the end of an event (limit {self.max_bytes}): "
                "check that base_url is the address of an API that streams"
            )
            raise FramingError(msg)


class SSE(_Framing):
    """Server-sent events, as https://html.spec.whatwg.org/multipage/server-sent-events.html has them.

    Two differences serve a client that reads JSON: events with empty data are not delivered, and the last
    event is (see `finish`). `id` and `retry` are for clients that reconnect, and are ignored.
    """

    end = b"\n\n"

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        super().__init__(max_bytes)
        self._after_cr = False

    def feed(self, piece: bytes) -> list[Event]:
        """Take the next bytes; return the events that are complete now. Raises `FramingError`."""
        if not piece:
            return []
        if self._after_cr:
            # The CR already ended the line; waiting for a possible LF would hold back the event.
            piece = piece.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" in piece:
            self._after_cr = piece.endswith(b"\r")
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return super().feed(piece)

    def _read(self, block: bytes) -> Event | None:
        """Read one event. Comments are fields without a name."""
        if block.startswith(_DATA) and b"\n" not in block:
            return Event(block[len(_DATA) :]) if len(block) > len(_DATA) else None
        name = b""
        data = []
        for line in block.split(b"\n"):
            field, _, value = line.partition(b":")
            if field == b"data":
                data.append(value.removeprefix(b" "))
            elif field == b"event":
                name = value.removeprefix(b" ")
        joined = b"\n".join(data)
        return Event(joined, name.decode("utf-8", "replace")) if joined else None


class NDJSON(_Framing):
    """Newline-delimited JSON: one event per line that is not blank."""

    end = b"\n"

    def _read(self, block: bytes) -> Event | None:
        """Read one line; the CR of a CRLF is white space to JSON."""
        line = block.strip()
        return Event(line) if line else None


def frames(kind: Literal["sse", "ndjson"]) -> SSE | NDJSON:
    """Make the framing that `Provider.framing` names, for one stream."""
    return NDJSON() if kind == "ndjson" else SSE()


def _is_whole(data: bytes) -> bool:
    import json

    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return data == b"[DONE]"
    return True


def event_parts(piece: bytes) -> Iterator[bytes]:
    """Cut a piece after each event, so that each part ends at most one."""
    start = 0
    if b"\r" in piece or piece.startswith(b"\n"):
        for end in _EVENT_END.finditer(piece):
            yield piece[start : end.end()]
            start = end.end()
    else:
        # What nearly all servers send, many times faster.
        while (found := piece.find(b"\n\n", start) + 2) > 1:
            yield piece[start:found]
            start = found
    if start < len(piece):
        yield piece[start:]


_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")


class WholeEvents:
    """A stream's bytes on their way to somebody else, without the events that are `hidden`, or silent.

    `wait`: an event's bytes are held back until it is whole; only then is it known whether it is to be hidden. And
    what follows half an event, if the stream breaks there, could not be read.
    """

    def __init__(self, *, wait: bool) -> None:
        self.hidden = False
        self.wait = wait
        self._held = bytearray()

    def take(self, part: bytes) -> bytes:
        """Take what ends at most one event (see `event_parts`); return what may go on now."""
        if self.wait and (self._held or not part.endswith(_ENDS)):
            self._held += part
            if not self._held.endswith(_ENDS):
                return b""
            part = bytes(self._held)
            self._held.clear()
        hidden, self.hidden = self.hidden, False
        return b"" if hidden or _SILENT.fullmatch(part) else part

    def rest(self) -> bytes:
        """Return what was held back, where the stream ended as it should."""
        return b"" if self.hidden else bytes(self._held)
