"""Acme's stream of events -> OpenAI's chunks.

Events: `start` (id and model), `text` (a piece), `call` (id and tool), `input` (a piece of that call's JSON), `end`
(the reason, the tokens, the seal), and `fault` where something broke.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dragoman.core import Chunks, StreamCutError, VendorError

from dragoman_acme.response import decode_carry, decode_fault, decode_reason, decode_usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dragoman.core import Call, Event, Json

#: Kinds of faults inside a stream, where the HTTP status is gone -> the status that they have elsewhere.
_STATUSES = {"busy": 429, "too_long": 400}
_UNKNOWN = {"message": "a fault without words", "type": None, "param": None, "code": None}


class AnswerStream:
    """Decodes one stream. `Chunks` keeps OpenAI's promises: ids, roles, and the counting of calls."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._chunks = Chunks(call)
        #: What was said so far, whole: the seal belongs to it.
        self._message: Json = {"role": "assistant", "content": ""}
        self._ended = False

    def feed(self, event: Event) -> Iterator[Json]:
        """Return the chunks for one event; events that are new to us say nothing."""
        sent = json.loads(event.data)
        if event.name == "start":
            self._chunks.id = sent.get("id") or self._call.id
            self._chunks.model = sent.get("model") or self._call.model
            yield self._chunks.role()
        elif event.name == "text":
            self._message["content"] += sent["text"]
            yield self._chunks.delta(content=sent["text"])
        elif event.name == "call":
            yield self._open_call(sent)
        elif event.name == "input":
            self._message["tool_calls"][-1]["function"]["arguments"] += sent["json"]
            yield self._chunks.tool_arguments(self._chunks.tool_calls - 1, sent["json"])
        elif event.name == "end":
            yield from self._end(sent)
        elif event.name == "fault":
            fault = decode_fault(sent) or _UNKNOWN
            raise VendorError(fault, _STATUSES.get(str(fault["type"]), 500))

    def finish(self) -> Iterator[Json]:
        """See that the last event came: half an answer must not look like a whole one."""
        if not self._ended:
            message = "the stream ended before its last event"
            raise StreamCutError(message)
        return iter(())

    def _open_call(self, sent: Json) -> Json:
        function = {"name": sent["tool"], "arguments": ""}
        made = {"id": sent["id"], "type": "function", "function": function}
        self._message.setdefault("tool_calls", []).append(made)
        return self._chunks.tool_call(sent["id"], sent["tool"])

    def _end(self, sent: Json) -> Iterator[Json]:
        self._ended = True
        extra = decode_carry(self._call, self._message, sent)
        yield self._chunks.finish(decode_reason(sent["ended"]), extra_content=extra)
        yield self._chunks.usage(decode_usage(sent["tokens"]))
