"""Answers of chats as core's service writes them for Anthropic's clients."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dragoman.server.messages.response import encode_message
from dragoman.server.messages.stream import MessageEncoder, write_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dragoman.core import Exchange, Json, Ledger


class MessagesWriter:
    """Writes Messages. `ledger`: what was left out or adapted when the request was translated."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def whole(self, completion: Json) -> bytes:
        """Write a whole answer."""
        return json.dumps(encode_message(completion, self._ledger.report()), separators=(",", ":")).encode()

    def step(self, exchange: Exchange) -> Callable[[bytes | None], Iterator[bytes]]:
        """Write a stream."""
        stream = _Stream(exchange, self._ledger)
        return lambda piece: map(write_event, stream.events(piece))


class _Stream:
    """The events of one exchange. Where another provider steps in, its call is another, and the message begins anew."""

    def __init__(self, exchange: Exchange, ledger: Ledger) -> None:
        self._exchange = exchange
        self._ledger = ledger
        self._call = exchange.call
        self._encoder = MessageEncoder()

    def events(self, piece: bytes | None) -> Iterator[Json]:
        """One piece of the body -> events; None: it has ended."""
        exchange = self._exchange
        if self._call is not exchange.call:
            self._call, self._encoder = exchange.call, MessageEncoder()
        for chunk in exchange.feed(piece):
            yield from self._encoder.feed(chunk)
        if piece is None:
            exchange.end()
            yield from self._encoder.finish(self._ledger.report())
