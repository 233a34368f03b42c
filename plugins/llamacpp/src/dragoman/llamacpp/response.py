"""llama.cpp's answers -> OpenAI's: the same wire, put straight where it is not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dragoman.core import VendorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dragoman.core import Call, Event, Json


def decode_chat(call: Call, body: Json) -> Json:
    """Return the completion; `timings` and `reasoning_content` stay where llama.cpp puts them."""
    return {**body, "choices": [_decode_choice(call, choice) for choice in body["choices"]]}


def _decode_choice(call: Call, choice: Json) -> Json:
    message = dict(choice["message"])
    calls = message.pop("tool_calls", None)
    if not calls:
        return {**choice, "message": message}
    index = choice.get("index", 0)
    message["content"] = message.get("content") or None
    message["tool_calls"] = [
        {**tool_call, "type": "function", "id": tool_call.get("id") or _call_id(call, index, position)}
        for position, tool_call in enumerate(calls)
    ]
    return {**choice, "message": message, "finish_reason": _finish_reason(choice.get("finish_reason"))}


def _call_id(call: Call, choice: int, position: int) -> str:
    """Old builds send empty ids; the call's own makes one that is the same whenever it is asked for."""
    return f"call_{call.id}_{choice}_{position}"


def _finish_reason(reason: str | None) -> str | None:
    """Return the reason of a choice that has tool calls: a forced one ends with "stop"."""
    return "tool_calls" if reason == "stop" else reason


class ChatStream:
    """Passes chunks on. `decode_error` reads the error object that may come instead of one."""

    def __init__(self, call: Call, decode_error: Callable[[int, Any], Json]) -> None:
        self._call = call
        self._decode_error = decode_error
        self._opening: dict[int, Json] = {}
        self._with_text: set[int] = set()
        self._with_calls: set[int] = set()

    def feed(self, event: Event) -> Iterator[Json]:
        """Return the chunks for one event; raises `VendorError` if the engine failed in the middle."""
        chunk = json.loads(event.data)
        if chunk.get("error"):
            raise self._failure(chunk)
        choices = chunk.get("choices") or ()
        if not choices:
            yield chunk
        for choice in choices:
            yield from self._decode(chunk, choice)

    def finish(self) -> Iterator[Json]:
        """Nothing is held back at the end: a stream without a `finish_reason` is cut, and core says so."""
        return iter(())

    def _failure(self, chunk: Json) -> VendorError:
        code = chunk["error"].get("code") if isinstance(chunk["error"], dict) else None
        return VendorError(self._decode_error(500, chunk), code if isinstance(code, int) else None)

    def _decode(self, chunk: Json, choice: Json) -> Iterator[Json]:
        index, delta = choice.get("index", 0), choice.get("delta") or {}
        if delta.get("role") and len(delta.keys() - {"role"}) <= 1 and not delta.get("content"):
            # Whether text or a call follows is known one chunk later: its content is "" or null.
            self._opening[index] = chunk
            return
        if index in self._opening:
            text = "" if "content" in delta or choice.get("finish_reason") else None
            self._with_text |= {index} if text is not None else set()
            opening = {"role": "assistant", "content": text}
            yield _with_choice(self._opening.pop(index), {"index": index, "delta": opening, "finish_reason": None})
        yield _with_choice(chunk, {**choice, **self._calls_of(index, delta, choice)})

    def _calls_of(self, index: int, delta: Json, choice: Json) -> Json:
        fixed: Json = {}
        if "content" in delta:
            self._with_text.add(index)
        if delta.get("tool_calls"):
            self._with_calls.add(index)
            calls = [self._with_id(index, tool_call) for tool_call in delta["tool_calls"]]
            fixed["delta"] = {**delta, "tool_calls": calls}
        if index in self._with_calls and choice.get("finish_reason"):
            fixed["finish_reason"] = _finish_reason(choice["finish_reason"])
        elif index not in self._with_text and choice.get("finish_reason"):
            # Cut while it thought: the whole answer has an empty text then.
            fixed["delta"] = {**delta, "content": ""}
        return fixed

    def _with_id(self, index: int, tool_call: Json) -> Json:
        """A call's first fragment, which is the one with the name, must have an id."""
        if not (tool_call.get("function") or {}).get("name") or tool_call.get("id"):
            return tool_call
        return {**tool_call, "type": "function", "id": _call_id(self._call, index, tool_call.get("index", 0))}


def _with_choice(chunk: Json, choice: Json) -> Json:
    return {**chunk, "choices": [choice]}
