"""The inverse of the translation to Ollama's own format: a recorded request as an OpenAI client would write it.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md (Generate a chat completion)
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from recorded_judge.comparing import changed
from recorded_judge.inverse import NotExpressible, picture, with_media, without

if TYPE_CHECKING:
    from recorded_judge.traffic import Exchange

Json = dict[str, Any]
#: Ollama's options that OpenAI has too, and what they are called there.
OPTIONS = {
    "num_predict": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "stop": "stop",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}


def request_of(exchange: Exchange) -> Json:
    """Keyword arguments of `create` that mean the recorded request."""
    body = canonical(with_media(exchange.request_body or {}))
    if OPTIONS.keys() & body.keys():
        message = "an option beside `options`, where Ollama does not look for it"
        raise NotExpressible(message)
    request: Json = {"model": body.pop("model"), "messages": _messages(body.pop("messages"))}
    extra: Json = {}
    for key, value in body.items():
        match key:
            case "options":
                own = {name: option for name, option in value.items() if name not in OPTIONS}
                request |= {OPTIONS[name]: option for name, option in value.items() if name in OPTIONS}
                extra |= {"options": own} if own else {}
            case "think" if value is False:
                request["reasoning_effort"] = "none"
            case "format":
                request["response_format"] = _format(value)
            case "stream" | "tools":
                request[key] = value
            case _:
                extra[key] = value
    return {**request, "extra_body": extra} if extra else request


def _format(value: Any) -> Json:
    if value == "json":
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": value}}


def _messages(messages: list[Json]) -> list[Json]:
    """Messages with ids: Ollama pairs a result with its call by the name, OpenAI by the id."""
    found: list[Json] = []
    waiting: list[tuple[str, str]] = []
    for message in messages:
        match message["role"]:
            case "assistant":
                calls = [
                    _call(call, f"call_{len(found)}_{n}") for n, call in enumerate(message.get("tool_calls") or [])
                ]
                waiting += [(call["id"], call["function"]["name"]) for call in calls]
                found.append(_assistant(message, calls))
            case "tool":
                name = message.get("tool_name")
                pair = next((pair for pair in waiting if name in {None, pair[1]}), None)
                if pair:
                    waiting.remove(pair)
                found.append({"role": "tool", "tool_call_id": pair[0] if pair else "", "content": message["content"]})
            case _:
                found.append(_with_pictures(message))
    return found


def _call(call: Json, id_: str) -> Json:
    function = call["function"]
    arguments = json.dumps(function["arguments"], ensure_ascii=False, separators=(",", ":"))
    return {"id": id_, "type": "function", "function": {"name": function["name"], "arguments": arguments}}


def _assistant(message: Json, calls: list[Json]) -> Json:
    found: Json = {"role": "assistant", "content": message.get("content") or (None if calls else "")}
    if calls:
        found["tool_calls"] = calls
    if message.get("thinking"):
        found["reasoning_content"] = message["thinking"]
    return found


def _with_pictures(message: Json) -> Json:
    if not message.get("images"):
        return message
    text = [{"type": "text", "text": message["content"]}] if message.get("content") else []
    pictures = [{"type": "image_url", "image_url": {"url": picture(data)}} for data in message["images"]]
    return {"role": message["role"], "content": [*text, *pictures]}


def faults(exchange: Exchange, sent: Json) -> list[str]:
    """Where what arrived differs from what was recorded, beyond the documented defaults."""
    body = sent["body"]
    found = [] if body.get("stream") is not None else [".stream is not said, and Ollama's own default is true"]
    want, got = canonical(with_media(exchange.request_body or {})), canonical(body)
    for recorded, arrived in zip(want["messages"], got["messages"], strict=False):
        if recorded["role"] == "tool" and "tool_name" not in recorded:
            arrived.pop("tool_name", None)  # older clients did not say it; the server takes either
    return found + changed({"stream": True, **want}, got)


def canonical(body: Json) -> Json:
    """A request without what means nothing: empty options, formats and tools; ids, which Ollama does not need."""
    found = {key: value for key, value in body.items() if value is not None}
    for key, default in (("options", {}), ("format", ""), ("tools", [])):
        found = without(found, key, default)
    found["messages"] = [_canonical_message(message) for message in found["messages"]]
    return found


def _canonical_message(message: Json) -> Json:
    found = {key: value for key, value in message.items() if value not in (None, "", []) and key != "tool_call_id"}
    if found.get("tool_calls"):
        # The place among the calls is a key of the stream's.
        found["tool_calls"] = [
            {"function": {key: call["function"][key] for key in ("name", "arguments")}} for call in found["tool_calls"]
        ]
    return found
