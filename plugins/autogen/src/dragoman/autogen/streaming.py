"""Streams for a framework that wants whole answers: shown piece by piece, put together, counted by the provider."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dragoman.core import Json

#: Texts that say what something is; a second one replaces the first.
_NAMES = frozenset({"id", "name", "role", "type"})
_GREEN, _END = "\033[32m", "\033[0m\n"


def shown(chunks: Iterable[Json]) -> Json:
    """Show the texts of a stream's chunks as AutoGen does, and return the whole `chat.completion`."""
    whole: Json = {"choices": []}
    choices: dict[int, Json] = {}
    with _shower() as show:
        for chunk in chunks:
            whole.update({key: value for key, value in chunk.items() if key != "choices" and value is not None})
            for piece in chunk.get("choices") or ():
                index = piece.get("index", 0)
                choice = choices.setdefault(index, {"index": index, "message": {}, "finish_reason": None})
                delta = piece.get("delta") or {}
                _merge(choice["message"], delta)
                if piece.get("logprobs"):
                    _merge(choice.setdefault("logprobs", {}), piece["logprobs"])
                choice["finish_reason"] = piece.get("finish_reason") or choice["finish_reason"]
                if delta.get("content"):
                    show(delta["content"])
    for choice in choices.values():
        choice["message"] = {"role": "assistant", "content": None, **choice["message"]}
        for call in choice["message"].get("tool_calls") or ():
            call.pop("index", None)
    return {**whole, "object": "chat.completion", "choices": [choices[index] for index in sorted(choices)]}


def _merge(whole: Json, delta: Json) -> None:
    for key, value in delta.items():
        known = whole.get(key)
        if value is None:
            continue
        if isinstance(value, list):
            whole[key] = _merged_list(known or [], value)
        elif isinstance(known, str) and isinstance(value, str) and key not in _NAMES:
            whole[key] = known + value
        elif isinstance(value, dict):
            whole[key] = dict(known or {})
            _merge(whole[key], value)
        else:
            whole[key] = value


def _merged_list(known: list[Any], items: list[Any]) -> list[Any]:
    """Items with an index continue the one that has it; others follow."""
    found = list(known)
    for item in items:
        index = item.get("index") if isinstance(item, dict) else None
        same = [other for other in found if index is not None and other.get("index") == index]
        if same:
            _merge(same[0], item)
        else:
            found.append({})
            _merge(found[-1], item) if isinstance(item, dict) else found.__setitem__(-1, item)
    return found


@contextmanager
def _shower() -> Iterator[Callable[[str], None]]:
    """Show texts where the framework in this process shows them; nowhere, if there is none."""
    # Whoever is here was called by it, so it is imported.
    if "autogen.io.base" not in sys.modules:
        yield lambda _: None
        return
    stream = sys.modules["autogen.io.base"].IOStream.get_default()
    if hasattr(stream, "send"):
        event = sys.modules["autogen.events.client_events"].StreamEvent
        yield lambda text: stream.send(event(content=text))
        return
    stream.print(_GREEN, end="")
    try:
        yield lambda text: stream.print(text, end="", flush=True)
    finally:
        stream.print(_END)
