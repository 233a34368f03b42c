"""Anthropic's stream of events -> OpenAI's chunks.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming. The Message is put together again on
the way, so that the chunk with the `finish_reason` carries the same `extra_content` as an unstreamed answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dragoman.anthropic.assistant import parse_json
from dragoman.anthropic.failures import vendor_error
from dragoman.anthropic.models import facts_of
from dragoman.anthropic.response import (
    Tools,
    decode_annotations,
    decode_carry,
    decode_refusal,
    decode_service_tier,
    decode_stop_reason,
    decode_text,
    decode_usage,
    is_client_call,
)
from dragoman.core import Call, Chunks, Event, Json, StreamCutError, VendorError, decode_json, warn_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dragoman.anthropic.models import FactsFor


@dataclass(slots=True)
class _Block:
    """A content block in the making; `pieces` hold what comes in fragments, by the key it belongs to."""

    raw: Json
    pieces: dict[str, list[str]] = field(default_factory=dict)
    #: Index of the tool call that the block is, and the caller's name of the tool.
    call: int | None = None
    name: str = ""
    reshaped: bool = False
    #: The input that stood in the start, if the block is a call that stands in for the answer's text.
    answer: Json | None = None
    open: bool = True

    def add(self, key: str, piece: str) -> None:
        self.pieces.setdefault(key, []).append(piece)

    def joined(self, key: str) -> str:
        return "".join(self.pieces.get(key, ()))


class MessageDecoder:
    """Decodes one stream of the Messages API; see `StreamDecoder` in `dragoman.core`.

    Raises `VendorError` for an error event and for a message that begins anew, `StreamCutError` for a
    stream that closes before the answer is whole.
    """

    def __init__(self, call: Call, facts_for: FactsFor = facts_of) -> None:
        self._call = call
        self._chunks = Chunks(call)
        self._tools = Tools(call, facts_for)
        self._message: Json = {}
        self._blocks: dict[int, _Block] = {}
        self._calls: list[tuple[str, str, list[str]]] = []
        self._begun = False
        self._thought: _Block | None = None
        self._done = False

    def feed(self, event: Event) -> Iterator[Json]:
        """Turn one event into chunks; unknown events are passed over."""
        # Gateways that also speak OpenAI's protocol end Anthropic's stream in OpenAI's way.
        if self._done or event.data == b"[DONE]":
            return iter(())
        body = _read(event.data)
        kind = body.get("type") or event.name
        if kind == "error" or (kind not in _HANDLERS and "error" in body):
            raise vendor_error(body)
        handler = _HANDLERS.get(kind)
        return iter(handler(self, body) if handler else ())

    def finish(self) -> Iterator[Json]:
        """Close the stream; one that told its stop reason is whole even without `message_stop`."""
        if self._done:
            return iter(())
        if not self._message.get("stop_reason"):
            message = "the stream ended before message_stop"
            raise StreamCutError(message)
        return iter(self._end())

    def _on_message_start(self, body: Json) -> list[Json]:
        if self._begun:
            message = "Anthropic's stream began a second message inside the first; ask again"
            raise VendorError({"message": message, "type": "api_error", "param": None, "code": "stream_restarted"})
        self._message = body["message"]
        self._chunks.id = self._message.get("id") or self._call.id
        self._chunks.model = self._message.get("model") or self._call.model
        return []

    def _begin(self) -> list[Json]:
        """Send the role with the first content, not before: a fallback block may first name another model."""
        if self._begun:
            return []
        self._begun = True
        chunk = self._chunks.role()
        tier = decode_service_tier(self._message)
        return [{**chunk, "service_tier": tier} if tier else chunk]

    def _on_block_start(self, body: Json) -> list[Json]:
        raw = body["content_block"]
        block = self._blocks[body["index"]] = _Block(raw)
        if raw["type"] == "fallback":
            return self._fall_back(raw)
        chunks = self._begin()
        if raw["type"] == "text":
            chunks += self._say(raw.get("text"))
        elif raw["type"] == "thinking":
            chunks += self._think(block, raw.get("thinking"))
        elif self._tools.is_answer(raw):
            block.name = raw["name"]
            block.reshaped = self._tools.is_reshaped(block.name)
            block.raw, block.answer = {"type": "text", "text": ""}, raw.get("input") or {}
        elif is_client_call(raw):
            block.call = len(self._calls)
            block.name = self._tools.decode_name(raw["name"])
            block.reshaped = self._tools.is_reshaped(block.name)
            self._calls.append((raw["id"], block.name, []))
            chunks += self._open_call(block.call)
        return chunks

    def _fall_back(self, raw: Json) -> list[Json]:
        """Another model goes on with the answer."""
        self._message["model"] = raw["to"]["model"]
        if not self._begun:
            self._chunks.model = self._message["model"]
        return []

    def _on_block_delta(self, body: Json) -> list[Json]:
        delta = body["delta"]
        kind = delta["type"]
        block = self._blocks[body["index"]]
        if kind == "text_delta":
            block.add("text", delta["text"])
            return self._say(delta["text"])
        if kind == "input_json_delta":
            block.add("input", delta["partial_json"])
            return [] if block.reshaped else self._argue(block, delta["partial_json"])
        if kind == "thinking_delta":
            block.add("thinking", delta["thinking"])
            return self._think(block, delta["thinking"])
        if kind == "signature_delta":
            block.raw["signature"] = delta["signature"]
        elif kind == "citations_delta":
            block.raw["citations"] = [*(block.raw.get("citations") or ()), delta["citation"]]
        elif kind == "compaction_delta":
            block.raw.update({key: value for key, value in delta.items() if key != "type"})
        else:
            text = f"{self._call.provider}: unknown delta {kind!r} in a stream; the block that it belongs to lacks it."
            warn_once(self._call.provider, f"delta={kind}", text)
        return []

    def _say(self, text: str | None) -> list[Json]:
        return [self._chunks.delta(content=text)] if text else []

    def _think(self, block: _Block, text: str | None) -> list[Json]:
        if not text:
            return []
        gap = "" if self._thought in (None, block) else "\n\n"
        self._thought = block
        return [self._chunks.delta(reasoning_content=gap + text)]

    def _open_call(self, index: int) -> list[Json]:
        call_id, name, _ = self._calls[index]
        if not self._tools.legacy:
            return [self._chunks.tool_call(call_id, name, custom=self._tools.is_custom(name))]
        return [] if index else [self._chunks.delta(function_call={"name": name, "arguments": ""})]

    def _argue(self, block: _Block, text: str) -> list[Json]:
        """Send some of a call's arguments; of the call that stands in for the answer, as text."""
        if block.answer is not None:
            block.add("text", text)
            return self._say(text)
        if block.call is None or not text:
            return []
        _, name, fragments = self._calls[block.call]
        fragments.append(text)
        if self._tools.legacy:
            return [] if block.call else [self._chunks.delta(function_call={"arguments": text})]
        return [self._chunks.tool_arguments(block.call, text, custom=self._tools.is_custom(name))]

    def _on_block_stop(self, body: Json) -> list[Json]:
        block = self._blocks[body["index"]]
        return self._close(block)

    def _close(self, block: _Block) -> list[Json]:
        """Complete the block: write its fragments into it, and send what had to wait for its end."""
        if not block.open:
            return []
        block.open = False
        chunks = self._close_input(block)
        for key in ("text", "thinking"):
            if key in block.pieces:
                block.raw[key] = (block.raw.get(key) or "") + block.joined(key)
        return chunks

    def _close_input(self, block: _Block) -> list[Json]:
        written = block.joined("input")
        if not written.strip():
            # The whole input may stand in the start; a call without any still needs JSON.
            whole = block.answer or block.raw.get("input") or {}
            return self._argue(block, self._tools.decode_input(block.name, whole))
        value = _parse(written)
        if block.answer is None:
            # An input that is no object cannot be sent back as it is; the request side writes the same.
            block.raw["input"] = {"INVALID_JSON": written} if value is None else value
        if not block.reshaped:
            return []
        return self._argue(block, written if value is None else self._tools.decode_input(block.name, value))

    def _on_message_delta(self, body: Json) -> list[Json]:
        """Counts are running totals; what is missing or null keeps its first value."""
        rest = {key: value for key, value in body.items() if key not in {"type", "delta", "usage"}}
        self._message.update(_given({**rest, **(body.get("delta") or {})}))
        self._message["usage"] = {**(self._message.get("usage") or {}), **_given(body.get("usage") or {})}
        return []

    def _on_message_stop(self, _body: Json) -> list[Json]:
        return self._end()

    def _end(self) -> list[Json]:
        self._done = True
        chunks = self._begin()
        # Thinking that was cut off has no signature, and Anthropic refuses it without one.
        blocks = [block for block in self._blocks.values() if not (block.open and _is_unsigned(block.raw))]
        for block in self._blocks.values():
            chunks += self._close(block)
        message = {**self._message, "content": [block.raw for block in blocks]}
        calls = [self._tools.call(call_id, name, "".join(texts)) for call_id, name, texts in self._calls]
        refusal = decode_refusal(message)
        if refusal:
            chunks.append(self._chunks.delta(refusal=refusal))
        visible = {"content": decode_text(message["content"]), "refusal": refusal, **self._tools.visible(calls)}
        extra: Json = {"extra_content": decode_carry(message, visible, message["content"])}
        annotations = decode_annotations(message["content"])
        if annotations:
            extra["annotations"] = annotations
        reason = decode_stop_reason(
            self._call, message.get("stop_reason"), called=self._tools.reason if calls else None
        )
        chunks.append(self._chunks.finish(reason, **extra))
        chunks.append(self._chunks.usage(decode_usage(message.get("usage") or {})))
        return chunks


_HANDLERS: dict[str, Callable[[MessageDecoder, Json], list[Json]]] = {
    "message_start": MessageDecoder._on_message_start,  # noqa: SLF001 (the class's own table, which needs the class)
    "content_block_start": MessageDecoder._on_block_start,  # noqa: SLF001 (as above)
    "content_block_delta": MessageDecoder._on_block_delta,  # noqa: SLF001 (as above)
    "content_block_stop": MessageDecoder._on_block_stop,  # noqa: SLF001 (as above)
    "message_delta": MessageDecoder._on_message_delta,  # noqa: SLF001 (as above)
    "message_stop": MessageDecoder._on_message_stop,  # noqa: SLF001 (as above)
}


def _read(data: bytes) -> Json:
    """Decode an event; raises ValueError."""
    body = decode_json(data)
    return body if isinstance(body, dict) else {}


def _parse(text: str) -> Json | None:
    """Read a tool's input; None if it is no JSON object, or one that could not be sent back."""
    try:
        value = parse_json(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _given(fields: Json) -> Json:
    return {key: value for key, value in fields.items() if value is not None}


def _is_unsigned(raw: Json) -> bool:
    return raw["type"] == "thinking" and not raw.get("signature")
