"""OpenAI's chat request -> Ollama's, as tables of parameters.

Source: https://docs.ollama.com/api/chat.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.core import unsupported
from dragoman.ollama.extras import merge_extras
from dragoman.ollama.messages import encode_messages
from dragoman.ollama.thinking import encode_effort
from dragoman.ollama.tools import encode_tools

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.core import Call, Json

#: OpenAI's parameters that are options of Ollama's.
_OPTIONS: Mapping[str, str] = {
    "frequency_penalty": "frequency_penalty",
    "max_tokens": "num_predict",
    "max_completion_tokens": "num_predict",
    "presence_penalty": "presence_penalty",
    "seed": "seed",
    "stop": "stop",
    "temperature": "temperature",
    "top_p": "top_p",
}
#: Parameters that Ollama has no place for, in neither of its two interfaces.
ABSENT: Mapping[str, str] = {
    "audio": "Ollama's chats are text",
    "function_call": "Ollama knows tools, not the older functions",
    "functions": "Ollama knows tools, not the older functions",
    "logit_bias": "Ollama cannot weight tokens",
    "metadata": "Ollama stores nothing",
    "modalities": "Ollama's chats are text",
    "moderation": "Ollama does not moderate",
    "n": "Ollama gives one answer to a request",
    "parallel_tool_calls": "Ollama leaves the number of calls to the model",
    "prediction": "Ollama takes no predicted output",
    "prompt_cache_key": "Ollama caches by the prompt itself",
    "prompt_cache_options": "Ollama caches by the prompt itself",
    "prompt_cache_retention": "Ollama caches by the prompt itself",
    "safety_identifier": "Ollama does not report users",
    "service_tier": "Ollama has no tiers",
    "store": "Ollama stores nothing",
    "user": "Ollama does not report users",
    "verbosity": "Ollama has no such setting",
    "web_search_options": "Ollama's chats do not search the web",
}
#: Parameters that are sent as they are.
_SENT = ("logprobs", "top_logprobs")
_TRANSLATED = frozenset(
    {"messages", "model", "reasoning_effort", "response_format", "stream", "stream_options", "tool_choice", "tools"}
)
_KNOWN = frozenset({*_OPTIONS, *ABSENT, *_SENT, *_TRANSLATED})


def encode_chat(call: Call) -> Json:
    """Return the body for `POST /api/chat`.

    Keys of the request that are not OpenAI's are taken for Ollama's own, by their own names. Raises
    `UnsupportedParameter` as the caller's `on_unsupported` has it, `InvalidRequest` for what cannot be valid.
    """
    chat = {name: value for name, value in call.request.items() if value is not None}
    for param, reason in ABSENT.items():
        if param in chat:
            unsupported(call, param, chat[param], reason=reason)
    body: Json = {
        "model": call.model,
        "messages": encode_messages(call, chat.get("messages")),
        # Ollama streams unless it is told not to.
        "stream": call.stream,
        "tools": encode_tools(call),
        "format": _format(call, chat.get("response_format")),
        "think": _think(call, chat.get("reasoning_effort")),
        "options": _options(call, chat),
        **{name: chat[name] for name in _SENT if name in chat},
    }
    body = {name: value for name, value in body.items() if value not in (None, [], {})}
    return merge_extras(body, {name: value for name, value in chat.items() if name not in _KNOWN})


def _options(call: Call, chat: Json) -> Json:
    older, newer = chat.get("max_tokens"), chat.get("max_completion_tokens")
    if None not in (older, newer) and older != newer:
        unsupported(call, "max_tokens", older, reason="max_completion_tokens is given too, and wins")
    options = {own: chat[param] for param, own in _OPTIONS.items() if param in chat}
    if isinstance(options.get("stop"), str):
        options["stop"] = [options["stop"]]
    return options


def _think(call: Call, effort: str | None) -> bool | str | None:
    level = encode_effort(call, effort, own_name="think") if effort else None
    return False if level == "none" else level


def _format(call: Call, wanted: Any) -> Any:
    """Return "json", a JSON schema, or None for text."""
    kind = (wanted or {}).get("type", "text")
    if kind == "json_schema":
        return (wanted.get("json_schema") or {}).get("schema") or "json"
    if kind == "json_object":
        return "json"
    if kind != "text":
        unsupported(call, "response_format", wanted, reason=f"Ollama has no format {kind!r}")
    return None
