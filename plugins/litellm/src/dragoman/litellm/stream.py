"""The proxy's stream, before it is read like any other server's."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

from dragoman.core import Event, decode_json
from dragoman.litellm.extras import Extras

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dragoman.core import Json, StreamDecoder


class ProxyStream:
    """Takes the extras out of the deltas, lets `inner` read the rest, and gives them in the chunk that finishes."""

    def __init__(self, inner: StreamDecoder) -> None:
        self._inner = inner
        self._extras: dict[int, Extras] = defaultdict(Extras)
        self._reasons: dict[int, str] = {}

    def feed(self, event: Event) -> Iterator[Json]:
        """Return the chunks for one event."""
        sent = decode_json(event.data)
        if sent.get("choices"):
            sent["choices"] = [self._take(choice) for choice in sent["choices"]]
            event = Event(json.dumps(sent).encode(), event.name)
        for chunk in self._inner.feed(event):
            yield self._give(chunk)

    def finish(self) -> Iterator[Json]:
        """Return the last chunks. With `n` > 1 the proxy says the reason of one choice, when all have ended."""
        for index in sorted(self._extras.keys() - self._reasons.keys()) if self._reasons else ():
            reason = next(iter(self._reasons.values()))
            last = {"choices": [{"index": index, "delta": {}, "finish_reason": reason}]}
            yield from self.feed(Event(json.dumps(last).encode()))
        yield from self._inner.finish()

    def _take(self, choice: Json) -> Json:
        index = choice.get("index") or 0
        if choice.get("finish_reason"):
            self._reasons[index] = choice["finish_reason"]
        return {**choice, "delta": self._extras[index].take(choice.get("delta") or {})}

    def _give(self, chunk: Json) -> Json:
        choices = [self._finished(choice) if choice["finish_reason"] else choice for choice in chunk["choices"]]
        return {**chunk, "choices": choices}

    def _finished(self, choice: Json) -> Json:
        return {**choice, "delta": {**choice["delta"], **self._extras[choice["index"]].whole()}}
