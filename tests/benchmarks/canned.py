"""What the loopback provider answers: whole HTTP answers, with the headers and all the fields that vendors send.

write(folder)          one file for each answer, and the `index` that tells which is for whom
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

from workload import MODELS, VENDORS, Json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

DELTAS = 200
PIECES = 20
_DATE = 1_763_816_400
_WORDS = (  # noqa: SIM905 (readable)
    "mild days with a light wind from the sea and some high cloud over the river while the evenings stay warm enough "
    "for a walk along the quay and rain is not expected before the end of the week"
).split()
_CHANCE = random.Random(20)  # noqa: S311 (no secret: the same words each time)


def words(count: int) -> list[str]:
    """Return so many pieces of text."""
    return [("" if index == 0 else " ") + _CHANCE.choice(_WORDS) for index in range(count)]


TEXT = words(DELTAS)
LEAD = ["I will look", " the forecast", " up."]
ARGUMENTS: Json = {
    "place": "Lisbon, Portugal",
    "unit": "celsius",
    "days": 7,
    "parts": ["wind", "rain", "pressure", "humidity", "tides", "visibility"],
    "note": "the traveller walks in the mornings and would rather stay dry",
    "range": {"from": "2026-11-22T00:00:00Z", "until": "2026-11-29T00:00:00Z"},
}
_CALL = "get_forecast"


def _cut(text: str, count: int) -> list[str]:
    size = -(-len(text) // count)
    return [text[start : start + size] for start in range(0, len(text), size)]


def _dump(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _sse(events: Iterable[Json], *, named: bool = False, done: bool = False) -> list[str]:
    texts = [(f"event: {event['type']}\n" if named else "") + f"data: {_dump(event)}\n\n" for event in events]
    return [*texts, "data: [DONE]\n\n"] if done else texts


class _Anthropic:
    tail = "/v1/messages"

    @staticmethod
    def _usage(count: int) -> Json:
        return {
            "input_tokens": 312,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": count,
            "service_tier": "standard",
            "inference_geo": "not_available",
        }

    def _message(self, content: list[Json], reason: str | None, count: int) -> Json:
        return {
            "model": MODELS["anthropic"]["text"],
            "id": "msg_01BenchmarkBenchmarkBenchm",
            "type": "message",
            "role": "assistant",
            "content": content,
            "stop_reason": reason,
            "stop_sequence": None,
            "usage": self._usage(count),
        }

    def whole(self, texts: list[str], call: Json | None) -> str:
        content: list[Json] = [{"type": "text", "text": "".join(texts)}]
        if call is not None:
            content.append({"type": "tool_use", "id": "toolu_01Benchmark", "name": _CALL, "input": call})
        return _dump(self._message(content, "tool_use" if call else "end_turn", len(texts)))

    def _block(self, index: int, start: Json, deltas: list[Json]) -> list[Json]:
        opened = {"type": "content_block_start", "index": index, "content_block": start}
        pieces = [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        return [opened, *pieces, {"type": "content_block_stop", "index": index}]

    def stream(self, texts: list[str], call: Json | None) -> list[str]:
        events: list[Json] = [{"type": "message_start", "message": self._message([], None, 1)}, {"type": "ping"}]
        text_deltas = [{"type": "text_delta", "text": text} for text in texts]
        events += self._block(0, {"type": "text", "text": ""}, text_deltas)
        if call is not None:
            start = {"type": "tool_use", "id": "toolu_01Benchmark", "name": _CALL, "input": {}}
            parts = ["", *_cut(json.dumps(call), PIECES)]
            events += self._block(1, start, [{"type": "input_json_delta", "partial_json": part} for part in parts])
        reason = "tool_use" if call else "end_turn"
        usage = {name: value for name, value in self._usage(len(texts)).items() if name.endswith("_tokens")}
        events.append(
            {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}
        )
        return _sse([*events, {"type": "message_stop"}], named=True)


class _OpenAI:
    tail = "/chat/completions"
    #: Whether a tool call's arguments come piece by piece.
    cuts_calls = True
    #: What stands in each answer, and in each chunk, besides.
    more: Json = {"service_tier": "default", "system_fingerprint": "fp_benchmark"}  # noqa: RUF012 (never changed)
    in_chunks: Json = {**more, "usage": None, "obfuscation": "aB3dE5gH7"}  # noqa: RUF012 (as above)
    in_message: Json = {"refusal": None, "annotations": []}  # noqa: RUF012 (as above)
    last_usage_apart = True

    def __init__(self, vendor: str) -> None:
        self._model = MODELS[vendor]["text"]

    def _usage(self, count: int) -> Json:
        return {
            "prompt_tokens": 312,
            "completion_tokens": count,
            "total_tokens": 312 + count,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }

    def _call(self, arguments: str) -> Json:
        return {"id": "bench0001", "type": "function", "function": {"name": _CALL, "arguments": arguments}}

    def whole(self, texts: list[str], call: Json | None) -> str:
        message: Json = {"role": "assistant", "content": None if call else "".join(texts), **self.in_message}
        if call is not None:
            message["tool_calls"] = [self._call(json.dumps(call))]
        reason = "tool_calls" if call else "stop"
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        body: Json = {
            "id": "chatcmpl-BenchmarkBenchmarkBenchmark",
            "object": "chat.completion",
            "created": _DATE,
            "model": self._model,
            "choices": [choice],
            "usage": self._usage(len(texts)),
            **self.more,
        }
        return json.dumps(body, indent=2)

    def _chunk(self, delta: Json | None, reason: str | None = None, **more: object) -> Json:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return {
            "id": "chatcmpl-BenchmarkBenchmarkBenchmark",
            "object": "chat.completion.chunk",
            "created": _DATE,
            "model": self._model,
            "choices": [] if delta is None else [choice],
            **self.in_chunks,
            **more,
        }

    def stream(self, texts: list[str], call: Json | None) -> list[str]:
        chunks = [self._chunk({"role": "assistant", "content": ""})]
        if call is None or not self.cuts_calls:
            chunks += [self._chunk({"content": text}) for text in texts]
        if call is not None and self.cuts_calls:
            chunks.append(self._chunk({"tool_calls": [{"index": 0, **self._call("")}]}))
            parts = _cut(json.dumps(call), PIECES)
            chunks += [self._chunk({"tool_calls": [{"index": 0, "function": {"arguments": part}}]}) for part in parts]
        elif call is not None:
            chunks.append(self._chunk({"content": "", "tool_calls": [{"index": 0, **self._call(json.dumps(call))}]}))
        reason, usage = "tool_calls" if call else "stop", self._usage(len(texts))
        if self.last_usage_apart:
            chunks += [self._chunk({}, reason), self._chunk(None, usage=usage)]
        else:
            chunks.append(self._chunk({"content": ""}, reason, usage=usage))
        return _sse(chunks, done=True)


class _Together(_OpenAI):
    more: Json = {"prompt": []}  # noqa: RUF012 (never changed)
    in_chunks: Json = {}  # noqa: RUF012 (as above)
    in_message: Json = {"tool_calls": []}  # noqa: RUF012 (as above)
    last_usage_apart = False


class _Mistral(_OpenAI):
    """A call comes whole in one chunk, at the end."""

    cuts_calls = False
    more: Json = {}  # noqa: RUF012 (never changed)
    in_chunks: Json = {}  # noqa: RUF012 (as above)
    in_message: Json = {"tool_calls": None}  # noqa: RUF012 (as above)
    last_usage_apart = False

    def _usage(self, count: int) -> Json:
        return {"prompt_tokens": 312, "completion_tokens": count, "total_tokens": 312 + count}


class _Ollama:
    """NDJSON; a call comes whole in one line."""

    tail = "/api/chat"

    def _line(self, content: str, call: Json | None = None, **more: object) -> Json:
        message: Json = {"role": "assistant", "content": content}
        if call is not None:
            message["tool_calls"] = [{"function": {"name": _CALL, "arguments": call}}]
        stamp = "2026-11-22T13:00:00.123456789Z"
        return {"model": MODELS["ollama"]["text"], "created_at": stamp, "message": message, "done": False, **more}

    def _end(self, count: int) -> Json:
        return {
            "done": True,
            "done_reason": "stop",
            "total_duration": 4_883_583_458,
            "load_duration": 1_334_875,
            "prompt_eval_count": 312,
            "prompt_eval_duration": 342_546_000,
            "eval_count": count,
            "eval_duration": 4_535_599_000,
        }

    def whole(self, texts: list[str], call: Json | None) -> str:
        return _dump(self._line("" if call else "".join(texts), call, **self._end(len(texts))))

    def stream(self, texts: list[str], call: Json | None) -> list[str]:
        lines = [self._line(text) for text in texts]
        if call is not None:
            lines.append(self._line("", call))
        return [_dump(line) + "\n" for line in [*lines, self._line("", **self._end(len(texts)))]]


WIRES: dict[str, _Anthropic | _OpenAI | _Ollama] = {
    "anthropic": _Anthropic(),
    "openai": _OpenAI("openai"),
    "mistral": _Mistral("mistral"),
    "together": _Together("together"),
    "ollama": _Ollama(),
}

#: As many as vendors and their proxies send.
_HEADERS = {
    "date": "Sun, 22 Nov 2026 13:00:00 GMT",
    "connection": "keep-alive",
    "cache-control": "no-cache",
    "server": "cloudflare",
    "cf-ray": "9a2b3c4d5e6f7a8b-LIS",
    "cf-cache-status": "DYNAMIC",
    "request-id": "req_benchmark_0000000000000000",
    "x-request-id": "req_benchmark_0000000000000000",
    "strict-transport-security": "max-age=31536000; includeSubDomains; preload",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "none",
    "x-envoy-upstream-service-time": "812",
    "x-ratelimit-limit-requests": "10000",
    "x-ratelimit-limit-tokens": "2000000",
    "x-ratelimit-remaining-requests": "9999",
    "x-ratelimit-remaining-tokens": "1999500",
    "x-ratelimit-reset-requests": "6ms",
    "x-ratelimit-reset-tokens": "0s",
    "alt-svc": 'h3=":443"; ma=86400',
}


def _head(kind: str, length: int | None) -> bytes:
    size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    fields = [f"{name}: {value}" for name, value in _HEADERS.items()]
    return "\r\n".join(["HTTP/1.1 200 OK", f"content-type: {kind}", size, *fields, "", ""]).encode()


def whole_answer(vendor: str, texts: list[str], call: Json | None) -> bytes:
    """Return an answer that comes whole."""
    body = WIRES[vendor].whole(texts, call).encode()
    return _head("application/json", len(body)) + body


def streamed_answer(vendor: str, texts: list[str], call: Json | None, *, events: int | None = None) -> bytes:
    """Return a streamed answer, a chunk of HTTP for each event; `events`: only so many of them, and no end."""
    parts = [text.encode() for text in WIRES[vendor].stream(texts, call)][:events]
    kind = "application/x-ndjson" if vendor == "ollama" else "text/event-stream; charset=utf-8"
    framed = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return _head(kind, None) + framed + (b"0\r\n\r\n" if events is None else b"")


def write(folder: Path, lengths: Iterable[int] = ()) -> None:
    """Write the answers of all scenarios, and streams of `lengths` pieces each, by the model `stream-LENGTH`."""
    index: list[str] = []

    def add(vendor: str, model: str, content: bytes, *, stream: bool) -> None:
        name = f"{len(index)}.http"
        (folder / name).write_bytes(content)
        index.append(f"{WIRES[vendor].tail}\t{model}\t{int(stream)}\t{name}\n")

    for vendor in VENDORS:
        text, tool, held = (MODELS[vendor][name] for name in ("text", "tool", "held"))
        add(vendor, text, whole_answer(vendor, TEXT, None), stream=False)
        add(vendor, text, streamed_answer(vendor, TEXT, None), stream=True)
        add(vendor, tool, whole_answer(vendor, LEAD, ARGUMENTS), stream=False)
        lead = LEAD if vendor in {"anthropic", "openai", "together"} else words(PIECES)
        add(vendor, tool, streamed_answer(vendor, lead, ARGUMENTS), stream=True)
        add(vendor, held, streamed_answer(vendor, TEXT, None, events=PIECES), stream=True)
        for length in lengths:
            add(vendor, f"stream-{length}", streamed_answer(vendor, words(length), None), stream=True)
    (folder / "index").write_text("".join(index), "utf-8")
