"""OpenAI's chat request -> Anthropic's Messages request, as a table of parameters.

Source: https://platform.claude.com/docs/en/api/messages/create, with the anthropic SDK's `MessageCreateParams`
for the types.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from dragoman.anthropic.caching import limit_breakpoints
from dragoman.anthropic.choice import encode_choice, encode_function_call, encode_parallel
from dragoman.anthropic.draft import Draft
from dragoman.anthropic.formats import encode_format
from dragoman.anthropic.messages import encode_messages
from dragoman.anthropic.models import DEFAULT_MAX_TOKENS, facts_of
from dragoman.anthropic.names import answers_in_function_call
from dragoman.anthropic.sampling import encode_temperature, encode_top_p, version_header
from dragoman.anthropic.thinking import check_replay, encode_effort
from dragoman.anthropic.tools import encode_functions, encode_tools, encode_web_search
from dragoman.core import InvalidRequest, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dragoman.anthropic.models import FactsFor
    from dragoman.core import Call

    Encoder = Callable[[Draft, Any], None]

MAX_USER_ID = 256
#: The API refuses user ids that look like a mail address or a telephone number.
_PERSONAL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|\+?[\d\s()./-]{7,}")
_SERVICE_TIERS = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}


def encode_request(call: Call, facts_for: FactsFor = facts_of) -> Wire:
    """Translate a chat request for `POST /v1/messages`.

    The body's `max_tokens` is the caller's limit, or else the model's own maximum (streamed or not: the request goes
    through the SDK's low-level `post` with an explicit timeout, where the SDK's cap for long answers does not apply).
    Keys of the request that are not OpenAI's go to the wire untouched and win over the translation. `headers` holds
    what only this request needs. `call.request` is not changed; what was left out or adapted stands in `call.ledger`.

    Raises `UnsupportedParameter` as the caller's `on_unsupported` has it, `InvalidRequest` for what cannot be valid.
    """
    draft = _drafted(call, PARAMETERS, facts_for)
    return Wire(path="/v1/messages", body=draft.body, headers=version_header(draft))


def encode_count_tokens(call: Call, facts_for: FactsFor = facts_of) -> Wire:
    """Translate a chat request for `POST /v1/messages/count_tokens`, which takes what makes up the prompt only.

    Source: https://platform.claude.com/docs/en/api/messages/count_tokens. Server tools are refused there.
    """
    draft = _drafted(call, COUNTED, facts_for)
    body = {key: value for key, value in draft.body.items() if key not in _UNCOUNTED}
    served = [tool for tool in body.get("tools", ()) if str(tool.get("type")).startswith(_SERVED)]
    if served:
        draft.unsupported(
            "tools", served, reason="server tools cannot be counted", nearest="they were left out of the count"
        )
        body["tools"] = [tool for tool in body["tools"] if tool not in served]
    if not body.get("tools"):
        body = {key: value for key, value in body.items() if key not in {"tools", "tool_choice"}}
    return Wire(path="/v1/messages/count_tokens", body=body)


def _drafted(call: Call, parameters: Mapping[str, Encoder], facts_for: FactsFor) -> Draft:
    chat = call.request
    model = chat.get("model")
    if not isinstance(model, str) or not model:
        msg = "model is missing. Name one of the provider's models."
        raise InvalidRequest(msg)
    facts = facts_for(model)
    extras = {key: value for key, value in chat.items() if key not in PARAMETERS}
    added = {key: value for key, value in call.extra_body.items() if key not in PARAMETERS}
    draft = Draft(call, facts, {**extras, **added})
    draft.body.update(model=model, max_tokens=facts.max_output or DEFAULT_MAX_TOKENS)
    for name, encode in parameters.items():
        value = chat.get(name)
        if value is not None or name == "messages":
            encode(draft, value)
    if answers_in_function_call(chat):
        encode_parallel(draft, False)
    limit_breakpoints(draft.body, draft.extras.get("cache_control"))
    draft.body.update(extras)
    return draft


def _model(draft: Draft, value: str) -> None:
    draft.body["model"] = value


def _stream(draft: Draft, value: bool) -> None:
    if value is True:
        draft.body["stream"] = True


def _max_completion_tokens(draft: Draft, value: int) -> None:
    _limit(draft, "max_completion_tokens", value)


def _max_tokens(draft: Draft, value: int) -> None:
    newer = draft.call.request.get("max_completion_tokens")
    if newer is None:
        _limit(draft, "max_tokens", value)
    elif newer != value:
        draft.unsupported("max_tokens", value, reason="max_completion_tokens is given too, and wins")


def _limit(draft: Draft, param: str, value: Any) -> None:
    if type(value) is not int:
        msg = f"{param} is {value!r}. Give a whole number."
        raise InvalidRequest(msg)
    most = draft.facts.max_output
    if most is None or value <= most:
        draft.body["max_tokens"] = value
    else:
        draft.unsupported(param, value, reason=f"this model writes at most {most} tokens", nearest=f"clamped to {most}")


def _messages(draft: Draft, value: Any) -> None:
    encode_messages(draft, value)
    check_replay(draft)


def _sampled(param: str, encode: Encoder) -> Encoder:
    """Check that a sampling parameter is a number."""

    def checked(draft: Draft, value: Any) -> None:
        if not isinstance(value, int | float):
            msg = f"{param} is {value!r}. Give a number."
            raise InvalidRequest(msg)
        encode(draft, value)

    return checked


def _stop(draft: Draft, value: Any) -> None:
    """Only sequences with something visible in them are accepted."""
    sequences = value if isinstance(value, list) else [value]
    if not all(isinstance(sequence, str) for sequence in sequences):
        msg = "stop is neither a string nor a list of strings. Send one of them."
        raise InvalidRequest(msg)
    usable = [sequence for sequence in sequences if sequence.strip()]
    if usable != sequences:
        draft.unsupported(
            "stop",
            value,
            reason="stop sequences of white space only are refused",
            nearest="sequences of white space only were left out",
        )
    if usable:
        draft.body["stop_sequences"] = usable


def _safety_identifier(draft: Draft, value: str) -> None:
    _user_id(draft, "safety_identifier", value)


def _user(draft: Draft, value: str) -> None:
    if draft.call.request.get("safety_identifier") is None:
        _user_id(draft, "user", value)


def _user_id(draft: Draft, param: str, value: Any) -> None:
    """An opaque id of the end user; one that tells who it is, is refused, and hashing it is not ours to decide."""
    if not isinstance(value, str):
        msg = f"{param} is a {type(value).__name__}. Send a string."
        raise InvalidRequest(msg)
    if len(value) <= MAX_USER_ID and not _PERSONAL.fullmatch(value.strip()):
        draft.body["metadata"] = {"user_id": value}
        return
    draft.call.ledger.dropped.append(param)
    draft.warn(
        param,
        f"{param} was left out: Anthropic refuses ids that are a mail address, a telephone number or longer than "
        f"{MAX_USER_ID} characters. Send an opaque id instead.",
    )


def _service_tier(draft: Draft, value: str) -> None:
    tier = _SERVICE_TIERS.get(value)
    if tier is not None:
        draft.body["service_tier"] = tier
        return
    nearest = '"auto", which uses priority capacity where the account has it' if value == "priority" else ""
    if draft.unsupported("service_tier", value, reason=f"there is no tier {value!r}", nearest=nearest):
        draft.body["service_tier"] = "auto"


def _refused(param: str, reason: str) -> Encoder:
    """A parameter without any equivalent: the caller's policy decides, or it is a default or a hint after all."""

    def refuse(draft: Draft, value: Any) -> None:
        draft.unsupported(param, value, reason=reason)

    return refuse


