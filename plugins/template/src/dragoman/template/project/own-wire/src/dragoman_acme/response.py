"""Acme's answers and faults -> OpenAI's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dragoman.core import pack

if TYPE_CHECKING:
    from dragoman.core import Call, Json

#: Acme's reasons for an end -> OpenAI's.
_REASONS = {"done": "stop", "limit": "length", "calls": "tool_calls", "blocked": "content_filter"}
#: Acme's kinds of faults -> OpenAI's error codes, which programs look at.
_CODES = {"unknown_model": "model_not_found", "too_long": "context_length_exceeded", "busy": "rate_limit_exceeded"}


def decode_answer(call: Call, body: Json) -> Json:
    """Return a `chat.completion`. Raises LookupError or TypeError if the body is no answer."""
    calls = [decode_tool_call(sent) for sent in body.get("calls") or ()]
    message: Json = {"role": "assistant", "content": body.get("text") or (None if calls else ""), "refusal": None}
    if calls:
        message["tool_calls"] = calls
    message["extra_content"] = decode_carry(call, message, body)
    choice = {"index": 0, "message": message, "finish_reason": decode_reason(body["ended"]), "logprobs": None}
    return {
        "id": body.get("id") or call.id,
        "object": "chat.completion",
        "created": call.created,
        "model": body.get("model") or call.model,
        "choices": [choice],
        "usage": decode_usage(body["tokens"]),
    }


def decode_tool_call(sent: Json) -> Json:
    """Return a whole call; OpenAI's arguments are the text of a JSON object."""
    function = {"name": sent["tool"], "arguments": json.dumps(sent["input"], ensure_ascii=False)}
    return {"id": sent["id"], "type": "function", "function": function}


def decode_reason(ended: str) -> str:
    """Return OpenAI's finish reason; one that is new to us is an end like any other."""
    return _REASONS.get(ended, "stop")


def decode_usage(tokens: Json) -> Json:
    """Return OpenAI's usage."""
    prompt, completion = tokens["read"], tokens["written"]
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def decode_carry(call: Call, message: Json, body: Json) -> Json:
    """Keep with the message what only Acme understands: a seal, which it wants back."""
    return pack(message, call.provider, {"seal": body["seal"]})


def decode_fault(body: Any) -> Json | None:
    """Return OpenAI's error object, or None where the body is none of Acme's."""
    fault = body.get("fault") if isinstance(body, dict) else None
    if not isinstance(fault, dict) or not fault.get("words"):
        return None
    kind = str(fault.get("kind"))
    return {"message": str(fault["words"]), "type": kind, "param": fault.get("field"), "code": _CODES.get(kind, kind)}
