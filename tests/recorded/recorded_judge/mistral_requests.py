"""The inverse of the translation to Mistral: a recorded request as an OpenAI client would write it.

Source: https://docs.mistral.ai/api (Chat). Keys that OpenAI does not have go into `extra_body`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from recorded_judge.comparing import changed
from recorded_judge.compatible_requests import in_two
from recorded_judge.inverse import NotExpressible, with_media

if TYPE_CHECKING:
    from recorded_judge.traffic import Exchange

Json = dict[str, Any]
#: Makes the message that a client holds after an answer with this content.
Hold = Callable[[list[Json]], Json]
_ID = re.compile(r"[a-zA-Z0-9]{9}")
_PDF = "data:application/pdf;base64,"


def request_of(exchange: Exchange, hold: Hold) -> Json:
    """Keyword arguments of `create` that mean the recorded request."""
    body = dict(with_media(exchange.request_body or {}))
    if "agent_id" in body:
        message = "an agent's endpoint: it is asked by agent_id, and OpenAI's chat has a model"
        raise NotExpressible(message)
    if "prompt" in body:
        message = "the endpoint that fills in the middle: a prompt and a suffix, no messages"
        raise NotExpressible(message)
    body["messages"] = [_message(message, hold) for message in body["messages"]]
    if "random_seed" in body:
        body["seed"] = body.pop("random_seed")
    if body.get("tool_choice") == "any":
        body["tool_choice"] = "required"
    if "tools" in body:
        body["tools"] = [{"type": "function", **tool} for tool in body["tools"]]
    return in_two(body)


def _message(message: Json, hold: Hold) -> Json:
    content = message.get("content")
    if message["role"] == "assistant":
        found = {key: value for key, value in message.items() if key != "prefix"}
        if isinstance(content, list) and any(part["type"] != "text" for part in content):
            return {**found, **hold(content)}
        return {**found, "content": content or None}
    if isinstance(content, list):
        return {**message, "content": [_part(part) for part in content]}
    return message


def _part(part: Json) -> Json:
    match part["type"]:
        case "image_url" if isinstance(part["image_url"], str):
            return {"type": "image_url", "image_url": {"url": part["image_url"]}}
        case "input_audio" if isinstance(part["input_audio"], str):
            return {"type": "input_audio", "input_audio": {"data": part["input_audio"], "format": "mp3"}}
        case "document_url" if part["document_url"].startswith(_PDF) and "document_name" in part:
            file = {"file_data": part["document_url"], "filename": part["document_name"]}
            return {"type": "file", "file": file}
    return part


def faults(exchange: Exchange, sent: Json) -> list[str]:
    """Where what arrived differs from what was recorded, beyond the documented renames."""
    want, got = canonical(with_media(exchange.request_body or {})), canonical(sent["body"])
    if not _bridged(want) and _bridged(got):
        got = {**got, "messages": _without_bridges(got["messages"], want["messages"])}
    found = [f"{id_} is no id that Mistral accepts" for id_ in ids_of(sent["body"]) if not _ID.fullmatch(id_)]
    return found + changed(_renumbered(want), _renumbered(got))


def canonical(body: Json) -> Json:
    """A request with the writings that mean the same made one: one list of parts, `any` is `required`."""
    found = {key: value for key, value in body.items() if value is not None and (key, value) != ("stream", False)}
    if found.get("tool_choice") == "any":
        found["tool_choice"] = "required"
    if isinstance(found.get("stop"), str):
        found["stop"] = [found["stop"]]
    if "tools" in found:
        found["tools"] = [{"type": "function", **tool} for tool in found["tools"]]
    found["messages"] = [_canonical_message(message) for message in found["messages"]]
    return found


def _canonical_message(message: Json) -> Json:
    found = {key: value for key, value in message.items() if value is not None and (key, value) != ("prefix", False)}
    if found["role"] == "tool":
        found.pop("name", None)
    content = found.get("content") or []
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    found["content"] = [_canonical_part(part) for part in parts]
    if found.get("tool_calls"):
        found["tool_calls"] = [
            {key: call[key] for key in ("id", "function") if key in call} for call in found["tool_calls"]
        ]
    return found


def _canonical_part(part: Json) -> Json:
    match part["type"]:
        case "image_url" if isinstance(part["image_url"], str):
            return {"type": "image_url", "image_url": {"url": part["image_url"]}}
        case "input_audio" if isinstance(part["input_audio"], dict):
            return {"type": "input_audio", "input_audio": part["input_audio"]["data"]}
    return part


def ids_of(body: Json) -> list[str]:
    """The ids of calls and results, in order."""
    found: list[str] = []
    for message in body["messages"]:
        found += [call["id"] for call in message.get("tool_calls") or []]
        found += [message["tool_call_id"]] if message.get("tool_call_id") else []
    return found


def _renumbered(body: Json) -> Json:
    """The request with ids in the order of their appearance: what matters is which are the same."""
    order = {id_: f"id {number}" for number, id_ in enumerate(dict.fromkeys(ids_of(body)))}
    messages = []
    for message in body["messages"]:
        found = dict(message)
        if found.get("tool_calls"):
            found["tool_calls"] = [{**call, "id": order[call["id"]]} for call in found["tool_calls"]]
        if found.get("tool_call_id"):
            found["tool_call_id"] = order[found["tool_call_id"]]
        messages.append(found)
    return {**body, "messages": messages}


# The catalogue wants a turn of the assistant between a result and the user; today's API also takes them side by side.


def _bridged(body: Json) -> bool:
    pairs = zip(body["messages"], body["messages"][1:], strict=False)
    return not any((one["role"], other["role"]) == ("tool", "user") for one, other in pairs)


def _without_bridges(got: list[Json], want: list[Json]) -> list[Json]:
    found = list(got)
    for number, message in enumerate(want):
        if number < len(found) and message["role"] == "user" and found[number]["role"] == "assistant":
            del found[number]
    return found
