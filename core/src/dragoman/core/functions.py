"""Senders that ask a Python function instead of the network: for in-process engines and for tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any

from dragoman.core.codec import encode_lenient
from dragoman.core.provider import AsyncReply, Call, Json, Reply, Wire

if TYPE_CHECKING:
    from dragoman.core.provider import AsyncSender, Sender

#: Asked with the call and the wire; returns the vendor's answer, or its stream event by event.
Function = Callable[[Call, Wire], Json | Iterable[Json]]
AsyncFunction = Callable[[Call, Wire], Awaitable[Json] | AsyncIterable[Json]]

_WHOLE = {"content-type": "application/json"}
_PIECES = {"content-type": "text/event-stream"}


def function_sender(function: Function) -> Sender:
    """Send to a function. It returns the vendor's answer, or an iterable of the vendor's stream events.

    It is asked with the call and the wire: `wire.body` is the vendor's JSON, and `call.stream` says whether a
    stream is wanted (a whole answer is then cut into chunks). It may raise `VendorError` with an HTTP status.
    A generator is closed when the caller closes the stream.
    """
    return _FunctionSender(function)


def async_function_sender(function: AsyncFunction) -> AsyncSender:
    """Send to a coroutine function, or to an asynchronous generator function; see `function_sender`."""
    return _AsyncFunctionSender(function)


class _FunctionSender:
    def __init__(self, function: Function) -> None:
        self.function = function

    def send(self, call: Call, wire: Wire) -> Reply:
        answer = self.function(call, wire)
        if isinstance(answer, dict):
            return Reply(200, _WHOLE, encode_lenient(answer))
        pieces = _lines(answer)
        return Reply(200, _PIECES, pieces=pieces, close=pieces.close)

    def close(self) -> None:
        """A function holds nothing."""


class _AsyncFunctionSender:
    def __init__(self, function: AsyncFunction) -> None:
        self.function = function

    async def send(self, call: Call, wire: Wire) -> AsyncReply:
        answer = self.function(call, wire)
        if not isinstance(answer, AsyncIterable):
            return AsyncReply(200, _WHOLE, encode_lenient(await answer))
        pieces = _alines(answer)
        return AsyncReply(200, _PIECES, pieces=pieces, close=pieces.aclose)

    async def close(self) -> None:
        """A function holds nothing."""


def _line(event: Json) -> bytes:
    return b"data: " + encode_lenient(event) + b"\n\n"


def _lines(events: Iterable[Json]) -> Generator[bytes, None, None]:
    try:
        for event in events:
            yield _line(event)
    finally:
        _method(events, "close")()


async def _alines(events: AsyncIterable[Json]) -> AsyncGenerator[bytes, None]:
    try:
        async for event in events:
            yield _line(event)
    finally:
        await _method(events, "aclose", _nothing)()


async def _nothing() -> None:
    """Stand in for the `aclose` of what has none."""


def _method(events: Any, name: str, default: Any = lambda: None) -> Any:
    return getattr(events, name, default)
