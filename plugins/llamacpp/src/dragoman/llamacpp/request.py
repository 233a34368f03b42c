"""OpenAI's chat request -> llama.cpp's: the same wire, but for a few parameters.

Source: https://github.com/ggml-org/llama.cpp/tree/master/tools/server (POST /v1/chat/completions)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core import is_default, unsupported

if TYPE_CHECKING:
    from dragoman.core import Call, Json

#: Parameters that the engine would pass over in silence.
ABSENT = {
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


def encode_tool_choice(call: Call, chat: Json) -> None:
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
