"""Drives an exchange over a sender: the only place where sync and async differ, once per colour."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from dragoman.core.kinds import async_sender_of, sender_of
from dragoman.core.provider import AsyncReply, AsyncSender, Json, Provider, Reply, Sender, SenderKind, StreamCutError

if TYPE_CHECKING:
    from dragoman.core.exchange import Exchange
    from dragoman.core.tapes import Recorder, Replayer

_T = TypeVar("_T")
_S = TypeVar("_S")
#: Turns one piece of a body, and at its end None, into what the caller wants to see.
Step = Callable[[bytes | None], Iterable[_T]]


class _Pool(Generic[_S]):
    """One sender per provider instance, made when first used."""

    def __init__(self, make: Callable[[Provider], _S]) -> None:
        self._make = make
        self._senders: dict[int, tuple[Provider, _S]] = {}
        self._lock = threading.Lock()

    def get(self, provider: Provider) -> _S:
        """Return the provider's sender."""
        entry = self._senders.get(id(provider))
        if entry is None:
            with self._lock:
                entry = self._senders.get(id(provider)) or (provider, self._make(provider))
                self._senders[id(provider)] = entry
        return entry[1]

    def take_all(self) -> list[_S]:
        """Empty the pool, for closing; a provider used again gets a new sender."""
        with self._lock:
            senders = [sender for _, sender in self._senders.values()]
            self._senders.clear()
        return senders


class Pieces(Generic[_T]):
    """What comes of a streamed call, one by one; closing it closes the provider's connection."""

    def __init__(self, items: Generator[_T, None, None], hang_up: Callable[[], object]) -> None:
        self._items = items
        self._hang_up = hang_up

    def __iter__(self) -> Iterator[_T]:
        return self._items

    def close(self) -> None:
        """End the call; may be called more than once, and while another thread waits for the next piece."""
        try:
            self._items.close()
        except ValueError:
            # The generator runs in that thread: it ends there, with the connection. What a function makes
            # has none, and ends with its next piece.
            with suppress(ValueError):
                self._hang_up()


class AsyncPieces(Generic[_T]):
    """`Pieces` for the asynchronous side."""

    def __init__(self, items: AsyncGenerator[_T, None], reply: AsyncReply | None) -> None:
        self._items = items
        self._reply = reply

    def __aiter__(self) -> AsyncIterator[_T]:
        return self._items

    async def close(self) -> None:
        """End the call; may be called more than once, and while another task waits for the next piece."""
        try:
            await self._items.aclose()
        except RuntimeError:
            with suppress(RuntimeError):
                await _aclose(self._reply)


class Driver:
    """The synchronous side. `tapes` record what senders do, or stand for them; `kind` says who sends by default."""

    def __init__(self, tapes: Recorder | Replayer | None = None, kind: SenderKind = "sdk") -> None:
        make = sender_of if tapes is None else tapes.sender
        self._pool: _Pool[Sender] = _Pool(lambda provider: make(provider, kind))

    def close(self) -> None:
        """Close all connections."""
        for sender in self._pool.take_all():
            sender.close()

    def _send(self, exchange: Exchange) -> Reply | None:
        if exchange.wait:
            time.sleep(exchange.wait)
        wire = exchange.open()
        return self._pool.get(exchange.provider).send(exchange.call, wire) if wire is not None else None

    def fetch(self, exchange: Exchange) -> Json:
        """Run an exchange that is answered whole."""
        while True:
            try:
                return exchange.answer(self._send(exchange))
            except BaseException as exception:  # noqa: BLE001 (raised again, as what it means)
                failure = exchange.failed(exception)
                if not exchange.fall_back(failure):
                    raise failure from failure.__cause__

    def stream(self, exchange: Exchange, step: Step[_T]) -> Pieces[_T]:
        """Open an exchange that is answered piece by piece; failing to open raises here, not at the first item.

        `step` is the exchange's own. Where other providers may step in, the first words are awaited here too.
        """
        while True:
            reply = None
            try:
                reply = self._send(exchange)
                exchange.begin(reply)
                items = _items(exchange, reply, step)
                # The None that opens the generator.
                next(items)
                if exchange.following is not None:
                    items = _resumed(_first_words(exchange, items), items)
                    next(items)
            except BaseException as exception:  # noqa: BLE001 (as above)
                if reply is not None:
                    reply.close()
                failure = exchange.failed(exception)
                if not exchange.fall_back(failure):
                    raise failure from failure.__cause__
            else:
                return Pieces(items, reply.close if reply is not None else items.close)


def _first_words(exchange: Exchange, items: Generator[_T, None, None]) -> list[_T]:
    """Take what comes before the answer's first words, and these."""
    taken = []
    for item in items:
        taken.append(item)
        if exchange.spoken:
            break
    return taken


def _resumed(taken: list[_T], items: Generator[_T, None, None]) -> Generator[Any, None, None]:
    """Give what was taken, and then the rest."""
    try:
        yield None
        yield from taken
        yield from items
    finally:
        items.close()


