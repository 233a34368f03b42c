"""Ollama's answer -> OpenAI's chat.completion.

Source: https://docs.ollama.com/api/chat. What OpenAI has no place for (times, where a model ran, pictures) travels in
`extra_content["ollama"]`.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from dragoman.core import pack, warn_once
from dragoman.ollama.messages import CARRY
from dragoman.ollama.times import read_time

if TYPE_CHECKING:
    from dragoman.core import Call, Json

#: `load` and `unload` answer a request without messages: nothing was generated.
_FINISH_REASONS = {"stop": "stop", "length": "length", "load": "stop", "unload": "stop"}
#: Keys that the completion has itself; the carry takes all others.
_VISIBLE = frozenset({"created_at", "done", "eval_count", "logprobs", "message", "model", "prompt_eval_count"})
_VISIBLE_IN_MESSAGE = frozenset({"content", "role", "thinking", "tool_calls"})


def decode_chat(call: Call, body: Json) -> Json:
    """Turn a whole answer into a `chat.completion`; raises LookupError or TypeError if it is none."""
    sent = body["message"]
    calls = ToolCalls(call).decode(sent)
    message: Json = {"role": "assistant", "content": sent.get("content") or (None if calls else ""), "refusal": None}
    if sent.get("thinking"):
        message["reasoning_content"] = sent["thinking"]
    if calls:
        message["tool_calls"] = calls
    message["extra_content"] = decode_carry(message, body, unseen(sent))
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": decode_reason(call, body.get("done_reason"), called=bool(calls)),
        "logprobs": decode_logprobs(body),
    }
    return {
        "id": call.id,
        "object": "chat.completion",
        "created": read_time(body.get("created_at"), call.created),
        "model": body.get("model") or call.model,
        "choices": [choice],
        "usage": decode_usage(body),
    }


def decode_reason(call: Call, reason: str | None, *, called: bool) -> str:
    """Return OpenAI's finish reason; Ollama says `stop` also where the answer is a tool call."""
    if reason is not None and reason not in _FINISH_REASONS:
        text = f"{call.provider}: unknown done_reason {reason!r}, taken for 'stop'."
        warn_once(call.provider, "done_reason", text)
    found = _FINISH_REASONS.get(reason or "", "stop")
    return "tool_calls" if called and found == "stop" else found


def decode_usage(body: Json) -> Json:
    """Return the usage; a prompt that is wholly cached has no count."""
    prompt, completion = body.get("prompt_eval_count") or 0, body.get("eval_count") or 0
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def decode_logprobs(body: Json) -> Json | None:
    """Return the log probabilities of a whole answer, or of one piece of a stream."""
    if not body.get("logprobs"):
        return None
    tokens = [
        {**_token(sent), "top_logprobs": list(map(_token, sent.get("top_logprobs") or ()))} for sent in body["logprobs"]
    ]
    return {"content": tokens, "refusal": None}


def _token(sent: Json) -> Json:
    return {"token": sent["token"], "logprob": sent["logprob"], "bytes": sent.get("bytes")}


def unseen(message: Json) -> Json:
    """Return what a message of Ollama's has beyond what OpenAI's shows, such as `images`."""
    return {key: value for key, value in message.items() if key not in _VISIBLE_IN_MESSAGE and value is not None}


def decode_carry(message: Json, body: Json, kept: Json) -> Json:
    """Return the `extra_content` of a message: the rest of the answer's last object, and what its messages `kept`.

    Durations are in nanoseconds, as Ollama counts them.
    """
    rest = {key: value for key, value in body.items() if key not in _VISIBLE and value is not None}
    return pack(message, CARRY, {**rest, **kept})


class ToolCalls:
    """Decodes one answer's tool calls, which may come in several pieces, and gives them ids where they have none."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.found: list[Json] = []

    def decode(self, message: Json) -> list[Json]:
        """Return the calls of one (piece of a) message; `found` has them all."""
        calls: list[Json] = []
        for sent in message.get("tool_calls") or ():
            function = sent["function"]
            decoded = {"name": function["name"], "arguments": _arguments(function.get("arguments"))}
            calls.append({"id": self._id(sent.get("id")), "type": "function", "function": decoded})
            self.found.append(calls[-1])
        return calls

    def _id(self, sent: Any) -> str:
        """Return Ollama's id, if it has one that is new; else one that is the same whenever it is asked for."""
        taken = {call["id"] for call in self.found}
        if isinstance(sent, str) and sent and sent not in taken:
            return sent
        seed = f"{self._call.id} {len(self.found)}"
        return f"call_{hashlib.sha256(seed.encode()).hexdigest()[:24]}"


def _arguments(sent: Any) -> str:
    """Write the arguments as the text of an object, keys in Ollama's order."""
    if isinstance(sent, str):
        return sent.strip() or "{}"
    return json.dumps(sent or {}, ensure_ascii=False, separators=(",", ":"))
