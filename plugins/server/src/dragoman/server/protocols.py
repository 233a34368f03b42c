"""uvicorn's HTTP protocols, with bounds where they have none: a request's head, and a client that stops reading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    import asyncio

#: Bytes of a request's line and headers, and seconds in which they must have come.
HEAD_BYTES, HEAD_SECONDS = 65536, 30.0


class _Bounded:
    """Mixed into a protocol. A client that takes nothing for `config.stall` seconds is left."""

    if TYPE_CHECKING:
        config: Any
        cycle: Any
        transport: Any
        loop: asyncio.AbstractEventLoop

    def connection_made(self, transport: Any) -> None:
        self._head_bytes = 0
        self._stalled: asyncio.TimerHandle | None = None
        self._head: asyncio.TimerHandle | None = self.loop.call_later(HEAD_SECONDS, self._too_slow)
        super().connection_made(transport)  # type: ignore[misc]  # the protocol's

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)  # type: ignore[misc]  # as above
        if self.cycle is not before:
            # A head is whole: what follows is a body, which the application bounds.
            self._head_bytes = 0
            if self._head is not None:
                self._head.cancel()
                self._head = None
        elif (before is None or before.response_complete) and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse(b"431 Request Header Fields Too Large")
            elif self._head is None:
                self._head = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def pause_writing(self) -> None:
        super().pause_writing()  # type: ignore[misc]  # as above
        self._stalled = self.loop.call_later(self.config.stall, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()  # type: ignore[misc]  # as above
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head, self._stalled):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)  # type: ignore[misc]  # as above

    def _too_slow(self) -> None:
        if not self.transport.is_closing():
            self._refuse(b"408 Request Timeout")

    def _refuse(self, status: bytes) -> None:
        self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()


try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as _Protocol
except ImportError:
    from uvicorn.protocols.http.h11_impl import H11Protocol as _Protocol  # type: ignore[assignment]  # either will do


class BoundedProtocol(_Bounded, _Protocol):
    """On httptools where it is installed, else on h11."""


class BoundedConfig(uvicorn.Config):
    """uvicorn's settings, for `BoundedProtocol`."""

    def __init__(self, app: Any, *, stall: float, **options: Any) -> None:
        super().__init__(app, http=BoundedProtocol, **options)
        self.stall = stall
