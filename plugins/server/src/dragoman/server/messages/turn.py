"""Requests of Anthropic's clients, answered as any others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from dragoman.server.messages.dialect import OWN_HEADERS, MessagesDialect
from dragoman.server.messages.models import encode_model, encode_models
from dragoman.server.turns import ListTurn, Turn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from dragoman.core import Json
    from dragoman.server.dialects import Dialect
    from dragoman.server.gateway import Gateway

_VERSION = b"anthropic-version"


class MessagesTurn(Turn):
    """What a client says in headers and in the query is part of what it asks for, and told where it is understood."""

    def __init__(self, gateway: Gateway, dialect: Dialect, endpoint: str, scope: Any, *channels: Any) -> None:
        super().__init__(gateway, dialect, endpoint, scope, *channels)
        own = {name: self.headers.pop(name) for name in OWN_HEADERS if name in self.headers}
        self.query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        generation = self.generation
        self.dialect = MessagesDialect(generation.dispatcher, generation.options.on_unsupported, own, self.query)

    def _own_headers(self) -> list[tuple[bytes, bytes]]:
        """The id under the name that Anthropic's clients look for."""
        return [*super()._own_headers(), (b"request-id", self.record.request_id.encode("latin-1"))]


class MessagesListTurn(MessagesTurn, ListTurn):
    """The list of models for a client of Anthropic's."""

    def _write(self, models: list[Json]) -> Json:
        return encode_models(models, self.query)


class MessagesModelTurn(MessagesTurn):
    """One model for a client of Anthropic's."""

    async def _respond(
        self, status: int, kind: bytes, content: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        if self.record.failure is None:
            content = json.dumps(encode_model(json.loads(content))).encode()
        await super()._respond(status, kind, content, headers)


class ByVersion:
    """Lists of models have one path in both dialects: Anthropic's clients say in a header which version they speak."""

    def __init__(self, usual: Callable[..., Awaitable[None]], messages: Callable[..., Awaitable[None]]) -> None:
        self._usual = usual
        self._messages = messages

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        speaks = any(name == _VERSION for name, _ in scope["headers"])
        await (self._messages if speaks else self._usual)(scope, receive, send)
