"""What the rehearsal model's template wants to know of a request, and the engine does not tell templates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core import is_default

if TYPE_CHECKING:
    from dragoman.core import Json


def encode_rehearsal(chat: Json) -> Json:
    """Return the body with these facts among the template's arguments."""
    told: Json = {}
    if not is_default("parallel_tool_calls", chat.get("parallel_tool_calls")):
        told["calls"] = 1
    if chat.get("tool_choice") == "none":
        told["tool_choice"] = "none"
    form = chat.get("response_format") or {}
    if form.get("type") == "json_schema":
        told["schema"] = (form.get("json_schema") or form).get("schema") or {}
    elif form.get("type") == "json_object":
        told["schema"] = form.get("schema") or {"type": "object", "properties": {"answer": {"type": "string"}}}
    return {**chat, "chat_template_kwargs": {"rehearsal": told}} if told else chat
