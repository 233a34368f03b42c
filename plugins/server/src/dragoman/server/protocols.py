"""uvicorn's HTTP protocols, with bounds where they have none: a head, a refused body, a client that stops reading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

#: Bytes of a request's line and headers, and seconds in which they must have come.
HEAD_BYTES, HEAD_SECONDS = 65536, 30.0
#: Bytes of a body that are still read when its request was answered, and seconds in which they must have come: most
#: clients read an answer only when they have sent everything, and lose it if the connection ends before.
REST_BYTES, REST_SECONDS = 64 * 1024 * 1024, 30.0


class _Bounded:
    """Mixed into a protocol. A client that takes nothing for `config.stall` seconds is left."""

    if TYPE_CHECKING:
        config: Any
        cycle: Any
        transport: Any
        loop: asyncio.AbstractEventLoop
        timeout_keep_alive: int
        timeout_keep_alive_task: asyncio.TimerHandle | None
        timeout_keep_alive_handler: Any

        @property
        def in_body(self) -> bool:
            """Whether a head is whole, and its body is not."""

    def connection_made(self, transport: Any) -> None:
        self._head_bytes = self._rest_bytes = 0
        self._stalled: asyncio.TimerHandle | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._head: asyncio.TimerHandle | None = self.loop.call_later(HEAD_SECONDS, self._too_slow)
        super().connection_made(transport)  # type: ignore[misc]  # the protocol's

    def data_received(self, data: bytes) -> None:
        before, in_body = self.cycle, self.in_body
        super().data_received(data)  # type: ignore[misc]  # as above
        if self.transport.is_closing():
            return
        if self.in_body:
            self._end_head()
            if self.cycle.response_complete:
                self._drop(len(data))
        elif in_body or self.cycle is not before:
            # What follows the end of a body in one packet is counted from the next one on.
            self._end_head()
            self._end_rest()
        else:
            self._count_head(len(data))

    def _count_head(self, size: int) -> None:
        answering = self.cycle is not None and not self.cycle.response_complete
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES:
            if answering:
                self.transport.abort()
            else:
                self._refuse(b"431 Request Header Fields Too Large")
        elif self._head is None and not answering:
            self._head = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _end_head(self) -> None:
        self._head_bytes = 0
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _drop(self, size: int) -> None:
        """Read on what nobody wants any more, within bounds."""
        self._rest_bytes += size
        if self._rest is None:
            self._rest = self.loop.call_later(REST_SECONDS, self.transport.close)
        if self._rest_bytes > REST_BYTES:
            self.transport.close()

    def _end_rest(self) -> None:
        self._rest_bytes = 0
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
            if self.cycle.response_complete and self.timeout_keep_alive_task is None:
                self.timeout_keep_alive_task = self.loop.call_later(
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )

    def pause_writing(self) -> None:
        super().pause_writing()  # type: ignore[misc]  # as above
        self._stalled = self.loop.call_later(self.config.stall, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()  # type: ignore[misc]  # as above
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head, self._rest, self._stalled):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)  # type: ignore[misc]  # as above

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self._refuse(b"408 Request Timeout")

    def _refuse(self, status: bytes) -> None:
        self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()


class BoundedH11(_Bounded, H11Protocol):
    """On h11, which is always there."""

    @property
    def in_body(self) -> bool:
        """Whether a head is whole, and its body is not."""
        return self._their_state == "SEND_BODY"

    def handle_events(self) -> None:
        """Read on behind a request that is being answered, as httptools does: else its client could leave unseen.

        What comes is counted as a head, and bounded so.
        """
        super().handle_events()
        if self._their_state == "DONE" and not self.transport.is_closing():
            self.flow.resume_reading()

    @property
    def _their_state(self) -> str:
        # h11 is uvicorn's dependency, and not this package's own.
        return repr(self.conn.their_state)


BoundedProtocol: type[asyncio.Protocol] = BoundedH11

try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
except ImportError:
    pass
else:

    class BoundedHttpTools(_Bounded, HttpToolsProtocol):
        """On httptools, where it is installed."""

        in_body = False

        def on_headers_complete(self) -> None:
            """A body follows, even if it is empty."""
            self.in_body = True
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            """What follows is another head."""
            self.in_body = False
            super().on_message_complete()

    BoundedProtocol = BoundedHttpTools


class _BoundedHeads:
    """Around an application: a head may come in one packet, which no protocol counts before it has read it."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] == "http" and _size_of_head(scope) > HEAD_BYTES:
            headers = [(b"content-length", b"0"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": 431, "headers": headers})
            await send({"type": "http.response.body"})
        else:
            await self._app(scope, receive, send)


def _size_of_head(scope: Any) -> int:
    fields = sum(len(name) + len(value) + 4 for name, value in scope["headers"])
    return fields + len(scope["raw_path"]) + len(scope["query_string"])


class BoundedConfig(uvicorn.Config):
    """uvicorn's settings, for `BoundedProtocol`."""

    def __init__(self, app: Any, *, stall: float, **options: Any) -> None:
        super().__init__(app, http=BoundedProtocol, **options)
        self.stall = stall

    def load(self) -> None:
        """Load the application."""
        super().load()
        self.loaded_app = _BoundedHeads(self.loaded_app)
