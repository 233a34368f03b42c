"""A stream's chunks -> the answer that they are the pieces of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dragoman.core import unpack

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dragoman.core import Json

#: Texts that come in pieces; whatever else is a text comes once.
_TEXTS = ("content", "reasoning_content", "refusal")
_KNOWN = frozenset({*_TEXTS, "function_call", "role", "tool_calls"})


def gist_of_chunks(chunks: Iterable[Json]) -> Json:
    """What a reader of the stream has in the end: see `gist_of_answer`."""
    choices: dict[int, Json] = {}
    usage = None
    for chunk in chunks:
        usage = chunk.get("usage") or usage
        for piece in chunk.get("choices") or ():
            choice = choices.setdefault(piece["index"], {"finish_reason": None, "calls": {}})
            choice["finish_reason"] = piece.get("finish_reason") or choice["finish_reason"]
            _add(choice, piece.get("delta") or {})
    for choice in choices.values():
        choice["tool_calls"] = [choice["calls"][number] for number in sorted(choice["calls"])]
        del choice["calls"]
    return {"choices": [_trimmed(choices[index]) for index in sorted(choices)], "usage": usage}


def _add(choice: Json, delta: Json) -> None:
    for name in _TEXTS:
        if delta.get(name):
            choice[name] = choice.get(name, "") + delta[name]
    for name in delta.keys() - _KNOWN:
        # What only this vendor has comes whole.
        choice[name] = delta[name] or choice.get(name)
    for name, value in (delta.get("function_call") or {}).items():
        said = choice.setdefault("function_call", {})
        said[name] = said.get(name, "") + (value or "")
    for fragment in delta.get("tool_calls") or ():
        call = choice["calls"].setdefault(fragment["index"], {})
        kind = "custom" if "custom" in fragment else "function"
        said, part = call.setdefault(kind, {}), fragment.get(kind) or {}
        call.update({key: fragment[key] for key in ("id", "type") if fragment.get(key)})
        for key, value in part.items():
            said[key] = value if key == "name" else said.get(key, "") + (value or "")


def gist_of_answer(answer: Json) -> Json:
    """What stream and whole answer have in common: messages, finish reasons, usage."""
    found = []
    for choice in sorted(answer.get("choices") or (), key=lambda choice: choice["index"]):
        message = choice["message"]
        said = {name: value for name, value in message.items() if name != "role"}
        found.append(_trimmed({**said, "finish_reason": choice["finish_reason"]}))
    return {"choices": found, "usage": answer.get("usage")}


def _trimmed(choice: Json) -> dict[str, Any]:
    return {key: value for key, value in choice.items() if value}


def message_of(chunks: Iterable[Json]) -> Json:
    """The first choice of a stream as the assistant's message that goes into the history."""
    choice = gist_of_chunks(chunks)["choices"][0]
    message = {key: value for key, value in choice.items() if key != "finish_reason"}
    return {"role": "assistant", "content": message.pop("content", None), **message}


def meaning(gist: Json) -> Json:
    """A gist for comparisons: arguments as what they say, and whether carried data are sealed for this message."""
    return {**gist, "choices": [_meaning(choice) for choice in gist["choices"]]}


def _meaning(choice: Json) -> Json:
    found = {**choice, "tool_calls": [_parsed(call) for call in choice.get("tool_calls") or ()]}
    extra = choice.get("extra_content")
    if isinstance(extra, dict):
        found["extra_content"] = {name: _sealed(choice, name) for name in extra}
    return found


def _parsed(call: Json) -> Json:
    """Whole answers have arguments as objects at some vendors, which write no spaces; streams have their text."""
    try:
        arguments = json.loads(call["function"]["arguments"])
    except (KeyError, ValueError):
        return call
    return {**call, "function": {**call["function"], "arguments": arguments}}


def _sealed(choice: Json, name: str) -> Any:
    data, unedited = unpack(choice, name)
    return {**data, "visible": unedited} if data and "visible" in data else choice["extra_content"][name]
