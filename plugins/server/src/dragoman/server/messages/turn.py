"""One request of an Anthropic client, answered as any other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from dragoman.server.messages.dialect import OWN_HEADERS, MessagesDialect
from dragoman.server.turns import Turn

if TYPE_CHECKING:
    from dragoman.server.dialects import Dialect
    from dragoman.server.gateway import Gateway


class MessagesTurn(Turn):
    """What a client says in headers and in the query is part of what it asks for, and told where it is understood."""

    def __init__(self, gateway: Gateway, dialect: Dialect, endpoint: str, scope: Any, *channels: Any) -> None:
        super().__init__(gateway, dialect, endpoint, scope, *channels)
        own = {name: self.headers.pop(name) for name in OWN_HEADERS if name in self.headers}
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        generation = self.generation
        self.dialect = MessagesDialect(generation.dispatcher, generation.options.on_unsupported, own, query)

    def _own_headers(self) -> list[tuple[bytes, bytes]]:
        """The id under the name that Anthropic's clients look for."""
        return [*super()._own_headers(), (b"request-id", self.record.request_id.encode("latin-1"))]
