"""OpenAI's chat request -> OpenAI's wire: the same, but for the few things its models refuse.

Which parameters reasoning models refuse is documented at
https://platform.openai.com/docs/guides/reasoning. Only families whose refusals are known are treated; for
every other model, and at every other address, the request goes out as it came and the server's 400 speaks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from dragoman.core import strip_peer_keys, unsupported

if TYPE_CHECKING:
    from dragoman.core import Call, Json

#: Reasoning models. `max_tokens` was renamed for all of them.
_REASONING = re.compile(r"(?:ft:)?(?:o\d|gpt-[5-9])(?!.*chat)")
#: Those that always reason: they take sampling parameters at their defaults only. Later ones can be told
#: not to reason, and then take them.
_ALWAYS_REASONING = re.compile(r"(?:ft:)?(?:o\d|gpt-5(?![.\d]))(?!.*chat)")
_NO_STOP = re.compile(r"(?:ft:)?(?:o3(?!-mini)|o4-mini|gpt-5(?![.\d]))(?!.*chat)")
_SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias")


def encode_chat(call: Call, *, own_address: bool) -> Json:
    """Return the body for `chat/completions`; `own_address`: OpenAI itself is asked, not a compatible server."""
    chat = dict(call.request)
    chat["messages"] = [encode_message(message, own_address=own_address) for message in chat["messages"]]
    if own_address:
        _fit_reasoning_model(call, chat)
    return chat


def encode_message(message: Json, *, own_address: bool) -> Json:
    """Leave out what only other providers' histories have.

    At OpenAI itself that is every key of theirs. A compatible server may own some of them (DeepSeek wants
    its `reasoning_content` back, Gemini its part of `extra_content`), so there only dragoman's own go.
    """
    message = strip_peer_keys(message) if own_address else _without_carry(message)
    # Frameworks leave out what is null, such as the content of a refusal.
    silent = message.get("content") is None and message.get("role") == "assistant"
    if silent and not any(message.get(key) for key in ("audio", "function_call", "tool_calls")):
        message = {**message, "content": ""}
    if own_address and any(key in message and message[key] is None for key in ("audio", "function_call")):
        return {key: value for key, value in message.items() if key not in {"audio", "function_call"} or value}
    return message


def _without_carry(message: Json) -> Json:
    """Leave out what dragoman keeps in `extra_content`: its own report, and sealed data of other providers."""
    extra = message.get("extra_content")
    if not isinstance(extra, dict):
        return message
    foreign = {key: value for key, value in extra.items() if key != "dragoman" and not _is_sealed(value)}
    rest = {key: value for key, value in message.items() if key != "extra_content"}
    return {**rest, "extra_content": foreign} if foreign else rest


def _is_sealed(value: Any) -> bool:
    return isinstance(value, dict) and "visible" in value


def _fit_reasoning_model(call: Call, chat: Json) -> None:
    model = call.model
    if not _REASONING.match(model):
        return
    if chat.get("max_tokens") is not None:
        older, newer = chat.pop("max_tokens"), chat.get("max_completion_tokens")
        if newer is None:
            chat["max_completion_tokens"] = older
        elif newer != older:
            unsupported(call, "max_tokens", older, reason="max_completion_tokens is given too, and wins")
    refused = _SAMPLING if _ALWAYS_REASONING.match(model) else ()
    for param in (*refused, *(("stop",) if _NO_STOP.match(model) else ())):
        if param in chat and chat[param] is not None:
            reason = f"{model} is a reasoning model and takes no {param} but the default"
            unsupported(call, param, chat.pop(param), reason=reason)
