"""The history as `--tokenizer-mode mistral` wants it: the rules are those of the mistral-common package.

vLLM cuts the ids of tool calls to their last nine characters before mistral-common sees them. That leaves ids with
other characters than letters and digits, and shorter ones, to be refused.
Source: https://github.com/mistralai/mistral-common (protocol/instruct/validator.py)
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

from dragoman.core import InvalidRequest, unsupported

if TYPE_CHECKING:
    from dragoman.core import Call, Json

_NINE = re.compile(r"[a-zA-Z0-9]{9}")
#: The shortest turn that may stand between a tool's result and the user's next message.
_BRIDGE = "OK"


def encode_messages(call: Call, messages: list[Json]) -> list[Json]:
    """Rewrite the ids of tool calls, and see that no user message comes right after a tool's result.

    Where one does: `InvalidRequest`, or, under `on_unsupported="adapt"`, an assistant message in between.
    """
    found: list[Json] = []
    for message in messages:
        if message.get("role") == "user" and found and found[-1].get("role") == "tool":
            found.append(_bridge(call))
        found.append(_encode_message(message))
    return found


def _bridge(call: Call) -> Json:
    reason = "with Mistral's tokenizer no user message may come right after a tool's result"
    if call.on_unsupported != "adapt":
        msg = f'{reason}: put an assistant message in between, or choose on_unsupported="adapt" to have one added.'
        raise InvalidRequest(msg)
    unsupported(call, "messages", _BRIDGE, reason=reason, nearest=f"an assistant message {_BRIDGE!r} stands in between")
    return {"role": "assistant", "content": _BRIDGE}


def _encode_message(message: Json) -> Json:
    if message.get("role") == "tool":
        return {**message, "tool_call_id": nine(message.get("tool_call_id") or "")}
    if message.get("tool_calls"):
        return {**message, "tool_calls": [{**made, "id": nine(made.get("id") or "")} for made in message["tool_calls"]]}
    return message


def nine(tool_call_id: str) -> str:
    """Return the id if it has nine letters and digits, else nine that are the same whenever it is asked for.

    Two ids of one conversation share theirs with a probability of 1 in 35 million million (32 ** 9).
    """
    if _NINE.fullmatch(tool_call_id):
        return tool_call_id
    return base64.b32encode(hashlib.sha256(tool_call_id.encode()).digest()).decode()[:9]
