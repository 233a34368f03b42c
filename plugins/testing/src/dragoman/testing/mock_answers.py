"""The answers of `dragoman_mock`, in OpenAI's own form: whole, or as a stream's bytes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dragoman.core import Chunks, Reply, StreamCutError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dragoman.core import Call, Json

_WHOLE = {"content-type": "application/json"}
_STREAM = {"content-type": "text/event-stream"}
_WORD = re.compile(r"\s*\S+|\s+")
_CUT = "the connection broke, as the test has scripted it"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says: text, tool calls as `(id, name, arguments)`, and more fields of the message.

    `usage` are prompt and completion tokens. `pieces` is the text as a stream gives it, where that matters; with `cut`
    the connection breaks after them.
    """

    content: str | None = None
    tool_calls: tuple[tuple[str, str, str], ...] = ()
    finish_reason: str | None = None
    usage: tuple[int, int] = (0, 0)
    message: Mapping[str, Any] = field(default_factory=dict)
    pieces: tuple[str, ...] | None = None
    cut: bool = False

    def reply(self, call: Call, number: int) -> Reply:
        """Answer the call, which is the test's `number`th."""
        if call.stream:
            return Reply(200, _STREAM, pieces=self._events(call, number))
        if self.cut:
            raise ConnectionResetError(_CUT)
        return Reply(200, _WHOLE, json.dumps(self._completion(call, number)).encode())

    def _completion(self, call: Call, number: int) -> Json:
        message: Json = {"role": "assistant", "content": self.content, "refusal": None, **self.message}
        if self.tool_calls:
            message["tool_calls"] = [
                {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
                for call_id, name, arguments in self.tool_calls
            ]
        return {
            "id": _id(number),
            "object": "chat.completion",
            "created": call.created,
            "model": call.model,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": self._reason}],
            "usage": self._usage,
        }

    def _events(self, call: Call, number: int) -> Iterator[bytes]:
        usage_wanted = bool((call.request.get("stream_options") or {}).get("include_usage"))
        chunks = Chunks(call)
        chunks.id = _id(number)
        for chunk in self._chunks(chunks):
            # Where usage is asked for, OpenAI says in each chunk before it that there is none yet.
            yield _event({**chunk, "usage": None} if usage_wanted else chunk)
        if usage_wanted:
            yield _event(chunks.usage(self._usage))
        yield b"data: [DONE]\n\n"

    def _chunks(self, chunks: Chunks) -> Iterator[Json]:
        yield chunks.role()
        message = dict(self.message)
        # dragoman's own carry comes whole, and with the end.
        late = {key: message.pop(key) for key in ("extra_content",) if key in message}
        for key, value in message.items():
            yield chunks.delta(**{key: value})
        for piece in _WORD.findall(self.content or "") if self.pieces is None else self.pieces:
            yield chunks.delta(content=piece)
        if self.cut:
            raise StreamCutError(_CUT)
        for index, (call_id, name, arguments) in enumerate(self.tool_calls):
            yield chunks.tool_call(call_id, name)
            half = len(arguments) // 2
            yield chunks.tool_arguments(index, arguments[:half])
            yield chunks.tool_arguments(index, arguments[half:])
        yield chunks.finish(self._reason, **late)

    @property
    def _reason(self) -> str:
        return self.finish_reason or ("tool_calls" if self.tool_calls else "stop")

    @property
    def _usage(self) -> Json:
        prompt, completion = self.usage
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def failure(status: int, message: str, code: str | None, headers: Mapping[str, str]) -> Reply:
    """Make the reply of a server that refuses."""
    error = {"message": message, "type": None, "param": None, "code": code}
    return Reply(status, {**_WHOLE, **headers}, json.dumps({"error": error}).encode())


def _id(number: int) -> str:
    return f"chatcmpl-mock-{number}"


def _event(chunk: Json) -> bytes:
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"
