"""Provider-only data that travels with the assistant message, and comes back unharmed.

One key, `extra_content: {"<provider>": {…}}`, JSON only. A provider keeps there what OpenAI's schema has
no place for, next to a digest of what the caller can see. If the caller sends the message back unedited,
the digest fits and the provider's own data go to the wire again, exactly; if not, they are stale.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dragoman.core.provider import Json

#: Keys of assistant messages, and of their tool calls, that peers use for reasoning and the like; OpenAI accepts none.
PEER_KEYS = frozenset(
    {
        "extra_content",
        "provider_specific_fields",
        "reasoning",
        "reasoning_content",
        "reasoning_details",
        "thinking_blocks",
    }
)


def digest(message: Json) -> str:
    """SHA-256 over what the caller sees of an assistant message: content, refusal, tool calls."""
    calls = [
        [call.get("id"), *_called(call.get("function") or call.get("custom"))]
        for call in message.get("tool_calls") or ()
        if isinstance(call, dict)
    ]
    if message.get("function_call"):
        calls.append([None, *_called(message["function_call"])])
    # An absent, null and empty text are the same to a reader, and frameworks turn one into the other.
    visible = [message.get("content") or "", message.get("refusal") or "", calls]
    text = json.dumps(visible, ensure_ascii=True, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _called(function: Any) -> list[Any]:
    """Name and text of a function call or of a custom tool's call; histories may hold anything in its place."""
    if not isinstance(function, dict):
        return [function, ""]
    return [function.get("name"), function.get("arguments") or function.get("input") or ""]


def pack(message: Json, provider: str, data: Json) -> Json:
    """Return the `extra_content` for an assistant message: `data` under the provider's name, sealed."""
    return {provider: {**data, "visible": digest(message)}}


def unpack(message: Json, provider: str) -> tuple[Json | None, bool]:
    """Read back what `pack` wrote: the data (None if there are none), and whether the message is unedited."""
    extra = message.get("extra_content")
    data = extra.get(provider) if isinstance(extra, dict) else None
    if not isinstance(data, dict):
        return None, False
    return data, data.get("visible") == digest(message)


def strip_peer_keys(message: Json) -> Json:
    """Return the message without the keys that only some provider's history knows, in its tool calls neither.

    It is the message itself if it has none.
    """
    if "tool_calls" in message and isinstance(calls := message["tool_calls"], list) and not all(map(_is_bare, calls)):
        message = {**message, "tool_calls": [call if _is_bare(call) else _stripped(call) for call in calls]}
    return message if PEER_KEYS.isdisjoint(message) else _stripped(message)


def _is_bare(call: Any) -> bool:
    return not isinstance(call, dict) or PEER_KEYS.isdisjoint(call)


def _stripped(holder: Json) -> Json:
    return {key: value for key, value in holder.items() if key not in PEER_KEYS}
