"""OpenAI's chat request -> Acme's.

Every parameter is sent, translated, or refused through `unsupported`, which does what the caller's `on_unsupported`
says. Each turn depends on its own message alone, so that a longer conversation repeats a shorter one.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dragoman.core import InvalidRequest, unpack, unsupported, warn_once

if TYPE_CHECKING:
    from dragoman.core import Call, Json

#: OpenAI's roles -> Acme's speakers.
_SPEAKERS = {"system": "system", "developer": "system", "user": "user", "assistant": "model", "tool": "tool"}
#: OpenAI's parameters -> the names of exactly the same among Acme's settings.
_SETTINGS = {
    "max_completion_tokens": "max_tokens",
    "max_tokens": "max_tokens",
    "stop": "stop_at",
    "temperature": "temperature",
    "top_p": "top_p",
}
#: OpenAI's words for `tool_choice` -> Acme's.
_CHOICES = {"auto": "model", "none": "never", "required": "always"}
#: Parameters that are translated elsewhere than in `_SETTINGS`.
_TRANSLATED = {"messages", "model", "stream", "tool_choice", "tools"}
#: What Acme has no equivalent for -> why, in words for the user.
_ABSENT = {
    "logit_bias": "Acme cannot weight tokens",
    "n": "Acme gives one answer to a request",
    "seed": "Acme rolls its own dice",
}
#: Under this key arguments stand that were no JSON object: Acme takes nothing else.
_INVALID = "INVALID_JSON"


def encode_chat(call: Call) -> Json:
    """Return the body of `POST /converse`.

    Raises `UnsupportedParameter` as the caller's `on_unsupported` has it, `InvalidRequest` for what cannot be valid.
    """
    chat = {param: value for param, value in call.request.items() if value is not None}
    for param in sorted(chat.keys() - _TRANSLATED - _SETTINGS.keys()):
        reason = _ABSENT.get(param, "Acme has no such parameter")
        unsupported(call, param, chat[param], reason=reason)
    body: Json = {
        "model": call.model,
        "turns": [_encode_turn(call, index, message) for index, message in enumerate(chat.get("messages") or ())],
        "tools": _encode_tools(call, chat.get("tools") or []),
        "settings": _encode_settings(call, chat),
    }
    if call.stream:
        body["stream"] = True
    if body["tools"] and "tool_choice" in chat:
        body["tool_use"] = _encode_choice(call, chat["tool_choice"])
    return {key: value for key, value in body.items() if value not in (None, [], {})}


def _encode_settings(call: Call, chat: Json) -> Json:
    older, newer = chat.get("max_tokens"), chat.get("max_completion_tokens")
    if None not in (older, newer) and older != newer:
        unsupported(call, "max_tokens", older, reason="max_completion_tokens is given too, and wins")
        chat = {**chat, "max_tokens": newer}
    settings = {own: chat[param] for param, own in _SETTINGS.items() if param in chat}
    if isinstance(settings.get("stop_at"), str):
        settings["stop_at"] = [settings["stop_at"]]
    return settings


def _encode_turn(call: Call, index: int, message: Json) -> Json:
    place, role = f"messages[{index}]", message.get("role")
    if role not in _SPEAKERS:
        text = f"{place} has the role {role!r}. Use system, developer, user, assistant or tool."
        raise InvalidRequest(text)
    turn: Json = {"speaker": _SPEAKERS[role], "text": _encode_text(message.get("content"), place)}
    if role == "tool":
        turn["call_id"] = message.get("tool_call_id")
    if role == "assistant":
        turn["text"] = turn["text"] or message.get("refusal") or ""
        if message.get("tool_calls"):
            turn["calls"] = [_encode_tool_call(call, made, place) for made in message["tool_calls"]]
        # What only Acme understands goes back as it came, unless the message was edited.
        kept, unedited = unpack(message, call.provider)
        if kept and unedited:
            turn["seal"] = kept["seal"]
    return turn


def _encode_text(content: Any, place: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    texts = []
    for part in content:
        if part.get("type") != "text":
            text = f"{place} has a part of the type {part.get('type')!r}: send text"
            raise InvalidRequest(text)
        texts.append(part["text"])
    return "".join(texts)


def _encode_tool_call(call: Call, made: Json, place: str) -> Json:
    function = made.get("function")
    if not isinstance(function, dict):
        text = f"{place} has a call of the type {made.get('type')!r}: send functions"
        raise InvalidRequest(text)
    return {
        "id": made.get("id"),
        "tool": function.get("name"),
        "input": _encode_arguments(call, function.get("arguments") or "{}"),
    }


def _encode_arguments(call: Call, arguments: str) -> Json:
    try:
        found = json.loads(arguments)
    except ValueError:
        found = None
    if isinstance(found, dict):
        return found
    text = f"{call.provider}: the arguments of a call in the history are no JSON object; sent as {_INVALID}."
    warn_once(call.provider, "arguments", text)
    return {_INVALID: arguments}


def _encode_tools(call: Call, tools: list[Json]) -> list[Json]:
    found = []
    for tool in tools:
        function = tool.get("function")
        if not isinstance(function, dict):
            reason = f"Acme has functions only, and no {tool.get('type')}"
            unsupported(call, "tools", tool, reason=reason)
            continue
        offered = {"name": function.get("name"), "about": function.get("description")}
        schema = function.get("parameters") or {"type": "object", "properties": {}}
        found.append({**{key: value for key, value in offered.items() if value}, "input": schema})
    return found


def _encode_choice(call: Call, choice: Any) -> Any:
    if isinstance(choice, str) and choice in _CHOICES:
        return _CHOICES[choice]
    if isinstance(choice, dict) and choice.get("type") == "function":
        return {"tool": (choice.get("function") or {}).get("name")}
    reason = "Acme knows auto, none, required, and one tool by its name"
    unsupported(call, "tool_choice", choice, reason=reason)
    return None
