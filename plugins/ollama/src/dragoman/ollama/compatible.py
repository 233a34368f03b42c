"""Ollama's own OpenAI endpoint, `/v1`: what it passes over or refuses of OpenAI's wire.

Source: https://docs.ollama.com/api/openai-compatibility, and openai/openai.go in Ollama's source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dragoman.core import CompatibleProvider, InvalidRequest, warn_once
from dragoman.ollama.extras import OPTIONS
from dragoman.ollama.request import ABSENT
from dragoman.ollama.thinking import encode_effort
from dragoman.ollama.tools import encode_tools

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.core import Call, Json, Wire

#: Options that the endpoint has names for, those of OpenAI's.
_SHARED = frozenset({"frequency_penalty", "presence_penalty", "seed", "stop", "temperature", "top_p"})


class OpenAIEndpoint(CompatibleProvider):
    """The dialect of `/v1`. Its base URL is the server's root: `/v1` is part of the paths."""

    absent: ClassVar[Mapping[str, str]] = ABSENT
    renamed: ClassVar[Mapping[str, str]] = {"max_completion_tokens": "max_tokens"}
    reasoning_keys: ClassVar[tuple[str, ...]] = ("reasoning",)

    def encode(self, call: Call) -> Wire:
        """Fit chats to the dialect; the other endpoints are OpenAI's own."""
        wire = super().encode(call)
        wire.path = f"/v1{wire.path}"
        for name in sorted(call.extra_body.keys() & (OPTIONS - _SHARED)):
            text = f"{call.provider}: {name} has no effect at Ollama's OpenAI endpoint; the native API has it."
            warn_once(call.provider, f"extra_body.{name}", text)
        return wire

    def encode_chat(self, call: Call) -> Json:
        """Return the body; the choice among tools is made by what is offered."""
        chat = super().encode_chat(call)
        effort = chat.pop("reasoning_effort", None)
        level = encode_effort(call, effort, own_name="reasoning_effort") if effort else None
        if level:
            chat["reasoning_effort"] = level
        chat.pop("tool_choice", None)
        tools = encode_tools(call)
        if tools:
            return {**chat, "tools": tools}
        chat.pop("tools", None)
        return chat

    def encode_message(self, message: Json) -> Json:
        """Return the message with a text for its content: of a list, Ollama makes a message of each part."""
        wire = super().encode_message(_with_tools(message))
        content = wire.get("content")
        if content is None and not wire.get("tool_calls"):
            return {**wire, "content": ""}
        if not isinstance(content, list):
            return wire
        if all(isinstance(part, dict) and part.get("type") == "text" for part in content):
            return {**wire, "content": "".join(part.get("text") or "" for part in content)}
        for part in content:
            _check(part, wire)
        return wire


def _with_tools(message: Json) -> Json:
    """Say the older function interface, which the endpoint passes over; the name makes the id that its calls lack."""
    function = message if message.get("role") == "function" else message.get("function_call")
    if not function:
        return message
    name = function.get("name")
    if not name:
        msg = "a function call or result in the history is without a name. Send it as it was received."
        raise InvalidRequest(msg)
    call_id = f"call_{name}"
    if function is message:
        return {**message, "role": "tool", "tool_call_id": call_id}
    call = {"id": call_id, "type": "function", "function": function}
    rest = {key: value for key, value in message.items() if key != "function_call"}
    return {**rest, "tool_calls": [*(message.get("tool_calls") or ()), call]}


def _check(part: Any, message: Json) -> None:
    """Refuse what would be lost or is known to fail."""
    kind, role = (part.get("type") if isinstance(part, dict) else None), message.get("role")
    if kind not in {"text", "image_url"} or role != "user":
        msg = (
            f"Ollama's OpenAI endpoint has no place for a part of type {kind!r} in a message of {role!r}. Leave it out."
        )
        raise InvalidRequest(msg)
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    if kind == "image_url" and not str(url).lower().startswith("data:"):
        msg = "Ollama does not download images. Download it and send a data: URL."
        raise InvalidRequest(msg)
