"""A take: what went over the wire in one exchange, gathered while it goes on."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dragoman.core.codec import encode_lenient
from dragoman.core.errors import translate
from dragoman.core.provider import AsyncReply, Reply, VendorError
from dragoman.core.tapes.tape import CLOSED, VERSION, VERSION_KEY, write_content, write_pieces
from dragoman.core.tapes.wires import form_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.provider import Call, Json, Wire
    from dragoman.core.tapes.scrubbing import Scrub


def now() -> str:
    """The time in UTC, as tapes have it; texts sort as their times do."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Take:
    """One tape in the making; `keep` gets it when the exchange has ended."""

    def __init__(self, scrub: Scrub, keep: Callable[[Json], None], provider: str, call: Call, wire: Wire) -> None:
        self._scrub = scrub
        self._keep = keep
        self._provider = provider
        self._query = dict(call.extra_query)
        # Where the vendor sends neither, the answer has these, and the next request may have them too.
        self._own = {"id": call.id, "created": call.created}
        self._started = time.monotonic()
        self._recorded = now()
        # The caller may go on to change what it asked with.
        self._method, self._path = wire.method, wire.path
        self._headers = {**wire.headers, **call.extra_headers}
        self._content = wire.content if wire.content is not None else encode_lenient(wire.body) if wire.body else b""
        self._reply: Reply | AsyncReply | None = None
        self._ms = 0
        self._pieces: list[tuple[int, bytes]] = []
        self._lock = threading.Lock()
        self._ended = False

    def answered(self, reply: Reply | AsyncReply) -> None:
        """The answer is there, or its head."""
        self._reply, self._ms = reply, self._now()
        if reply.pieces is None:
            self.end()

    def add(self, piece: bytes) -> None:
        """A piece of the answer's body has come."""
        self._pieces.append((self._now(), piece))

    def failed(self, exception: BaseException) -> None:
        """There is no answer, or no more of it; what never went out leaves no tape."""
        failure = self._failure(exception)
        if failure is not None or self._reply is not None:
            self.end(None if failure is not None else CLOSED, failure)
        else:
            self._ended = True

    def end(self, how: str | None = None, failure: Json | None = None) -> None:
        """Write the tape, once. `how` is `CLOSED` for a stream that nobody read to its end."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
        if self._reply is None and failure is None:
            return
        self._keep(self._data(how, failure))

    def _now(self) -> int:
        return round((time.monotonic() - self._started) * 1000)

    def _data(self, how: str | None, failure: Json | None) -> Json:
        scrub = self._scrub
        response = getattr(self._reply, "response", None)
        scrub.know_fields(self._content)
        scrub.know_headers(_sent_headers(response))
        scrub.know_headers(self._reply.headers if self._reply is not None else {})
        wire = self._wire()
        said: Json = {"wire": wire}
        if self._reply is not None:
            said["reply"] = self._reply_data(self._reply, how)
        if failure is not None:
            said["failure"] = scrub.value(failure, "failure")
        head = {VERSION_KEY: VERSION, "recorded": self._recorded, "provider": self._provider, "call": self._own}
        found = {"scrubbed": scrub.found} if scrub.found else {}
        return {**head, **found, **said}

    def _wire(self) -> Json:
        scrub = self._scrub
        content, headers = form_of(self._content, self._headers)
        wire: Json = {"method": self._method, "path": scrub.text(self._path, "wire.path")}
        if self._query:
            wire["query"] = scrub.named(self._query, "wire.query")
        if headers:
            wire["headers"] = scrub.named(headers, "wire.headers")
        return {**wire, **write_content(scrub.content(content, "wire.body"))}

    def _reply_data(self, reply: Reply | AsyncReply, how: str | None) -> Json:
        scrub = self._scrub
        said: Json = {"status": reply.status, "headers": scrub.reply_headers(reply.headers), "ms": self._ms}
        if reply.pieces is None:
            return {**said, **write_content(scrub.content(reply.content, "reply.body"))}
        pieces = scrub.pieces([piece for _, piece in self._pieces], "reply.body")
        times = (ms for ms, _ in self._pieces)
        said["pieces"] = write_pieces(zip(times, pieces, strict=True))
        # Nobody reads on after this, though more might come.
        if how is not None and not b"".join(pieces[-2:]).rstrip().endswith(b"[DONE]"):
            said["end"] = how
        return said

    def _failure(self, exception: BaseException) -> Json | None:
        """Say what a sender raised, where that was the network's or the vendor's doing."""
        if isinstance(exception, VendorError):
            return {"kind": "vendor", "status": exception.status, "error": exception.error, "ms": self._now()}
        meant = translate(exception, self._provider)
        names = {cls.__name__ for cls in type(meant).__mro__}
        kind = "timeout" if "APITimeoutError" in names else "connection" if "APIConnectionError" in names else None
        return {"kind": kind, "message": str(meant), "ms": self._now()} if kind else None


def _sent_headers(response: Any) -> dict[str, str]:
    """Headers of the request as the SDK sent it: its credentials may come from anywhere."""
    try:
        return dict(response.request.headers)
    except (AttributeError, RuntimeError, TypeError, ValueError):
        return {}
