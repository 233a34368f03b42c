"""A chat request's parameters, where Together's differ: https://docs.together.ai/reference/chat-completions.

The functions fit a body that is new already; what they take out of it and cannot say goes through `unsupported`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core import allowed_tools, unsupported
from dragoman.together.content import fit_message
from dragoman.together.logprobs import fit_logprobs

if TYPE_CHECKING:
    from dragoman.core import Call, Json

#: Parameters that Together's reference does not have; its server takes them without a word, and without effect.
ABSENT = {
    "audio": "its chat models answer with text only",
    "metadata": "it keeps no notes about a request",
    "modalities": "its chat models answer with text only",
    "moderation": "it moderates through `safety_model`, which goes in extra_body",
    "prediction": "it takes no predicted output",
    "prompt_cache_key": "its prompt cache needs no key",
    "prompt_cache_options": "its prompt cache has no settings",
    "prompt_cache_retention": "its prompt cache has no settings",
    "safety_identifier": "it has no place for it",
    "service_tier": "it has no tiers",
    "store": "it stores no answers",
    "verbosity": "it has no such setting",
    "web_search_options": "it does not search the web",
}
_EFFORTS = frozenset({"low", "medium", "high"})
_NEAREST_EFFORT = {"minimal": "low", "xhigh": "high", "max": "high"}


def fit_chat(call: Call, chat: Json) -> Json:
    """Say in Together's words what it says otherwise. Changes `chat`, and returns it."""
    chat["messages"] = [fit_message(call, message) for message in chat["messages"]]
    fit_stop(chat)
    fit_logprobs(chat)
    _fit_effort(call, chat)
    _fit_choice(chat)
    _fit_functions(call, chat)
    return chat


def fit_stop(body: Json) -> None:
    """One stop sequence is a list of one."""
    if isinstance(body.get("stop"), str):
        body["stop"] = [body["stop"]]


def _fit_effort(call: Call, chat: Json) -> None:
    """Three efforts, and a switch: https://docs.together.ai/docs/inference/chat/reasoning."""
    effort = chat.pop("reasoning_effort", None)
    if effort == "none":
        chat["reasoning"] = {"enabled": False}
    elif effort in _EFFORTS:
        chat["reasoning_effort"] = effort
    elif effort is not None:
        nearest = _NEAREST_EFFORT.get(effort, "")
        adapt = unsupported(
            call,
            "reasoning_effort",
            effort,
            reason=f"the efforts are low, medium and high, not {effort}",
            hint='choose one of them, on_unsupported="adapt", or extra_body for a model that knows more',
            nearest=nearest and f"{nearest} instead of {effort}",
        )
        if adapt:
            chat["reasoning_effort"] = nearest


def _fit_choice(chat: Json) -> None:
    """`allowed_tools` has no counterpart, but sending no other tools comes to the same."""
    choice = chat.get("tool_choice")
    if not isinstance(choice, dict) or choice.get("type") != "allowed_tools":
        return
    chat["tools"], chat["tool_choice"] = allowed_tools(choice, chat.get("tools") or [])


def _fit_functions(call: Call, chat: Json) -> None:
    """The first tool interface: `function_call` is in Together's reference, `functions` is not."""
    if "functions" not in chat:
        return
    for param in ("function_call", "functions"):
        if param in chat:
            reason = "it knows functions as tools only"
            unsupported(call, param, chat.pop(param), reason=reason, hint="use tools and tool_choice")