def _items(exchange: Exchange, reply: Reply | None, step: Step[_T]) -> Generator[Any, None, None]:
    try:
        # A generator that never started runs no `finally`: `stream` takes this one.
        yield None
        for piece in _pieces(reply):
            found = step(piece)
            # Its parts wait to be taken, for as long as the caller likes.
            del piece
            yield from found
            if exchange.done:
                break
        yield from step(None)
        exchange.completed()
    except GeneratorExit:
        exchange.abandoned()
        raise
    except BaseException as exception:  # noqa: BLE001 (as above)
        failure = exchange.failed(_broken(exception))
        raise failure from failure.__cause__
    finally:
        if reply is not None:
            reply.close()


class AsyncDriver:
    """`Driver` for the asynchronous side."""

    def __init__(self, tapes: Recorder | Replayer | None = None, kind: SenderKind = "sdk") -> None:
        make = async_sender_of if tapes is None else tapes.async_sender
        self._pool: _Pool[AsyncSender] = _Pool(lambda provider: make(provider, kind))

    async def close(self) -> None:
        """Close all connections."""
        for sender in self._pool.take_all():
            await sender.close()

    async def _send(self, exchange: Exchange) -> AsyncReply | None:
        if exchange.wait:
            await asyncio.sleep(exchange.wait)
        wire = exchange.open()
        return await self._pool.get(exchange.provider).send(exchange.call, wire) if wire is not None else None

    async def fetch(self, exchange: Exchange) -> Json:
        """Run an exchange that is answered whole."""
        while True:
            try:
                return exchange.answer(await self._send(exchange))
            except BaseException as exception:  # noqa: BLE001 (raised again, as what it means)
                failure = exchange.failed(exception)
                if not exchange.fall_back(failure):
                    raise failure from failure.__cause__

    async def stream(self, exchange: Exchange, step: Step[_T]) -> AsyncPieces[_T]:
        """Open an exchange that is answered piece by piece; see `Driver.stream`."""
        while True:
            reply = None
            try:
                reply = await self._send(exchange)
                exchange.begin(reply)
                items = _aitems(exchange, reply, step)
                await anext(items)
                if exchange.following is not None:
                    items = _aresumed(await _afirst_words(exchange, items), items)
                    await anext(items)
            except BaseException as exception:  # noqa: BLE001 (as above)
                await _aclose(reply)
                failure = exchange.failed(exception)
                if not exchange.fall_back(failure):
                    raise failure from failure.__cause__
            else:
                return AsyncPieces(items, reply)


async def _afirst_words(exchange: Exchange, items: AsyncGenerator[_T, None]) -> list[_T]:
    taken = []
    async for item in items:
        taken.append(item)
        if exchange.spoken:
            break
    return taken


async def _aresumed(taken: list[_T], items: AsyncGenerator[_T, None]) -> AsyncGenerator[Any, None]:
    try:
        yield None
        for item in taken:
            yield item
        async for item in items:
            yield item
    finally:
        await items.aclose()


async def _aitems(exchange: Exchange, reply: AsyncReply | None, step: Step[_T]) -> AsyncGenerator[Any, None]:
    given: dict[str, _T] = {}
    try:
        yield None
        async for piece in _apieces(reply):
            found = step(piece)
            del piece
            # A variable would keep each item until the next one is wanted.
            for given["last"] in found:
                yield given.pop("last")
            if exchange.done:
                break
        for given["last"] in step(None):
            yield given.pop("last")
        exchange.completed()
    except GeneratorExit:
        exchange.abandoned()
        raise
    except BaseException as exception:  # noqa: BLE001 (as above)
        failure = exchange.failed(_broken(exception))
        raise failure from failure.__cause__
    finally:
        await _aclose(reply)


def _pieces(reply: Reply | None) -> Iterable[bytes]:
    """A body in pieces, or whole as one piece: a sender may not be able to stream."""
    if reply is None:
        return ()
    return (reply.content,) if reply.pieces is None else reply.pieces


def _apieces(reply: AsyncReply | None) -> AsyncIterator[bytes]:
    return reply.pieces if reply is not None and reply.pieces is not None else _awhole(reply)


async def _awhole(reply: AsyncReply | None) -> AsyncIterator[bytes]:
    if reply is not None:
        yield reply.content


async def _aclose(reply: AsyncReply | None) -> None:
    close: Callable[[], Awaitable[Any]] | None = reply.close if reply is not None else None
    if close is not None:
        await close()


def _broken(exception: BaseException) -> BaseException:
    """Say of a connection that broke inside a stream that the answer is cut."""
    names = {cls.__name__ for cls in type(exception).__mro__}
    if "RequestError" not in names or "TimeoutException" in names:
        return exception
    cut = StreamCutError("the connection broke before the end of the answer")
    cut.__cause__ = exception
    return cut
