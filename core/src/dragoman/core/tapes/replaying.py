"""Replaying: senders that answer from tapes; nothing is sent, no key is asked for, no SDK is imported."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman.core.codec import encode_lenient
from dragoman.core.errors import ConfigError, TapeError, connection_error, translate
from dragoman.core.provider import AsyncReply, Reply, StreamCutError, VendorError
from dragoman.core.readable import diff_json, distance
from dragoman.core.tapes.scrubbing import Scrubber
from dragoman.core.tapes.tape import (
    CLOSED,
    PLACEHOLDER,
    Tape,
    asked,
    canonical,
    how_to_record,
    read_content,
    read_folder,
    read_piece,
    write_content,
)
from dragoman.core.tapes.wires import form_of

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, Generator

    from dragoman.core.provider import AsyncSender, Call, Json, Provider, Sender, SenderKind, Wire


@dataclass(slots=True)
class _Track:
    """All tapes of one request, in the order of their recording, and how many of them were played."""

    wanted: Json
    tapes: list[Tape]
    played: int = 0

    @property
    def open(self) -> bool:
        """Whether something was scrubbed from the request: any text fits there."""
        return PLACEHOLDER.search(canonical(self.wanted)) is not None

    def next(self) -> Tape | None:
        """Take the next tape; None, where all were played."""
        self.played += 1
        return self.tapes[self.played - 1] if self.played <= len(self.tapes) else None


class Replayer:
    """Answers from the tapes in `folder`. A request finds its tape by provider, method, path, query and body.

    The same request is answered by its tapes one after the other, and then by the last of them again; `strict`
    refuses it then. Streams come at once, or at `speed` times the recorded one. Raises `TapeError` if there are
    no tapes, or one of them cannot be read; so does a request that is on none.
    """

    def __init__(self, folder: str | os.PathLike[str], *, speed: float | None = None, strict: bool = False) -> None:
        if speed is not None and not speed > 0:
            message = "the speed of a replay is a number above 0; 1 is the recorded one"
            raise ConfigError(message)
        self.folder = Path(folder)
        self.speed = speed
        self.strict = strict
        self._lock = threading.Lock()
        self._tracks: dict[str, _Track] = {}
        tapes = read_folder(self.folder)
        if not tapes:
            message = f"there is no tape in {self.folder}; {how_to_record(self.folder)}"
            raise TapeError(message)
        for tape in tapes:
            wanted = asked(tape.data["provider"], tape.wire)
            self._tracks.setdefault(canonical(wanted), _Track(wanted, [])).tapes.append(tape)
        self._open = [track for track in self._tracks.values() if track.open]

    def __repr__(self) -> str:
        return f"<Replayer of {self.folder}>"

    def sender(self, provider: Provider, _kind: SenderKind = "sdk") -> Sender:
        """Make the sender that stands for the provider's own."""
        return _Sender(self, provider)

    def async_sender(self, provider: Provider, _kind: SenderKind = "sdk") -> AsyncSender:
        """`sender` for the asynchronous side."""
        return _AsyncSender(self, provider)

    def find(self, provider: Provider, call: Call, wire: Wire) -> Tape:
        """Return the tape that answers a request. Raises `TapeError`, which says what is different."""
        wanted = asked(provider.name, _said(call, wire))
        with self._lock:
            track = self._tracks.get(canonical(wanted))
            if track is None:
                track = next((track for track in self._open if _fits(track.wanted, wanted)), None)
            if track is None:
                raise TapeError(self._missing(_scrubbed(provider, call, wire, wanted)))
            tape = track.next()
        if tape is None and self.strict:
            last = track.tapes[-1].path.name
            message = (
                f"this request was recorded {len(track.tapes)} times, and is made once more ({last} is its last tape "
                f"in {self.folder}); {how_to_record(self.folder)}"
            )
            raise TapeError(message)
        return tape or track.tapes[-1]

    def _missing(self, wanted: Json) -> str:
        place = f"{wanted['provider']} {wanted['method']} {wanted['path']}"
        peers = [track for track in self._tracks.values() if _place(track.wanted) == _place(wanted)]
        if not peers:
            counted = Counter(" ".join(_place(track.wanted)) for track in self._tracks.values())
            there = ", ".join(f"{name} ({number})" for name, number in sorted(counted.items()))
            return f"no tape in {self.folder} answers {place}; there are: {there}; {how_to_record(self.folder)}"
        nearest = min(peers, key=lambda track: (distance(track.wanted, wanted), track.played))
        name = str(nearest.tapes[0].path)
        diff = "\n".join(diff_json(nearest.wanted, wanted, (name, "this request")))
        return f"{place}: this request is on no tape; the nearest is {name}:\n{diff}\n{how_to_record(self.folder)}"


def _place(wanted: Json) -> tuple[str, str, str]:
    return wanted["provider"], wanted["method"], wanted["path"]


def _said(call: Call, wire: Wire) -> Json:
    """A request in a tape's words, headers left out."""
    content = wire.content if wire.content is not None else encode_lenient(wire.body) if wire.body else b""
    content, _ = form_of(content, {**wire.headers, **call.extra_headers})
    query = {"query": json.loads(json.dumps(dict(call.extra_query), default=str))} if call.extra_query else {}
    return {"method": wire.method, "path": wire.path, **query, **write_content(content)}


