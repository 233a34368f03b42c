"""OpenAI's chat request -> llama.cpp's: the same wire, with the differences in one table each.

Source: https://github.com/ggml-org/llama.cpp/tree/master/tools/server (POST /v1/chat/completions)
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dragoman.core import is_default, strip_peer_keys, unsupported

if TYPE_CHECKING:
    from dragoman.core import Call, Json

#: Parameters that the engine would pass over in silence.
_ABSENT = {
    "audio": "llama.cpp generates text only",
    "function_call": "llama.cpp knows tools, not the older functions",
    "functions": "llama.cpp knows tools, not the older functions",
    "metadata": "llama.cpp stores nothing",
    "modalities": "llama.cpp generates text only",
    "moderation": "llama.cpp does not moderate",
    "prediction": "llama.cpp takes no predicted output",
    "prompt_cache_key": "llama.cpp caches by the prompt itself",
    "prompt_cache_options": "llama.cpp caches by the prompt itself",
    "prompt_cache_retention": "llama.cpp caches by the prompt itself",
    "safety_identifier": "llama.cpp does not report users",
    "service_tier": "llama.cpp has no tiers",
    "store": "llama.cpp stores nothing",
    "user": "llama.cpp does not report users",
    "verbosity": "llama.cpp has no such setting",
    "web_search_options": "llama.cpp does not search the web",
}
#: Under this key a model's arguments stand that were no JSON object: templates want one.
_INVALID = "INVALID_JSON"


def encode_chat(call: Call, *, parallel_tool_calls: bool = False) -> Json:
    """Return the body for `/chat/completions`.

    `parallel_tool_calls` asks for several calls at once where the caller left it open: that is OpenAI's
    default and not the engine's.
    """
    chat = {key: value for key, value in call.request.items() if value is not None}
    chat["messages"] = [encode_message(message) for message in chat.get("messages") or ()]
    for param, reason in _ABSENT.items():
        if param in chat:
            unsupported(call, param, chat.pop(param), reason=reason)
    if "max_completion_tokens" in chat:
        # Only newer builds know the newer name.
        chat["max_tokens"] = chat.pop("max_completion_tokens")
    if chat.get("tools"):
        _encode_tool_choice(call, chat)
        if parallel_tool_calls:
            chat.setdefault("parallel_tool_calls", True)
    return chat


def encode_message(message: Json) -> Json:
    """Return the message without what only other providers know; thoughts stay, templates read them."""
    wire = strip_peer_keys(message)
    if wire.get("role") == "developer":
        return {**wire, "role": "system"}
    if wire.get("role") != "assistant":
        return wire
    wire = dict(wire)
    thoughts = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(thoughts, str):
        wire["reasoning_content"] = thoughts
    if wire.get("content") is None and not wire.get("tool_calls"):
        wire["content"] = ""
    if wire.get("tool_calls"):
        wire["tool_calls"] = [_encode_call(call) for call in wire["tool_calls"]]
    return wire


def _encode_call(call: Json) -> Json:
    function = call.get("function")
    if not isinstance(function, dict):
        return call
    return {**call, "function": {**function, "arguments": _encode_arguments(function.get("arguments"))}}


def _encode_arguments(text: str | None) -> str:
    """Make arguments an object's JSON: the engine fails on anything else, be it the model's own doing."""
    if text is None or not text.strip():
        return "{}"
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if isinstance(value, dict):
        return text
    return "{}" if value is None else json.dumps({_INVALID: text})


def _encode_tool_choice(call: Call, chat: Json) -> None:
    """The engine reads words only; an object it takes for "auto", without a word."""
    choice = chat.get("tool_choice")
    if not isinstance(choice, dict):
        return
    name = (choice.get("function") or {}).get("name")
    chosen = [tool for tool in chat["tools"] if (tool.get("function") or {}).get("name") == name]
    if choice.get("type") == "function" and chosen == chat["tools"]:
        chat["tool_choice"] = "required"
        return
    reason = "llama.cpp cannot be made to call one tool of several"
    hint = 'send only that tool, with tool_choice="required"'
    nearest = f"only {name} is offered, and a call is required" if chosen else ""
    del chat["tool_choice"]
    if unsupported(call, "tool_choice", choice, reason=reason, hint=hint, nearest=nearest):
        chat["tools"], chat["tool_choice"] = chosen, "required"


def encode_rehearsal(chat: Json) -> Json:
    """Return what the rehearsal model's template wants to know and the engine does not tell templates."""
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
