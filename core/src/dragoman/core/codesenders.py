"""Senders that ask Python code which returns answers as people write them; see `modelclients`."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import functools
import inspect
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dragoman.core import errors
from dragoman.core.functions import async_function_sender, function_sender
from dragoman.core.provider import Call, Json, StreamCutError, VendorError, Wire
from dragoman.core.values import Chunker, joined, whole

if TYPE_CHECKING:
    from dragoman.core.provider import AsyncReply, AsyncSender, Sender

Function = Callable[[Json], Any]

#: What means the same whoever raises it: a report of a failure, the system's own, a package that is not there.
_SPEAKS_FOR_ITSELF = (VendorError, StreamCutError, OSError, ImportError)
_END = object()


def code_sender(name: str, function: Function) -> Sender:
    """Ask in the caller's thread; what is asynchronous runs on a loop in another one."""
    return function_sender(functools.partial(_answer, name, function))


def async_code_sender(name: str, function: Function) -> AsyncSender:
    """Ask on the caller's loop; what is not asynchronous runs in another thread."""
    return _AsyncSender(name, function)


@contextmanager
def _blamed(name: str) -> Iterator[None]:
    """What the code raises becomes the provider's failure; its text may quote anything, and stays in the cause."""
    try:
        yield
    except Exception as cause:
        if errors.is_told(cause) or isinstance(cause, _SPEAKS_FOR_ITSELF):
            raise
        message = f"the code of {name} raised {type(cause).__name__}"
        error = {"message": message, "type": "server_error", "param": None, "code": None}
        raise VendorError(error, 500) from cause


def _copied(call: Call, wire: Wire) -> Json:
    return copy.deepcopy(wire.body if wire.body is not None else call.request)


def _gives_items(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | dict) and not hasattr(value, "model_dump")


# The synchronous side.


def _answer(name: str, function: Function, call: Call, wire: Wire) -> Json | Iterable[Json]:
    with _blamed(name):
        value = function(_copied(call, wire))
        if not isinstance(value, Awaitable | AsyncIterable):
            items = iter(value) if _gives_items(value) else None
            return whole(call, value) if items is None else _as_wanted(call, _chunks(name, call, items))
    loop = _Loop()
    try:
        with _blamed(name):
            value = loop.run(_awaited(value))
            if not isinstance(value, AsyncIterable) and not _gives_items(value):
                answer: Json | Iterable[Json] = whole(call, value)
                loop.close()
                return answer
        items = loop.items(value) if isinstance(value, AsyncIterable) else iter(value)
        return _as_wanted(call, _chunks(name, call, items, loop))
    except BaseException:
        loop.close()
        raise


def _as_wanted(call: Call, chunks: Generator[Json, None, None]) -> Json | Iterable[Json]:
    return chunks if call.stream else joined(chunks)


def _chunks(name: str, call: Call, items: Iterator[Any], loop: _Loop | None = None) -> Generator[Json, None, None]:
    chunker = Chunker(call)
    try:
        with _blamed(name):
            for item in items:
                yield from chunker.take(item)
        yield from chunker.end()
    finally:
        getattr(items, "close", lambda: None)()
        if loop is not None:
            loop.close()


class _Loop:
    """An event loop in a thread of its own: the caller's thread may be running one."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "dragoman-loop")
        self._runner = asyncio.Runner()
        self._context = contextvars.copy_context()
        self._open = True

    def run(self, coroutine: Any) -> Any:
        """Wait for a coroutine."""
        return self._thread.submit(self._runner.run, coroutine, context=self._context).result()

    def items(self, items: AsyncIterable[Any]) -> Generator[Any, None, None]:
        """Give what an asynchronous iterator gives."""
        iterator = aiter(items)
        try:
            while (item := self.run(_next(iterator))) is not _END:
                yield item
        finally:
            if hasattr(iterator, "aclose"):
                self.run(iterator.aclose())

    def close(self) -> None:
        """End the loop and the thread; may be called more than once."""
        if self._open:
            self._open = False
            self._thread.submit(self._runner.close).result()
            self._thread.shutdown()


async def _next(iterator: Any) -> Any:
    return await anext(iterator, _END)


async def _awaited(value: Any) -> Any:
    return await value if isinstance(value, Awaitable) else value


# The asynchronous side.


class _AsyncSender:
    def __init__(self, name: str, function: Function) -> None:
        self.name = name
        self.function = function

    async def send(self, call: Call, wire: Wire) -> AsyncReply:
        answer: Any = await self._answer(call, wire)
        return await async_function_sender(lambda *_: answer).send(call, wire)

    async def _answer(self, call: Call, wire: Wire) -> Any:
        with _blamed(self.name):
            if inspect.iscoroutinefunction(self.function) or inspect.isasyncgenfunction(self.function):
                value = self.function(_copied(call, wire))
            else:
                value = await asyncio.to_thread(self.function, _copied(call, wire))
            value = await _awaited(value)
            if not isinstance(value, AsyncIterable) and not _gives_items(value):
                return _awaited(whole(call, value))
        chunks = _achunks(self.name, call, value if isinstance(value, AsyncIterable) else _threaded(iter(value)))
        if call.stream:
            return chunks
        return _awaited(joined([chunk async for chunk in chunks]))

    async def close(self) -> None:
        """A function holds nothing."""


async def _achunks(name: str, call: Call, items: AsyncIterable[Any]) -> AsyncGenerator[Json, None]:
    chunker = Chunker(call)
    iterator: Any = aiter(items)
    try:
        with _blamed(name):
            async for item in iterator:
                for chunk in chunker.take(item):
                    yield chunk
        for chunk in chunker.end():
            yield chunk
    finally:
        if hasattr(iterator, "aclose"):
            await iterator.aclose()


async def _threaded(items: Iterator[Any]) -> AsyncGenerator[Any, None]:
    try:
        while (item := await asyncio.to_thread(next, items, _END)) is not _END:
            yield item
    finally:
        getattr(items, "close", lambda: None)()
