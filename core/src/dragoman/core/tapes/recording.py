"""Recording: senders that put what went over the wire on tape, and change nothing of it."""

from __future__ import annotations

import atexit
import hashlib
import os
import re
import threading
import warnings
import weakref
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.core.errors import TapeError
from dragoman.core.kinds import async_sender_of, sender_of
from dragoman.core.policy import DragomanWarning
from dragoman.core.tapes.scrubbing import Scrubber
from dragoman.core.tapes.take import Take, now
from dragoman.core.tapes.tape import CLOSED, asked, canonical, read_tape, save

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from dragoman.core.provider import AsyncReply, AsyncSender, Call, Json, Provider, Reply, Sender, SenderKind, Wire

_LONGEST_NAME = 40


class Recorder:
    """Puts every exchange of the clients that it is given to on a tape of its own in `folder`.

    `scrub` names headers, query parameters, fields of JSON bodies and environment variables whose values are
    secret, beside those that always are. A request that was on tape already is recorded anew: its old tapes go,
    unless they are of this session, which began at `since` (now, unless given). Raises `TapeError` for a folder
    that cannot be written to.
    """

    def __init__(self, folder: str | os.PathLike[str], *, scrub: Iterable[str] = (), since: str | None = None) -> None:
        # Programs change their folder.
        self.folder = Path(folder).absolute()
        self.since = since or now()
        self.scrubber = Scrubber(scrub)
        self._numbers: dict[str, int] = {}
        # Its own thread may enter it again: while a tape is written, Python may collect a stream, whose tape ends.
        self._lock = threading.RLock()
        self._open: weakref.WeakSet[Take] = weakref.WeakSet()
        check_writable(self.folder)
        atexit.register(self.finish)

    def __repr__(self) -> str:
        return f"<Recorder into {self.folder}>"

    def sender(self, provider: Provider, kind: SenderKind = "sdk") -> Sender:
        """Make the provider's own sender, with a recorder around it."""
        return _Sender(self, provider, sender_of(provider, kind))

    def async_sender(self, provider: Provider, kind: SenderKind = "sdk") -> AsyncSender:
        """`sender` for the asynchronous side."""
        return _AsyncSender(self, provider, async_sender_of(provider, kind))

    def begin(self, provider: Provider, call: Call, wire: Wire) -> Take:
        """Begin a tape, when the request goes out."""
        take = Take(self.scrubber.begin(provider, call, wire), self.keep, provider.name, call, wire)
        self._open.add(take)
        return take

    def finish(self) -> None:
        """Write what is still going on, as far as it came: the program ends."""
        for take in list(self._open):
            take.end(CLOSED)

    def keep(self, data: Json) -> None:
        """Write a tape. What cannot be written is a warning: the answer is the caller's all the same."""
        stem = _stem(data)
        try:
            with self._lock:
                if stem not in self._numbers:
                    self._forget(stem)
                _, number = save(self.folder, stem, data, self._numbers.get(stem, 0) + 1)
                self._numbers[stem] = number
        except OSError as exception:
            reason = exception.strerror or type(exception).__name__
            message = f"an answer of {data['provider']} is not on tape: {self.folder}: {reason}"
            warnings.warn(message, DragomanWarning, stacklevel=2)

    def _forget(self, stem: str) -> None:
        """Remove the tapes that an earlier session made of the same request."""
        name = re.compile(rf"{re.escape(stem)}(-\d+)?\.json")
        for path in self.folder.glob(f"{stem}*.json"):
            if not name.fullmatch(path.name):
                continue
            try:
                recorded = read_tape(path).recorded
            except TapeError:
                # Whatever it is, it is not ours to remove.
                continue
            if recorded < self.since:
                path.unlink(missing_ok=True)


def check_writable(folder: Path) -> None:
    """Make the folder if need be. Raises `TapeError` if no file can be written there."""
    probe = folder / f".{os.getpid()}.{threading.get_ident()}.draft"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as exception:
        reason = exception.strerror or type(exception).__name__
        message = f"tapes cannot be written into {folder}: {reason}; choose another folder"
        raise TapeError(message) from exception


def _stem(data: Json) -> str:
    """Name a tape by its request: recorded again, it has the same name."""
    wanted = asked(data["provider"], data["wire"])
    digest = hashlib.sha256(canonical(wanted).encode()).hexdigest()[:8]
    path = data["wire"]["path"].partition("?")[0]
    words = re.sub(r"[^a-z0-9]+", "-", f"{data['provider']}-{path}".lower()).strip("-")
    return f"{words[:_LONGEST_NAME].strip('-')}-{digest}"


class _Sender:
    def __init__(self, recorder: Recorder, provider: Provider, sender: Sender) -> None:
        self._recorder = recorder
        self._provider = provider
        self._sender = sender

    def send(self, call: Call, wire: Wire) -> Reply:
        take = self._recorder.begin(self._provider, call, wire)
        try:
            reply = self._sender.send(call, wire)
        except BaseException as exception:
            take.failed(exception)
            raise
        take.answered(reply)
        if reply.pieces is None:
            return reply

        def close() -> None:
            try:
                reply.close()
            finally:
                take.end(CLOSED)

        return replace(reply, pieces=_pieces(take, reply.pieces), close=close)

    def close(self) -> None:
        self._sender.close()


def _pieces(take: Take, pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        for piece in pieces:
            take.add(piece)
            yield piece
    except BaseException as exception:
        take.failed(exception)
        raise
    take.end()


class _AsyncSender:
    def __init__(self, recorder: Recorder, provider: Provider, sender: AsyncSender) -> None:
        self._recorder = recorder
        self._provider = provider
        self._sender = sender

    async def send(self, call: Call, wire: Wire) -> AsyncReply:
        take = self._recorder.begin(self._provider, call, wire)
        try:
            reply = await self._sender.send(call, wire)
        except BaseException as exception:
            take.failed(exception)
            raise
        take.answered(reply)
        if reply.pieces is None:
            return reply

        async def close() -> None:
            try:
                if reply.close is not None:
                    await reply.close()
            finally:
                take.end(CLOSED)

        return replace(reply, pieces=_apieces(take, reply.pieces), close=close)

    async def close(self) -> None:
        await self._sender.close()


async def _apieces(take: Take, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        async for piece in pieces:
            take.add(piece)
            yield piece
    except BaseException as exception:
        take.failed(exception)
        raise
    take.end()
