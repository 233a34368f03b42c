"""Anthropic's Messages request -> OpenAI's chat request, as a table of parameters.

It is `dragoman.anthropic`'s table read backwards, so that a request to Claude that comes through here is the same again
on its wire. Source: https://platform.claude.com/docs/en/api/messages/create, with the anthropic SDK's
`MessageCreateParams` for the types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.core import InvalidRequest
from dragoman.server.messages.draft import Draft
from dragoman.server.messages.history import decode_messages
from dragoman.server.messages.tools import decode_choice, decode_tools

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dragoman.core import Json, Ledger, OnUnsupported
    from dragoman.server.messages.target import Target

    Decoder = Callable[[Draft, Any], None]

#: The longest id of an end user that OpenAI takes.
_LONGEST_ID = 64
#: Tokens for thinking from which on a level of effort is meant, as `dragoman.anthropic` has it the other way round.
_BUDGETS = ((16384, "high"), (4096, "medium"), (0, "low"))
#: Keys that are for dragoman and no part of the request.
OURS = frozenset({"dragoman", "extra_body"})


def decode_request(body: Json, target: Target, policy: OnUnsupported = "raise") -> tuple[Json, Ledger]:
    """Translate a Messages request for `chat/completions`; also return what was left out or adapted.

    Keys that no table knows go to the provider's wire as they are, as a client's `extra_body` does. `body` is not
    changed. Raises `UnsupportedParameter` as the policy has it, `InvalidRequest` for what cannot be valid.
    """
    draft = Draft(body, target, policy)
    for name, value in body.items():
        decode = None if draft.native and name in NATIVE else PARAMETERS.get(name)
        if name in OURS:
            draft.chat[name] = value
        elif value is None and name != "messages":
            continue
        elif decode is not None:
            decode(draft, value)
        elif draft.native:
            draft.chat[name] = value
        else:
            draft.extra_body[name] = value
    _check(draft)
    # The choice looks at the tools, wherever it stands.
    if body.get("tool_choice") is not None:
        decode_choice(draft, body["tool_choice"])
    if draft.extra_body:
        draft.chat["extra_body"] = {**draft.extra_body, **(draft.chat.get("extra_body") or {})}
    return draft.chat, draft.ledger


def _check(draft: Draft) -> None:
    if not isinstance(draft.chat.get("extra_body"), dict | None):
        msg = "extra_body: send an object"
        raise InvalidRequest(msg)
    if not isinstance(draft.body.get("model"), str) or not draft.body["model"]:
        msg = "model: name a model, such as 'anthropic/claude-sonnet-4-5'"
        raise InvalidRequest(msg)
    limit = draft.body.get("max_tokens")
    if type(limit) is not int or limit < 1:
        msg = "max_tokens: send a whole number from 1 on"
        raise InvalidRequest(msg)
    if "messages" not in draft.chat:
        msg = "messages: field required"
        raise InvalidRequest(msg)


def _as(name: str) -> Decoder:
    """A parameter that only has another name."""

    def rename(draft: Draft, value: Any) -> None:
        draft.chat[name] = value

    return rename


def _later(draft: Draft, value: Any) -> None:
    """A parameter that another one's decoder reads."""


def _stream(draft: Draft, value: Any) -> None:
    """A stream always tells its usage in this dialect."""
    if not isinstance(value, bool):
        msg = "stream: send true or false"
        raise InvalidRequest(msg)
    if value:
        draft.chat.update(stream=True, stream_options={"include_usage": True})


def _stop(draft: Draft, value: Any) -> None:
    if value:
        draft.chat["stop"] = value


def _top_k(draft: Draft, value: Any) -> None:
    if "top_k" in draft.target.reads:
        draft.extra_body["top_k"] = value
    else:
        draft.unsupported("top_k", value, reason="it does not choose among a number of tokens", hint="use top_p")


def _metadata(draft: Draft, value: Any) -> None:
    """The end user's id. One that is too long for OpenAI is left out: it is a hint, and not ours to shorten."""
    user = value.get("user_id") if isinstance(value, dict) else None
    if not isinstance(user, str) or not user:
        return
    if draft.native or len(user) <= _LONGEST_ID:
        draft.chat["safety_identifier"] = user
    else:
        draft.drop("metadata.user_id")


