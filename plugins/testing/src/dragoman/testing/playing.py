"""Plays a tape through dragoman's own clients, and keeps what the caller got."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from dragoman.core import Ledger, Provider, Reply, stand_in
from dragoman.testing.tapes import CALL_ID, CHAT, CREATED, MODELS, body_of, content_type_of, events_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dragoman.core import Call, Json, Sender, Wire
    from dragoman.testing.tapes import Tape


@dataclass(slots=True)
class Outcome:
    """What came of a call: an answer, chunks, a failure, or chunks and then a failure."""

    response: Json | None = None
    chunks: list[Json] = field(default_factory=list)
    exception: BaseException | None = None

    @property
    def error(self) -> Json | None:
        """The failure as a tape has it: its class, its text, and what OpenAI's error object says."""
        if self.exception is None:
            return None
        found = {name: getattr(self.exception, name, None) for name in ("type", "param", "code", "request_id")}
        if found["code"] is not None:
            # A number, where the vendor sent one: openai 2 keeps it, openai 3 makes it a text.
            found["code"] = str(found["code"])
        said = {"class": type(self.exception).__name__, "message": str(self.exception), **found}
        return {name: value for name, value in said.items() if value is not None}

    @property
    def answer(self) -> Json | None:
        """The tape's `response`."""
        return {"error": self.error} if self.exception is not None else self.response


class Replay:
    """Sends nothing: gives a tape's answer, in pieces of `size` bytes where that is asked."""

    def __init__(self, tape: Tape, framing: str, size: int | None = None) -> None:
        self.tape = tape
        self.framing = framing
        self.size = size
        self.wires: list[Wire] = []
        #: What was done about parameters that the vendor does not have.
        self.ledger = Ledger()

    def send(self, call: Call, wire: Wire) -> Reply:
        """Keep the wire, and answer."""
        self.ledger = call.ledger
        self.wires.append(wire)
        tape = self.tape
        headers = {"content-type": content_type_of(tape, self.framing), **(tape.data.get("headers") or {})}
        if not tape.streams:
            return Reply(tape.status, headers, body_of(tape))
        body = b"".join(events_of(tape, self.framing))
        size = self.size or len(body)
        pieces: Iterator[bytes] = (body[start : start + size] for start in range(0, len(body), size))
        return Reply(tape.status, headers, pieces=pieces)

    def close(self) -> None:
        """There is nothing to close."""


def settle(provider: Provider, sender: Sender | None = None) -> Provider:
    """Give every call of this instance the same id and time, and the instance another sender."""
    encode: Callable[[Call], Wire] = provider.encode

    def settled(call: Call) -> Wire:
        call.id, call.created = CALL_ID, CREATED
        return encode(call)

    # Of the instance only: its class stays the author's.
    vars(provider)["encode"] = settled
    if sender is not None:
        vars(provider)["sender"] = lambda: sender
    return provider


def arguments_of(provider: Provider, tape: Tape, **more: Any) -> Json:
    """Arguments for `client.chat.completions.create`, or the body of another endpoint's request."""
    request = json.loads(json.dumps(tape.data["request"]))
    return {**request, "model": f"{provider.name}/{request.get('model', '')}", **more}


class Elsewhere(Provider):
    """Whoever else is installed has nothing to say about a tape."""

    endpoints: ClassVar = frozenset()


@contextmanager
def alone(provider: Provider, tape: Tape) -> Iterator[None]:
    """Ask nobody else: a client's list of models is that of all providers."""
    if tape.endpoint != MODELS:
        yield
        return
    with stand_in(lambda name, _: provider if name == provider.name else Elsewhere(name=name)):
        yield


def ask(client: Any, provider: Provider, tape: Tape, **more: Any) -> Any:
    """Make the tape's call: its answer or, of an asynchronous client, what gives it."""
    if tape.endpoint == CHAT:
        return client.chat.completions.create(**arguments_of(provider, tape, **more))
    path = "/" + tape.endpoint
    if tape.method == "GET":
        return client.get(path, cast_to=object, options=more)
    return client.post(path, cast_to=object, body=arguments_of(provider, tape), options=more)


def plain(answer: Any) -> Json:
    """An answer as JSON; nobody else's failures."""
    found: Json = answer if isinstance(answer, dict) else answer.to_dict()
    found.pop("errors", None)
    return found


def options_of(provider: Provider, tape: Tape, max_retries: int) -> Json:
    """Arguments for a client."""
    policy = tape.data.get("on_unsupported") or "raise"
    names: Json = {"providers": [provider], "default_provider": provider.name}
    return {**names, "max_retries": max_retries, "on_unsupported": policy}


def play(provider: Provider, tape: Tape, *, max_retries: int = 0, **more: Any) -> Outcome:
    """Make the tape's call with the synchronous client; whatever fails is in the outcome."""
    # The clients bring in the openai package, and this module is loaded wherever pytest starts.
    from dragoman.core import Client

    outcome = Outcome()
    with alone(provider, tape), Client(**options_of(provider, tape, max_retries)) as client:
        try:
            found = ask(client, provider, tape, **more)
            if tape.data["request"].get("stream"):
                outcome.chunks.extend(chunk.to_dict() for chunk in found)
            else:
                outcome.response = plain(found)
        except Exception as exception:  # noqa: BLE001 (the caller compares it with the tape's)
            outcome.exception = exception
    return outcome


def play_async(provider: Provider, tape: Tape, *, max_retries: int = 0, **more: Any) -> Outcome:
    """Make the tape's call with the asynchronous client."""
    from dragoman.core import AsyncClient

    outcome = Outcome()

    async def run() -> None:
        async with AsyncClient(**options_of(provider, tape, max_retries)) as client:
            try:
                found = await ask(client, provider, tape, **more)
                if tape.data["request"].get("stream"):
                    async for chunk in found:
                        outcome.chunks.append(chunk.to_dict())
                else:
                    outcome.response = plain(found)
            except Exception as exception:  # noqa: BLE001 (as above)
                outcome.exception = exception

    with alone(provider, tape):
        asyncio.run(run())
    return outcome


def replay(provider: Provider, tape: Tape, size: int | None = None) -> tuple[Outcome, list[Wire]]:
    """Play a tape without a network; return what came of it, and what would have been sent."""
    sender = Replay(tape, provider.framing, size)
    return play(settle(provider, sender), tape), sender.wires


def side_of(wire: Wire) -> Json:
    """A wire as a tape's `vendor_request`; the usual method and empty headers go without saying."""
    said: Json = {"path": wire.path}
    if wire.method != "POST":
        said["method"] = wire.method
    if wire.headers:
        said["headers"] = dict(wire.headers)
    if wire.content is not None:
        said["body"] = json.loads(wire.content)
    return said


def complete(provider: Provider, tape: Tape) -> list[str]:
    """Fill in the sides that are missing; return their names."""
    missing = tape.missing()
    if missing:
        outcome, wires = replay(provider, tape)
        answer = outcome.answer or {}
        if tape.error is not None:
            answer = {"error": {**answer.get("error", {}), **tape.error}}
        sides = {"response": answer, "chunks": outcome.chunks}
        if wires:
            sides["vendor_request"] = side_of(wires[0])
        tape.data.update({key: sides[key] for key in missing if key in sides})
        tape.write()
    return missing
