"""What Python code returned -> OpenAI's JSON: texts, dicts, objects, and iterators of any of these."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dragoman.core.assembly import Assembly
from dragoman.core.chunks import Chunks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dragoman.core.provider import Call, Json

#: Keys of a bare message that belong beside it.
_BESIDE = ("model", "usage")


def whole(call: Call, value: Any) -> Json:
    """A text, a message or a completion -> a completion. Raises TypeError for anything else."""
    found = {"content": value} if isinstance(value, str) else plain(value)
    if not isinstance(found, dict):
        message = f"a text, a dict or an iterator is wanted, not {type(value).__name__}"
        raise TypeError(message)
    if "choices" not in found:
        reason = found.pop("finish_reason", None)
        beside = {key: found.pop(key) for key in _BESIDE if key in found}
        found = {**beside, "choices": [{"message": found, "finish_reason": reason}]}
    choices = [_choice(index, choice) for index, choice in enumerate(found["choices"])]
    head = {"id": found.get("id") or call.id, "model": found.get("model") or call.model}
    return {"created": call.created, "object": "chat.completion", **found, **head, "choices": choices}


def _choice(index: int, choice: Json) -> Json:
    message = {"role": "assistant", "content": None, **choice["message"]}
    if message.get("tool_calls"):
        message["tool_calls"] = [_tool_call(number, made) for number, made in enumerate(message["tool_calls"])]
    else:
        message.pop("tool_calls", None)
    reason = choice.get("finish_reason") or ("tool_calls" if message.get("tool_calls") else "stop")
    return {"index": index, **choice, "message": message, "finish_reason": reason}


def _tool_call(number: int, made: Json) -> Json:
    function = dict(made.get("function") or {})
    if function and not isinstance(function.get("arguments"), str):
        function["arguments"] = json.dumps(function.get("arguments") or {})
    named = {"function": function} if function else {}
    return {"type": "function", **made, **named, "id": made.get("id") or f"call_{number}"}


def joined(chunks: Iterable[Json]) -> Json:
    """Chunks -> the whole answer."""
    assembly = Assembly()
    for chunk in chunks:
        assembly.add(chunk)
    return assembly.completion()


class Chunker:
    """Turns the items of an iterator into chunks, one after the other: texts, deltas, and chunks already made."""

    def __init__(self, call: Call) -> None:
        self._made = Chunks(call)
        self._begun = self._finished = self._calls = False

    def take(self, item: Any) -> Iterator[Json]:
        """One item. Raises TypeError for what is none."""
        found = {"content": item} if isinstance(item, str) else plain(item)
        if not isinstance(found, dict):
            message = f"an iterator must give texts, deltas or chunks, not {type(item).__name__}"
            raise TypeError(message)
        if "choices" in found:
            self._begun = True
            self._finished = self._finished or any(choice.get("finish_reason") for choice in found["choices"])
            head = {key: value for key, value in self._made.usage({}).items() if key not in {"choices", "usage"}}
            yield {**head, **found}
            return
        if not self._begun:
            self._begun = True
            yield self._made.role()
        self._calls = self._calls or bool(found.get("tool_calls"))
        yield self._made.delta(**found)

    def end(self) -> Iterator[Json]:
        """What the iterator left out. That it ended is all that it says about why."""
        if not self._begun:
            yield self._made.role()
        if not self._finished:
            yield self._made.finish("tool_calls" if self._calls else "stop")


def plain(value: Any) -> Any:
    """Objects (pydantic's, namespaces, dataclasses) -> what JSON knows; other values stay as they are."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", exclude_unset=True)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "__dict__") and not isinstance(value, type):
        return {key: plain(item) for key, item in vars(value).items() if not key.startswith("_")}
    return value
