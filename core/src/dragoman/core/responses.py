"""OpenAI's Responses, handed on as they are: what was used, and whether a stream has content.

Source: https://platform.openai.com/docs/api-reference/responses-streaming.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core.codec import decode_json
from dragoman.core.framing import SSE

if TYPE_CHECKING:
    from dragoman.core.provider import Call, Json, Provider

RESPONSES = "responses"
#: What is said before there is content, and the events that have the whole response, and with it the counts.
_BEFORE = (b"response.created", b"response.in_progress", b"response.queued")
_LAST = (b"response.completed", b"response.incomplete", b"response.failed")
_NAMES = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "prompt_tokens_details": "input_tokens_details",
    "completion_tokens_details": "output_tokens_details",
}
#: An event's type stands near its beginning.
_HEAD = 200


def read_responses_usage(usage: Json) -> Json:
    """Responses' counts, and beside them the same by chat's names, by which calls are charged and priced."""
    found = {name: usage[own] for name, own in _NAMES.items() if usage.get(own) is not None}
    return {**found, **usage}


class ResponsesWatch:
    """Looks on while one answer goes by. `usage` is None until the provider has counted."""

    def __init__(self, provider: Provider) -> None:
        del provider
        self._frames = SSE()
        self._begun = False
        self.usage: Json | None = None

    def read(self, body: Json) -> Json:
        """Look at a whole answer."""
        if isinstance(usage := body.get("usage"), dict):
            self.usage = read_responses_usage(usage)
        return body

    def look(self, call: Call, piece: bytes | None) -> tuple[bool, bool]:
        """Look at a piece (None: it has ended), and note the usage in the call; return whether there is content.

        Whether all of it is there is not said: only the end of the body ends it.
        """
        for event in self._frames.finish() if piece is None else self._frames.feed(piece):
            told = (event.name.encode(), event.data[:_HEAD])
            if not self._begun:
                self._begun = not any(word in place for word in _BEFORE for place in told)
            if any(word in place for word in _LAST for place in told):
                self._count(event.data)
        call.usage = self.usage
        return self._begun, False

    def _count(self, data: bytes) -> None:
        try:
            body = decode_json(data)
        except ValueError:
            return
        response = body.get("response") if isinstance(body, dict) else None
        if isinstance(response, dict):
            self.read(response)