def _hint(param: str) -> Encoder:
    """A parameter without effect on the answer: it is left out, with a line in the log."""
    return _refused(param, "there is no such hint")


#: Every parameter of OpenAI's `chat.completions.create`, in the order in which they are encoded: later ones look
#: at what earlier ones wrote (thinking needs the limit; the choice needs the tools; sampling depends on thinking).
PARAMETERS: Mapping[str, Encoder] = {
    "model": _model,
    "stream": _stream,
    "max_completion_tokens": _max_completion_tokens,
    "max_tokens": _max_tokens,
    "reasoning_effort": encode_effort,
    "tools": encode_tools,
    "functions": encode_functions,
    "web_search_options": encode_web_search,
    "messages": _messages,
    "tool_choice": encode_choice,
    "function_call": encode_function_call,
    "parallel_tool_calls": encode_parallel,
    "response_format": encode_format,
    "temperature": _sampled("temperature", encode_temperature),
    "top_p": _sampled("top_p", encode_top_p),
    "stop": _stop,
    "safety_identifier": _safety_identifier,
    "user": _user,
    "service_tier": _service_tier,
    "audio": _refused("audio", "there is no audio"),
    "frequency_penalty": _refused("frequency_penalty", "there are no penalties"),
    "logit_bias": _refused("logit_bias", "tokens cannot be weighted"),
    "logprobs": _refused("logprobs", "there are no log probabilities"),
    "modalities": _refused("modalities", "answers are text"),
    "moderation": _refused("moderation", "there is no moderation of requests"),
    "n": _refused("n", "a request has one answer"),
    "prediction": _refused("prediction", "there are no predicted outputs"),
    "presence_penalty": _refused("presence_penalty", "there are no penalties"),
    "seed": _refused("seed", "sampling cannot be seeded"),
    "top_logprobs": _refused("top_logprobs", "there are no log probabilities"),
    "verbosity": _refused("verbosity", "the length of answers is asked for in the prompt"),
    "metadata": _hint("metadata"),
    "prompt_cache_key": _hint("prompt_cache_key"),
    "prompt_cache_options": _hint("prompt_cache_options"),
    "prompt_cache_retention": _hint("prompt_cache_retention"),
    "store": _hint("store"),
    "stream_options": _hint("stream_options"),
}

#: What makes up a prompt; the limit is there for the thinking budget alone.
COUNTED: Mapping[str, Encoder] = {
    name: PARAMETERS[name]
    for name in (
        "model",
        "max_completion_tokens",
        "max_tokens",
        "reasoning_effort",
        "tools",
        "functions",
        "web_search_options",
        "messages",
        "tool_choice",
        "function_call",
        "parallel_tool_calls",
        "response_format",
    )
}
#: Types of the tools that run on Anthropic's side.
_SERVED = ("advisor_", "code_execution_", "mcp_toolset", "tool_search_tool_", "web_fetch_", "web_search_")
#: Anthropic's keys that say nothing about the prompt; `count_tokens` does not take them.
_UNCOUNTED = frozenset(
    {
        "container",
        "diagnostics",
        "inference_geo",
        "max_tokens",
        "metadata",
        "service_tier",
        "speed",
        "stop_sequences",
        "temperature",
        "top_k",
        "top_p",
    }
)
