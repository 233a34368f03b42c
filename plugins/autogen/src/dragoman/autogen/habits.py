"""What AutoGen sends although some providers refuse it, and what they take instead. Pure functions.

AutoGen's own clients for these providers change requests in the same places
(https://microsoft.github.io/autogen/0.2/docs/topics/non-openai-models/about-using-nonopenai-models).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.core import ConfigError

if TYPE_CHECKING:
    from dragoman.core import Json

#: Providers whose conversations may not end with a system message: AutoGen's speaker selection and its summaries do.
_NO_SYSTEM_AT_THE_END = frozenset({"anthropic", "mistralai"})
#: Providers whose messages have no names: AutoGen gives one to each, and its own clients leave them out there too.
_NO_NAMES = frozenset({"anthropic", "mistralai", "ollama"})
#: Providers that refuse a history with tool calls where no tools are offered.
_TOOLS_WITH_THEIR_HISTORY = frozenset({"anthropic"})
#: Providers where a user says the first word, or the last: agents that talk to each other are all assistants.
_USERS_BEGIN = frozenset({"anthropic"})
_USERS_END = frozenset({"anthropic", "mistralai", "ollama"})
#: What AutoGen's own clients say there.
_GO_ON = {"role": "user", "content": "Please continue."}
_HIDING = ("never", "if_any_run", "if_all_run")
_OF_TOOLS = frozenset({"tools", "tool_choice", "parallel_tool_calls"})


def check_hiding(when: Any) -> str:
    """Return what an entry's `hide_tools` says. Raises `ConfigError` for a word that is none."""
    for word in _HIDING:
        if when == word:
            return word
    message = f"hide_tools must be one of {', '.join(_HIDING)}, not {when!r}"
    raise ConfigError(message)


def without_hidden_tools(request: Json, when: str) -> Json:
    """Leave the tools out if they have done their work: `if_any_run` of them, or `if_all_run`; `never`."""
    tools = request.get("tools")
    if when == "never" or not tools:
        return request
    messages = request.get("messages") or []
    names = {call["id"]: call["function"]["name"] for message in messages for call in _calls(message)}
    run = {message["tool_call_id"] for message in messages if message.get("tool_call_id")}
    if when == "if_all_run":
        done = {tool["function"]["name"] for tool in tools} <= {names.get(call) for call in run}
    else:
        done = bool(run)
    return {key: value for key, value in request.items() if key not in _OF_TOOLS} if done else request


def fitted(request: Json, provider: str) -> Json:
    """Change a request where the provider would refuse AutoGen's habits; nothing else."""
    messages = request.get("messages") or []
    if provider in _NO_NAMES:
        messages = [message if message.get("role") == "tool" else _nameless(message) for message in messages]
    if provider in _NO_SYSTEM_AT_THE_END and len(messages) > 1 and messages[-1].get("role") == "system":
        messages = [*messages[:-1], {**messages[-1], "role": "user"}]
    if provider in _USERS_BEGIN:
        begin = next((at for at, message in enumerate(messages) if message.get("role") != "system"), None)
        if begin is not None and messages[begin].get("role") == "assistant":
            messages = [*messages[:begin], _GO_ON, *messages[begin:]]
    if provider in _USERS_END and messages:
        last = messages[-1]
        if last.get("role") == "assistant":
            messages = [*messages, _GO_ON]
        elif last.get("role") == "user" and not last.get("content"):
            # What an agent says that has nothing to say.
            messages = [*messages[:-1], {**last, **_GO_ON}]
    if provider in _TOOLS_WITH_THEIR_HISTORY and not request.get("tools"):
        called = {call["function"]["name"]: None for message in messages for call in _calls(message)}
        if called:
            request = {**request, "tools": [_declared(name) for name in called], "tool_choice": "none"}
    return {**request, "messages": messages} if messages else request


def _calls(message: Json) -> list[Json]:
    return [call for call in message.get("tool_calls") or () if call.get("function")]


def _nameless(message: Json) -> Json:
    return {key: value for key, value in message.items() if key != "name"}


def _declared(name: str) -> Json:
    description = "Called earlier in this conversation."
    return {"type": "function", "function": {"name": name, "description": description, "parameters": _ANY}}


_ANY = {"type": "object", "properties": {}}