def _thinking(draft: Draft, value: Any) -> None:
    """Whether to think, and how much: a level of effort, for which a budget stands where none is given."""
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "disabled":
        draft.chat["reasoning_effort"] = "none"
    elif kind == "enabled":
        if _effort_of(draft.body) is None:
            level = _level(value.get("budget_tokens"))
            draft.chat["reasoning_effort"] = level
            draft.ledger.adapted["thinking"] = f'reasoning_effort "{level}"'
    elif not isinstance(kind, str) or kind not in {"adaptive", "between_tools"}:
        msg = f"thinking: use type enabled, adaptive or disabled, not {kind!r}"
        raise InvalidRequest(msg)


def _level(budget: Any) -> str:
    tokens = budget if isinstance(budget, int) else 0
    return next((level for least, level in _BUDGETS if tokens >= least), "low")


def _effort_of(body: Json) -> Any:
    config = body.get("output_config")
    return config.get("effort") if isinstance(config, dict) else None


def _output_config(draft: Draft, value: Any) -> None:
    if not isinstance(value, dict):
        msg = "output_config: send an object"
        raise InvalidRequest(msg)
    thinking = draft.body.get("thinking")
    if value.get("effort") is not None and not (isinstance(thinking, dict) and thinking.get("type") == "disabled"):
        draft.chat["reasoning_effort"] = value["effort"]
    if value.get("format") is not None:
        _format(draft, value["format"])
    for key in value.keys() - {"effort", "format"}:
        draft.unsupported(f"output_config.{key}", value[key], reason="there is no such setting")


def _format(draft: Draft, value: Any) -> None:
    """A format is always enforced in this dialect, and has no name."""
    if not isinstance(value, dict) or value.get("type") != "json_schema" or not isinstance(value.get("schema"), dict):
        msg = "output_config.format: send type json_schema and a schema"
        raise InvalidRequest(msg)
    schema = {"name": "answer", "schema": value["schema"], "strict": True}
    draft.chat["response_format"] = {"type": "json_schema", "json_schema": schema}


def _service_tier(draft: Draft, value: Any) -> None:
    if value == "standard_only":
        draft.chat["service_tier"] = "default"
    elif value != "auto":
        draft.chat["service_tier"] = value


def _speed(draft: Draft, value: Any) -> None:
    if value != "standard":
        draft.unsupported("speed", value, reason="answers have one speed")


def _refused(param: str, reason: str) -> Decoder:
    """A parameter for Anthropic's side of a conversation: the caller's policy decides elsewhere."""

    def refuse(draft: Draft, value: Any) -> None:
        if value not in ([], {}):
            draft.unsupported(param, value, reason=reason)

    return refuse


#: Every parameter of Anthropic's, the beta API's included.
PARAMETERS: Mapping[str, Decoder] = {
    "model": _as("model"),
    "messages": decode_messages,
    "system": _later,
    "max_tokens": _as("max_completion_tokens"),
    "stream": _stream,
    "stop_sequences": _stop,
    "temperature": _as("temperature"),
    "top_p": _as("top_p"),
    "top_k": _top_k,
    "tools": decode_tools,
    "tool_choice": _later,
    "metadata": _metadata,
    "thinking": _thinking,
    "output_config": _output_config,
    "output_format": _format,
    "service_tier": _service_tier,
    "speed": _speed,
    # What is read twice is a hint, and so is what is looked at later.
    "cache_control": _later,
    "diagnostics": _later,
    "container": _refused("container", "there are no containers"),
    "context_management": _refused("context_management", "the history is sent as it is"),
    "fallbacks": _refused("fallbacks", "the gateway's own configuration names them"),
    "inference_geo": _refused("inference_geo", "the place of the computation cannot be chosen"),
    "mcp_servers": _refused("mcp_servers", "it has no connection to MCP servers"),
    "user_profile_id": _refused("user_profile_id", "there are no user profiles"),
    "workspace_id": _refused("workspace_id", "there are no workspaces"),
}
#: What goes as it is to a provider that has this dialect: OpenAI has less to say it with, or nothing.
NATIVE = frozenset(
    {
        "cache_control",
        "container",
        "context_management",
        "diagnostics",
        "fallbacks",
        "inference_geo",
        "mcp_servers",
        "output_config",
        "output_format",
        "speed",
        "thinking",
        "top_k",
        "user_profile_id",
        "workspace_id",
    }
)
