"""A stream of Mistral's: its contents put together on the way, so that the carry is that of a whole answer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dragoman.mistralai.failures import in_answer
from dragoman.mistralai.parts import as_parts, joined
from dragoman.mistralai.response import HELD, with_carry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dragoman.core import Event, Json, StreamDecoder


@dataclass(slots=True)
class _Answer:
    """One choice as far as it came: Mistral's chunks, and what the caller has seen."""

    parts: list[Json] = field(default_factory=list)
    has_chunks: bool = False
    text: list[str] = field(default_factory=list)
    calls: dict[int, Json] = field(default_factory=dict)

    def see(self, delta: Json) -> None:
        content = delta.pop(HELD, {}).get("content")
        self.has_chunks = self.has_chunks or isinstance(content, list)
        self.parts += as_parts(content)
        self.text.append(delta.get("content") or "")
        for fragment in delta.get("tool_calls") or ():
            seen = self.calls.setdefault(fragment["index"], {"id": "", "function": {"name": "", "arguments": ""}})
            seen["id"] += fragment.get("id") or ""
            for key, value in (fragment.get("function") or {}).items():
                seen["function"][key] = seen["function"].get(key, "") + value

    def carry(self, delta: Json) -> Json:
        message = {**delta, "content": "".join(self.text), "tool_calls": list(self.calls.values())}
        return with_carry(message, {"content": joined(self.parts)})


class Reader:
    """Reads one stream through `inner`, the decoder that puts the chunks straight; see `StreamDecoder`.

    Raises `VendorError` for an error that comes in the middle.
    """

    def __init__(self, inner: StreamDecoder, decode_error: Callable[[int, Any], Json]) -> None:
        self._inner = inner
        self._decode_error = decode_error
        self._answers: dict[int, _Answer] = {}

    def feed(self, event: Event) -> Iterator[Json]:
        """Return the chunks for one event."""
        if b'"choices"' not in event.data and b'"error"' in event.data:
            in_answer(json.loads(event.data), self._decode_error)
        return map(self._seen, self._inner.feed(event))

    def finish(self) -> Iterator[Json]:
        """Return what is left when the stream has ended."""
        return self._inner.finish()

    def _seen(self, chunk: Json) -> Json:
        for choice in chunk["choices"]:
            self._see(choice)
        return chunk

    def _see(self, choice: Json) -> None:
        answer = self._answers.setdefault(choice["index"], _Answer())
        delta = choice["delta"]
        answer.see(delta)
        if choice["finish_reason"] and answer.has_chunks:
            delta["extra_content"] = answer.carry(delta)
