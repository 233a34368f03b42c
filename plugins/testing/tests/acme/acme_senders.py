"""Senders that do one thing wrong each."""

from __future__ import annotations

import dataclasses
import json
from contextlib import suppress
from typing import TYPE_CHECKING

import openai

from dragoman.core import Call, Provider, Reply, Wire, sdk_sender

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Replies that nobody closes.
KEPT: list[Reply] = []
NOTHING = {"says": "", "why": "done", "seal": "", "count": {"in": 0, "out": 0}}


class Plain:
    def __init__(self, provider: Provider) -> None:
        self.sender = sdk_sender(openai.OpenAI(base_url=provider.base_url, api_key=provider.api_key))

    def send(self, call: Call, wire: Wire) -> Reply:
        return self.sender.send(call, wire)

    def close(self) -> None:
        self.sender.close()


class Keeping(Plain):
    def send(self, call: Call, wire: Wire) -> Reply:
        KEPT.append(super().send(call, wire))
        return dataclasses.replace(KEPT[-1], pieces=Unclosed(KEPT[-1].pieces), close=lambda: None, response=None)


class Unclosed:
    """Pieces without a `close`."""

    def __init__(self, pieces: object) -> None:
        self.pieces = pieces

    def __iter__(self) -> Unclosed:
        return self

    def __next__(self) -> bytes:
        return next(self.pieces)


class Impatient(Plain):
    def send(self, call: Call, wire: Wire) -> Reply:
        call.max_retries = 0
        return super().send(call, wire)


class Patient(Plain):
    def send(self, call: Call, wire: Wire) -> Reply:
        call.timeout = 60
        return super().send(call, wire)


class Mending(Plain):
    def send(self, call: Call, wire: Wire) -> Reply:
        reply = super().send(call, wire)
        try:
            json.loads(reply.content)
        except ValueError:
            return dataclasses.replace(reply, content=json.dumps(NOTHING).encode())
        return reply


class Suppressing(Plain):
    def send(self, call: Call, wire: Wire) -> Reply:
        reply = super().send(call, wire)
        return dataclasses.replace(reply, pieces=self.pieces(reply))

    def pieces(self, reply: Reply) -> Iterator[bytes]:
        with suppress(Exception):
            yield from reply.pieces or ()
        yield b'event: end\ndata: {"why": "done", "seal": "", "count": {"in": 0, "out": 0}}\n\n'


class Stubborn(Plain):
    def send(self, call: Call, wire: Wire) -> Reply:
        call.max_retries = 2
        return super().send(call, wire)
