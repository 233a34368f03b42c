"""Senders that hand a wire to the engine in this process and give back what its HTTP server would say."""

from __future__ import annotations

import asyncio
import atexit
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dragoman.core import AsyncReply, Reply
from dragoman.llamacpp.engine import engines
from dragoman.llamacpp.generation import Generation, stop_all
from dragoman.llamacpp.source import DEMO, EngineError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from dragoman.core import Call, Json, Wire
    from dragoman.llamacpp.options import EngineOptions

_JSON = {"content-type": "application/json"}
_SSE = {"content-type": "text/event-stream"}
_OK = 200
_END = b"data: [DONE]\n\n"


@atexit.register
def _end() -> None:
    """The interpreter's end must not find engines at work; first their calls, then they."""
    stop_all()
    engines.close()


class _EngineSender:
    """What both colours share: what to run, and how the reply is framed."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options

    def start(self, call: Call, wire: Wire, wake: Callable[[], object] | None = None) -> Generation:
        """Begin to answer in a thread; loading the model, if it must be, happens there too."""
        body = wire.content if wire.content is not None else json.dumps(wire.body or {}).encode()

        def work(deliver: Callable[[bytes], bool]) -> None:
            if wire.method == "GET":
                deliver(json.dumps(_models(wire.path)).encode())
            else:
                engines.get(call.model, self._options, self).answer(wire.path, body, deliver)

        return Generation(work, wake)

    def release(self) -> None:
        """Let go of the engines that this sender has used."""
        engines.release(self)


class EngineSender(_EngineSender):
    """The synchronous side."""

    def send(self, call: Call, wire: Wire) -> Reply:
        """Return once the first token is there, or the whole answer; raises TimeoutError by `call.timeout`."""
        generation = self.start(call, wire)
        timeout = _seconds(call)
        try:
            items, ended = generation.wait(timeout)
        except BaseException:
            generation.close()
            raise
        status = generation.status
        if status != _OK or not call.stream:
            return Reply(status, _JSON, items[0] if items else b"{}")
        pieces = _pieces(generation, items, timeout, ended=ended)
        return Reply(status, _SSE, pieces=pieces, close=generation.close)

    def close(self) -> None:
        """Close the engines that nobody else uses."""
        self.release()


def _pieces(generation: Generation, items: list[bytes], timeout: float | None, *, ended: bool) -> Iterator[bytes]:
    try:
        yield _framed(items)
        while not ended:
            items, ended = generation.wait(timeout)
            if items:
                yield _framed(items)
        yield _END
    finally:
        generation.close()


class AsyncEngineSender(_EngineSender):
    """The asynchronous side; the event loop is never blocked by a token, and a cancelled call stops the engine."""

    async def send(self, call: Call, wire: Wire) -> AsyncReply:
        """`EngineSender.send` for the event loop that runs."""
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        generation = self.start(call, wire, lambda: _call_soon(loop, ready.set))
        reader = _Reader(generation, ready, _seconds(call))
        try:
            items, ended = await reader.wait()
        except BaseException:
            generation.close()
            raise
        status = generation.status
        if status != _OK or not call.stream:
            return AsyncReply(status, _JSON, items[0] if items else b"{}")
        return AsyncReply(status, _SSE, pieces=reader.pieces(items, ended=ended), close=reader.close)

    async def close(self) -> None:
        """Close the engines that nobody else uses."""
        await asyncio.to_thread(self.release)


class _Reader:
    """Takes a generation's pieces when its thread says that there are some."""

    def __init__(self, generation: Generation, ready: asyncio.Event, timeout: float | None) -> None:
        self._generation = generation
        self._ready = ready
        self._timeout = timeout

    async def wait(self) -> tuple[list[bytes], bool]:
        async with asyncio.timeout(self._timeout):
            while True:
                self._ready.clear()
                items, ended = self._generation.take()
                if items or ended:
                    return items, ended
                await self._ready.wait()

    async def pieces(self, items: list[bytes], *, ended: bool) -> AsyncIterator[bytes]:
        try:
            yield _framed(items)
            while not ended:
                items, ended = await self.wait()
                if items:
                    yield _framed(items)
            yield _END
        finally:
            self._generation.close()

    async def close(self) -> None:
        self._generation.close()


def _call_soon(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
    try:
        loop.call_soon_threadsafe(function)
    except RuntimeError:
        # The loop was closed with the stream still open; nobody is left to read.
        return


def _framed(items: list[bytes]) -> bytes:
    return b"".join(b"data: " + item + b"\n\n" for item in items)


def _seconds(call: Call) -> float | None:
    """How long to wait for the next piece: HTTP's read time-out, where phases are told apart."""
    return call.timeout.get("read") if isinstance(call.timeout, Mapping) else call.timeout


def _models(path: str) -> Json:
    names = [DEMO, *(name for name in engines.loaded() if name != DEMO)]
    models: list[Json] = [{"id": name, "object": "model", "created": 0, "owned_by": "llamacpp"} for name in names]
    if path == "/models":
        return {"object": "list", "data": models}
    wanted = path.removeprefix("/models/")
    found: Any = next((model for model in models if model["id"] == wanted), None)
    if found is None:
        message = f"{wanted!r} is not loaded; a model is loaded by its first call."
        raise EngineError(404, message, code="model_not_found")
    return dict(found)
