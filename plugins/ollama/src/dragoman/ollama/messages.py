"""OpenAI's list of messages -> Ollama's.

Ollama knows a tool's result by the name of the tool, newer servers by the call's id too:
https://docs.ollama.com/capabilities/tool-calling. Each wire message depends on its own message and on those before it,
so a longer conversation repeats a shorter one.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, NoReturn

from dragoman.core import InvalidRequest, unpack, warn_once
from dragoman.ollama.content import encode_content, encode_contents

if TYPE_CHECKING:
    from dragoman.core import Call, Json

#: Ollama passes over a role that it does not know, and with it the message.
_ROLES = {"system": "system", "developer": "system", "user": "user"}
#: Under this key a model's arguments stand that were no JSON object: Ollama takes nothing else.
INVALID_ARGUMENTS = "INVALID_JSON"
CARRY = "ollama"


def encode_messages(call: Call, messages: Any) -> list[Json]:
    """Return the wire messages. Raises `InvalidRequest` for what cannot be one, and for a conversation without any."""
    if not messages:
        msg = "messages is empty, which only makes Ollama load the model. Send at least one message."
        raise InvalidRequest(msg)
    wire: list[Json] = []
    called: dict[str, list[Any]] = {}
    for index, message in enumerate(messages):
        place, role = f"messages[{index}]", message.get("role")
        if role in _ROLES:
            contents = encode_contents(message.get("content"), f"{place}.content")
            wire += [{"role": _ROLES[role], **content} for content in contents]
        elif role == "assistant":
            wire.append(_assistant(call, message, place))
            called.update(_names(message))
        elif role in {"tool", "function"}:
            wire.append(_result(message, place, called))
        else:
            msg = f"{place} has the role {role!r}. Use system, developer, user, assistant or tool."
            raise InvalidRequest(msg)
        if message.get("name") and role not in {"tool", "function"}:
            text = f"{call.provider}: messages have no name there; the names of the participants were left out."
            warn_once(call.provider, "messages.name", text)
    return wire


def _assistant(call: Call, message: Json, place: str) -> Json:
    if message.get("audio"):
        msg = f"{place}.audio: Ollama has no audio. Send the transcript as the message's content."
        raise InvalidRequest(msg)
    wire = {"role": "assistant", **encode_content(message.get("content"), f"{place}.content")}
    wire["content"] = wire["content"] or message.get("refusal") or ""
    thoughts = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(thoughts, str):
        wire["thinking"] = thoughts
    data, unedited = unpack(message, CARRY)
    if unedited and data and data.get("images"):
        wire["images"] = data["images"]
    calls = [_tool_call(call, sent, f"{place}.tool_calls") for sent in message.get("tool_calls") or ()]
    if message.get("function_call"):
        calls.append(_tool_call(call, {"function": message["function_call"]}, f"{place}.function_call"))
    if calls:
        wire["tool_calls"] = calls
    return wire


def _tool_call(call: Call, sent: Json, place: str) -> Json:
    function = sent.get("function") or sent.get("custom") or {}
    name = function.get("name")
    if not isinstance(name, str) or not name:
        msg = f"{place} has no name, so the call cannot be replayed. Send the call as it was received."
        raise InvalidRequest(msg)
    if "custom" in sent:
        arguments: Json = {"input": function.get("input") or ""}
    else:
        arguments = _arguments(call, function.get("arguments"))
    own_id = {"id": sent["id"]} if sent.get("id") else {}
    return {**own_id, "function": {"name": name, "arguments": arguments}}


def _arguments(call: Call, text: Any) -> Json:
    """Read the arguments as the object that Ollama wants, keys in their order."""
    if text is None or (isinstance(text, str) and not text.strip()):
        return {}
    try:
        value = _DECODER.decode(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        return value
    where = f"they were sent under the key {INVALID_ARGUMENTS}"
    message = f"{call.provider}: the arguments of a call in the history are no JSON object; {where}."
    warn_once(call.provider, "arguments", message)
    return {INVALID_ARGUMENTS: text}


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


def _names(message: Json) -> dict[str, list[Any]]:
    """Tool call ids of an assistant's message -> names of the tools. Ids may come back, in the same turn or later."""
    found: dict[str, list[Any]] = {}
    for sent in message.get("tool_calls") or ():
        if "id" in sent:
            found.setdefault(sent["id"], []).append((sent.get("function") or sent.get("custom") or {}).get("name"))
    return found


def _result(message: Json, place: str, called: dict[str, list[Any]]) -> Json:
    call_id = message.get("tool_call_id")
    names = called.get(str(call_id)) or [message.get("name")]
    # The last one stays, for whoever answers a call twice.
    name = names.pop(0) if len(names) > 1 else names[0]
    if not name:
        msg = f"{place} answers the call {call_id!r}, which no message before it makes. Send the call, too."
        raise InvalidRequest(msg)
    wire = {"role": "tool", "tool_name": name, **encode_content(message.get("content"), f"{place}.content")}
    return {**wire, "tool_call_id": call_id} if call_id else wire
