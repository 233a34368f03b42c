"""A message's content: text for every role but the user's, who may send pictures, video and sound too.

https://docs.together.ai/reference/chat-completions
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.core import unsupported

if TYPE_CHECKING:
    from dragoman.core import Call, Json

_USER_PARTS = frozenset({"text", "image_url", "video_url", "audio_url", "input_audio"})


def fit_message(call: Call, message: Json) -> Json:
    """Return the message with content that its role can have; what cannot be sent is for the policy to decide."""
    content = message.get("content")
    if content is None and message.get("role") != "assistant":
        return {**message, "content": ""}
    if not isinstance(content, list):
        return message
    if message.get("role") == "user":
        return {**message, "content": [part for part in content if _is_sent(call, part)] or ""}
    texts = [text for part in content if (text := _text_of(call, message.get("role"), part)) is not None]
    return {**message, "content": "".join(texts)}


def _text_of(call: Call, role: Any, part: Any) -> str | None:
    kind = part.get("type")
    if kind in {"text", "refusal"}:
        return part.get(kind) or ""
    unsupported(call, f"messages.content.{kind}", part, reason=f"messages of role {role} are text only")
    return None


def _is_sent(call: Call, part: Json) -> bool:
    kind = part.get("type")
    form = (part.get("input_audio") or {}).get("format", "wav")
    if kind not in _USER_PARTS:
        unsupported(call, f"messages.content.{kind}", part, reason=f"it reads no content of type {kind}")
        return False
    if form != "wav":
        unsupported(call, "messages.content.input_audio", part, reason=f"it reads wav audio only, not {form}")
        return False
    return True
