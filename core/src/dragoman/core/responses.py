"""OpenAI's Responses, handed on as they are: what was used, and whether a stream has content.

Source: https://platform.openai.com/docs/api-reference/responses-streaming.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.core.chunks import reports_error
from dragoman.core.codec import decode_json
from dragoman.core.failures import reported
from dragoman.core.framing import SSE
from dragoman.core.provider import StreamCutError

if TYPE_CHECKING:
    from dragoman.core.provider import Call, Event, Json, Provider, VendorError

RESPONSES = "responses"
#: What is said before there is content, and after all of it; the last events have the counts, but for an error.
_BEFORE = frozenset({"response.created", "response.in_progress", "response.queued"})
#: `[DONE]` is no event of OpenAI's, but what some servers end all streams with.
_LAST = frozenset({"[DONE]", "error", "response.completed", "response.failed", "response.incomplete"})
_FAILED = frozenset({"error", "response.failed"})
_NAMES = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "prompt_tokens_details": "input_tokens_details",
    "completion_tokens_details": "output_tokens_details",
}


def read_responses_usage(usage: Json) -> Json:
    """Responses' counts, and beside them the same by chat's names, by which calls are charged and priced."""
    found = {name: usage[own] for name, own in _NAMES.items() if usage.get(own) is not None}
    return {**found, **usage}


class ResponsesWatch:
    """Looks on while one answer goes by. `usage` is None until the provider has counted."""

    def __init__(self, provider: Provider, call: Call) -> None:
        self._provider, self._call = provider, call
        self._frames = SSE()
        #: Whether there were events, whether one of them was content, and whether one of them was the last.
        self._seen = self._begun = self._ended = False
        self.usage: Json | None = None
        #: What the stream says went wrong. It is not raised: the caller reads it in the event, as the vendor words it.
        self.failure: VendorError | None = None

    def read(self, body: Json) -> Json:
        """Look at a whole answer."""
        if isinstance(usage := body.get("usage"), dict):
            self.usage = read_responses_usage(usage)
        return body

    def look(self, piece: bytes | None) -> tuple[bool, bool]:
        """Look at a piece (None: it has ended), and note the usage in the call; return whether there is content.

        Whether all of it is there is not said: more may follow the last event. Raises `StreamCutError` if the events
        end without it.
        """
        for event in self._frames.finish() if piece is None else self._frames.feed(piece):
            self._look_at(event)
        self._call.usage = self.usage
        if piece is None and self._seen and not self._ended:
            message = "the stream ended before its last event"
            raise StreamCutError(message)
        return self._begun, False

    def _look_at(self, event: Event) -> None:
        kind = _kind(event)
        self._seen = True
        self._begun = self._begun or kind not in _BEFORE
        if kind in _LAST:
            self._ended = True
            body = _object(event.data)
            response = body.get("response")
            if isinstance(response, dict):
                self.read(response)
            if kind in _FAILED:
                self.failure = self._failure_in(body, response)

    def _failure_in(self, body: Json, response: Any) -> VendorError:
        """Read the error out of an event, where it stands in the response, or in an object, or bare."""
        error = body.get("error") or (response.get("error") if isinstance(response, dict) else None)
        told = {"error": error or {name: body.get(name) for name in ("message", "code", "param")}}
        return reported(self._provider.decode_error(200, told), told)


def _kind(event: Event) -> str:
    """Return an event's type, which some servers say in its data only."""
    if event.name.startswith("response.") or event.name in _LAST:
        return event.name
    if event.data.strip() == b"[DONE]":
        return "[DONE]"
    body = _object(event.data)
    return str(body.get("type") or ("error" if reports_error(body) else ""))


def _object(data: bytes) -> Json:
    try:
        body = decode_json(data)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
