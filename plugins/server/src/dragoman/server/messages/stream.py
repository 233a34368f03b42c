"""OpenAI's chunks -> Anthropic's stream of events.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming. Blocks come one after the other there, and one
is complete before the next begins; where calls come interleaved, the later ones wait.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dragoman.server.messages.carrier import SIGNATURE, load
from dragoman.server.messages.response import (
    cargo_of,
    encode_stop,
    encode_tier,
    encode_usage,
    is_wanted,
    join_reports,
    parse_input,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dragoman.core import Json

#: The start of each kind of block, and the delta that goes on with it.
_STARTS: dict[str, Json] = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}}
_DELTAS = {"text": ("text_delta", "text"), "thinking": ("thinking_delta", "thinking")}


@dataclass(slots=True)
class _Block:
    """A block in the making. `waiting`: pieces that were not sent yet, because another block is not complete."""

    kind: str
    call_id: str = ""
    name: str = ""
    pieces: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)

    @property
    def written(self) -> str:
        return "".join(self.pieces)

    def is_complete(self) -> bool:
        """Whether nothing can follow: a call's arguments are one JSON object; other blocks end with the next one."""
        if self.kind != "tool_use":
            return True
        try:
            json.loads(self.written)
        except (ValueError, RecursionError):
            return False
        return True


class MessageEncoder:
    """Encodes one stream: `feed` takes its chunks, and `finish` ends it."""

    def __init__(self) -> None:
        self._begun = False
        self._blocks: list[_Block] = []
        self._calls: dict[int, _Block] = {}
        #: Which block is being sent, and whether its start was.
        self._live = 0
        self._open = False
        self._usage: Json = {}
        self._tier: Json = {}
        self._choice: Json = {}
        self._message: Json = {}
        self._refusal = ""

    def feed(self, chunk: Json) -> Iterator[Json]:
        """Turn one chunk into events."""
        if chunk.get("usage"):
            self._usage = chunk["usage"]
        self._tier = self._tier or encode_tier(chunk.get("service_tier"))
        if not self._begun and (chunk.get("choices") or chunk.get("usage")):
            self._begun = True
            yield self._start(chunk)
            yield {"type": "ping"}
        for choice in chunk.get("choices") or ():
            if choice.get("index"):
                continue
            yield from self._take(choice.get("delta") or {})
            if choice.get("finish_reason"):
                self._choice = choice
                self._message = choice.get("delta") or {}

    def finish(self, report: Json | None = None) -> Iterator[Json]:
        """End the message; `report` is what was left out or adapted on the way to the provider."""
        if not self._begun:
            yield self._start({"id": "", "model": ""})
        yield from self._advance(last=True)
        arguments = {block.call_id: block.written for block in self._calls.values()}
        yield from self._carry(cargo_of(self._message, arguments))
        stop = encode_stop(self._choice, self._refusal or None)
        told = join_reports(self._message, report)
        yield {
            "type": "message_delta",
            "delta": {"stop_details": None, "container": None, **stop},
            "usage": {**encode_usage(self._usage), **self._tier},
            **({"dragoman": told} if told else {}),
        }
        yield {"type": "message_stop"}

    def _start(self, chunk: Json) -> Json:
        """The message without content; counts come at the end, as OpenAI's do."""
        message: Json = {
            "id": chunk["id"],
            "type": "message",
            "role": "assistant",
            "model": chunk["model"],
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**encode_usage(chunk.get("usage")), **self._tier},
        }
        return {"type": "message_start", "message": message}

    def _take(self, delta: Json) -> Iterator[Json]:
        """Sort what one delta says into blocks, and send what can be sent."""
        thoughts = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(thoughts, str) and thoughts:
            self._say("thinking", thoughts)
        if delta.get("content"):
            self._say("text", delta["content"])
        self._refusal += delta.get("refusal") or ""
        for fragment in delta.get("tool_calls") or ():
            self._call(fragment)
        if self._blocks:
            yield from self._advance(last=False)

    def _say(self, kind: str, text: str) -> None:
        if not self._blocks or self._blocks[-1].kind != kind:
            self._blocks.append(_Block(kind))
        self._blocks[-1].waiting.append(text)

    def _call(self, fragment: Json) -> None:
        index, function = fragment.get("index") or 0, fragment.get("function") or {}
        block = self._calls.get(index)
        if block is None:
            block = self._calls[index] = _Block("tool_use", fragment.get("id") or "", function.get("name") or "")
            self._blocks.append(block)
        if function.get("arguments"):
            block.waiting.append(function["arguments"])

    def _advance(self, *, last: bool) -> Iterator[Json]:
        """Send what waits in the live block, and go on to the next one as soon as it is complete."""
        while self._live < len(self._blocks):
            block = self._blocks[self._live]
            if not self._open:
                self._open = True
                yield {"type": "content_block_start", "index": self._live, "content_block": _begin(block)}
            waiting, block.waiting = block.waiting, []
            for piece in waiting:
                block.pieces.append(piece)
                yield self._delta(block, piece)
            following = self._live + 1 < len(self._blocks)
            if not last and not (following and block.is_complete()):
                return
            yield from self._end(block)

    def _delta(self, block: _Block, piece: str) -> Json:
        kind, key = _DELTAS.get(block.kind, ("input_json_delta", "partial_json"))
        return {"type": "content_block_delta", "index": self._live, "delta": {"type": kind, key: piece}}

    def _end(self, block: _Block) -> Iterator[Json]:
        if block.kind == "thinking":
            delta = {"type": "signature_delta", "signature": SIGNATURE}
            yield {"type": "content_block_delta", "index": self._live, "delta": delta}
        yield {"type": "content_block_stop", "index": self._live}
        self._live, self._open = self._live + 1, False

    def _carry(self, cargo: Json) -> Iterator[Json]:
        """Give what has to come back a block of its own."""
        if is_wanted(cargo, [_whole(block) for block in self._blocks]):
            yield {"type": "content_block_start", "index": self._live, "content_block": load(cargo)}
            yield {"type": "content_block_stop", "index": self._live}


def _whole(block: _Block) -> Json:
    """A block as the client has it in the end."""
    begun = _begin(block)
    return (
        {**begun, "input": parse_input(block.written)}
        if block.kind == "tool_use"
        else {**begun, block.kind: block.written}
    )


def _begin(block: _Block) -> Json:
    if block.kind == "tool_use":
        return {"type": "tool_use", "id": block.call_id, "name": block.name, "input": {}}
    return {"type": block.kind, **_STARTS[block.kind]}


def write_event(event: Json) -> bytes:
    """Write an event as Anthropic's stream has it."""
    data = json.dumps(event, separators=(",", ":"))
    return f"event: {event['type']}\ndata: {data}\n\n".encode()
