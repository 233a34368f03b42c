"""Anthropic's Messages, handed on as they are: the wire, what was used, and whether a stream came to its end.

A provider that has the endpoint names it in `Provider.endpoints`. Nothing is translated, so there is no chunk and no
`finish_reason` to look at; the counts stand in two of the stream's events.
Source: https://platform.claude.com/docs/en/build-with-claude/streaming.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dragoman.core.codec import decode_json
from dragoman.core.failures import error_in
from dragoman.core.framing import SSE
from dragoman.core.provider import StreamCutError

if TYPE_CHECKING:
    from dragoman.core.attempt import Attempt
    from dragoman.core.hooks import Hooks
    from dragoman.core.provider import Call, Json, Provider, Wire

MESSAGES = "messages"
#: What must stand in an event that is worth reading.
_TELLING = (b'"usage"', b'"error"', b'"message_stop"', b'"content_block_start"')


def native_of(attempt: Attempt, hooks: Hooks, asked: Json) -> Json | None:
    """Return the request that may be handed on, once hooks have seen the call, whose request was `asked` before.

    None: the provider has no such endpoint, a hook wants chunks, or one has changed the chat and must not be passed by.
    """
    speaks = attempt.native is not None and MESSAGES in (attempt.provider.endpoints or ())
    passes = speaks and not hooks.sees_chunks and (attempt.call.request is asked or attempt.call.request == asked)
    return attempt.native if passes else None


def encode_native(attempt: Attempt, native: Json) -> Wire:
    """Make the wire of a chat's request in its own dialect."""
    call = attempt.call
    return attempt.provider.encode(replace(call, endpoint=MESSAGES, request={**native, "model": call.model}))


def read_messages_usage(usage: Json) -> Json:
    """Anthropic's counts -> OpenAI's, which has cached tokens inside the prompt; nulls are 0."""
    cached, written = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
    prompt = (usage.get("input_tokens") or 0) + cached + written
    completion = usage.get("output_tokens") or 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
    }


class MessagesWatch:
    """Looks on while one answer goes by. `usage` is OpenAI's, None until the provider has counted."""

    def __init__(self, provider: Provider, call: Call) -> None:
        self._provider, self._call = provider, call
        self._frames = SSE()
        self._counts: Json = {}
        self.usage: Json | None = None
        #: Whether there is content, and whether all of it is there.
        self.begun = self.ended = False

    def read(self, body: Json) -> Json:
        """Look at a whole answer, or at an event. Raises `VendorError` for one that reports a failure."""
        if body.get("type") == "error":
            raise error_in(self._provider, self._call, body)
        # Counts are running totals; what is missing or null keeps its first value.
        counts = (body.get("message") or body).get("usage")
        if counts:
            self._counts.update({name: count for name, count in counts.items() if count is not None})
            self.usage = read_messages_usage(self._counts)
        return body

    def look(self, piece: bytes | None) -> tuple[bool, bool]:
        """`feed`, and note the usage in the call; return whether there is content, and whether all of it is there."""
        try:
            self.feed(piece)
        finally:
            self._call.usage = self.usage
        return self.begun, self.ended

    def feed(self, piece: bytes | None) -> None:
        """Look at a piece of a stream; None: it has ended. Raises `VendorError`, `StreamCutError` for half of one."""
        for event in self._frames.finish() if piece is None else self._frames.feed(piece):
            if any(word in event.data for word in _TELLING):
                body = self.read(decode_json(event.data))
                self.ended = self.ended or body.get("type") == "message_stop"
                self.begun = self.begun or self.ended or body.get("type") == "content_block_start"
        if piece is None and not self.ended:
            message = "the stream ended before message_stop"
            raise StreamCutError(message)
