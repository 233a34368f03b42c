"""Ollama's stream of JSON lines -> OpenAI's chunks.

Source: https://docs.ollama.com/api/streaming and https://docs.ollama.com/api/errors. Each line is a piece of the
answer; a tool call comes whole in one of them; the last line, with `done`, has the reason and the counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.core import Chunks, StreamCutError, VendorError, decode_json
from dragoman.ollama.response import ToolCalls, decode_carry, decode_logprobs, decode_reason, decode_usage, unseen
from dragoman.ollama.times import read_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dragoman.core import Call, Event, Json


class ChatStream:
    """Decodes one stream. `decode_error` reads the error object that may come instead of a line.

    Raises `VendorError` for such an object, `StreamCutError` for a stream that closes before the last line.
    """

    def __init__(self, call: Call, decode_error: Callable[[int, Any], Json]) -> None:
        self._call = call
        self._decode_error = decode_error
        self._chunks = Chunks(call)
        self._calls = ToolCalls(call)
        self._texts: list[str] = []
        self._kept: Json = {}
        self._opened = False
        self._done = False

    def feed(self, event: Event) -> Iterator[Json]:
        """Return the chunks for one line."""
        body = decode_json(event.data)
        if body.get("error"):
            # The status is gone by then, and the line does not name one.
            raise VendorError(self._decode_error(200, body))
        if self._done:
            return
        message = body.get("message") or {}
        if not self._opened:
            self._chunks.model = body.get("model") or self._call.model
            self._chunks.created = read_time(body.get("created_at"), self._call.created)
        for key, value in unseen(message).items():
            known = self._kept.get(key)
            self._kept[key] = [*known, *value] if isinstance(known, list) and isinstance(value, list) else value
        yield from self._pieces(message, decode_logprobs(body))
        if body.get("done"):
            self._done = True
            yield from self._end(body)

    def finish(self) -> Iterator[Json]:
        """See that the last line came."""
        if not self._done:
            message = "the stream ended before its last line"
            raise StreamCutError(message)
        return iter(())

    def _pieces(self, message: Json, logprobs: Json | None) -> Iterator[Json]:
        parts: list[Json] = []
        if message.get("thinking"):
            parts.append(self._delta(reasoning_content=message["thinking"]))
        if message.get("content"):
            self._texts.append(message["content"])
            parts.append(self._delta(content=message["content"]))
        for made in self._calls.decode(message):
            parts += [] if self._opened else [self._delta()]
            function = made["function"]
            parts.append(self._chunks.tool_call(made["id"], function["name"], function["arguments"]))
        if logprobs:
            parts = parts or [self._delta()]
            parts[-1]["choices"][0]["logprobs"] = logprobs
        yield from parts

    def _delta(self, **fields: str | None) -> Json:
        """Make a chunk; the first has the role, and says that the text is still to come, or null."""
        if not self._opened:
            self._opened = True
            return self._chunks.delta(**{"role": "assistant", "content": None, **fields})
        return self._chunks.delta(**fields)

    def _end(self, body: Json) -> Iterator[Json]:
        calls, text = self._calls.found, "".join(self._texts)
        if not (text or calls):
            yield self._delta(content="")
        visible: Json = {"content": text, **({"tool_calls": calls} if calls else {})}
        reason = decode_reason(self._call, body.get("done_reason"), called=bool(calls))
        yield self._chunks.finish(reason, extra_content=decode_carry(visible, body, self._kept))
        yield self._chunks.usage(decode_usage(body))