def _scrubbed(provider: Provider, call: Call, wire: Wire, wanted: Json) -> Json:
    """Take the secrets out of a request that is shown in an error."""
    scrub = Scrubber().begin(provider, call, wire)
    scrub.know_fields(wire.content or b"")
    query = {"query": scrub.named(wanted["query"], "")} if "query" in wanted else {}
    shown: Json = scrub.value({**wanted, **query}, "")
    return shown


def _fits(taped: Any, wanted: Any) -> bool:
    """Whether two JSON values are the same but for what was scrubbed."""
    if isinstance(taped, dict) and isinstance(wanted, dict):
        return taped.keys() == wanted.keys() and all(_fits(taped[key], wanted[key]) for key in taped)
    if isinstance(taped, list) and isinstance(wanted, list):
        return len(taped) == len(wanted) and all(map(_fits, taped, wanted))
    if isinstance(taped, str) and isinstance(wanted, str) and PLACEHOLDER.search(taped):
        pattern = ".*".join(map(re.escape, PLACEHOLDER.split(taped)))
        return re.fullmatch(pattern, wanted, re.DOTALL) is not None
    return canonical(taped) == canonical(wanted)


class _Playing:
    """What both colours share: what a tape says, and when."""

    def __init__(self, replayer: Replayer, provider: Provider) -> None:
        self._replayer = replayer
        self._provider = provider

    def tape(self, call: Call, wire: Wire) -> tuple[Tape, float]:
        """Return the tape, and the seconds to wait for its answer's head."""
        tape = self._replayer.find(self._provider, call, wire)
        own = tape.data.get("call") or {}
        # As recorded, where the vendor sends neither: the next request may quote them.
        call.id, call.created = own.get("id", call.id), own.get("created", call.created)
        return tape, self.seconds((tape.reply or tape.data["failure"]).get("ms", 0))

    def seconds(self, ms: float) -> float:
        """Convert recorded milliseconds."""
        return ms / 1000 / self._replayer.speed if self._replayer.speed else 0.0

    def head(self, tape: Tape) -> tuple[int, Json, bytes]:
        """Give status, headers and the whole body, if it is whole. Raises what was raised when it was recorded."""
        reply = tape.reply
        if reply is None:
            raise self.failure(tape)
        return reply["status"], reply.get("headers", {}), read_content(reply)

    def failure(self, tape: Tape) -> Exception:
        """Make again what was raised when the tape was recorded."""
        failure = tape.data["failure"]
        message = str(failure.get("message") or f"no answer, says {tape.path}")
        if failure["kind"] == "vendor":
            return VendorError(failure.get("error") or {"message": message}, failure.get("status"))
        if failure["kind"] == "timeout":
            timeout = translate(TimeoutError(message), self._provider.name)
            return timeout if isinstance(timeout, Exception) else TimeoutError(message)
        return StreamCutError(message) if tape.reply is not None else connection_error(message)

    def last(self, tape: Tape) -> Exception | None:
        """What comes after the last piece, if that is not the end."""
        if "failure" in tape.data:
            return self.failure(tape)
        if (tape.reply or {}).get("end") == CLOSED:
            message = f"the tape {tape.path} ends here, since its reader went no further; record it again"
            return StreamCutError(message)
        return None


class _Sender(_Playing):
    def send(self, call: Call, wire: Wire) -> Reply:
        started = time.monotonic()
        tape, wait = self.tape(call, wire)
        _sleep(started + wait)
        status, headers, content = self.head(tape)
        if "pieces" not in (tape.reply or {}):
            return Reply(status, headers, content)
        pieces = self._pieces(tape, started)
        return Reply(status, headers, pieces=pieces, close=pieces.close)

    def _pieces(self, tape: Tape, started: float) -> Generator[bytes, None, None]:
        for ms, piece in map(read_piece, (tape.reply or {})["pieces"]):
            _sleep(started + self.seconds(ms))
            yield piece
        if (failure := self.last(tape)) is not None:
            raise failure

    def close(self) -> None:
        """Nothing is open."""


def _sleep(until: float) -> None:
    if (left := until - time.monotonic()) > 0:
        time.sleep(left)


class _AsyncSender(_Playing):
    async def send(self, call: Call, wire: Wire) -> AsyncReply:
        started = time.monotonic()
        tape, wait = self.tape(call, wire)
        await _asleep(started + wait)
        status, headers, content = self.head(tape)
        if "pieces" not in (tape.reply or {}):
            return AsyncReply(status, headers, content)
        pieces = self._pieces(tape, started)
        return AsyncReply(status, headers, pieces=pieces, close=pieces.aclose)

    async def _pieces(self, tape: Tape, started: float) -> AsyncGenerator[bytes, None]:
        for ms, piece in map(read_piece, (tape.reply or {})["pieces"]):
            await _asleep(started + self.seconds(ms))
            yield piece
        if (failure := self.last(tape)) is not None:
            raise failure

    async def close(self) -> None:
        """Nothing is open."""


async def _asleep(until: float) -> None:
    if (left := until - time.monotonic()) > 0:
        await asyncio.sleep(left)
