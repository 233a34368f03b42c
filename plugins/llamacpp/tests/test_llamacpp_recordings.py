"""Real llama.cpp servers' recorded answers, through the decoders and into the openai SDK's types."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from dragoman.core import Call, Event
from dragoman.llamacpp import LlamaCpp

FOLDER = os.environ.get("DRAGOMAN_RECORDINGS")
pytestmark = pytest.mark.skipif(not FOLDER, reason="DRAGOMAN_RECORDINGS names no folder with recordings")


def exchanges() -> list[Any]:
    lines = (Path(FOLDER) / "llamacpp.jsonl").read_text("utf-8").splitlines() if FOLDER else []
    return [json.loads(line) for line in lines]


def call(request: Any) -> Call:
    return Call("llamacpp", request.get("model") or "m", request, id="chatcmpl-1", on_unsupported="ignore")


@pytest.mark.rule(19, 20)
def test_recorded_answers_are_read() -> None:
    provider = LlamaCpp()
    seen = 0
    for exchange in exchanges():
        body = exchange["response"]["body"]
        if exchange["kind"] == "chat" and exchange["response"]["status"] == 200 and body:
            decoded = provider.decode(call(exchange["request"]["body"]), body)
            answer = ChatCompletion.model_validate(decoded)
            assert answer.choices[0].message.content is not None or answer.choices[0].message.tool_calls
            seen += 1
    assert seen > 30


@pytest.mark.rule(9, 13, 19)
def test_recorded_streams_are_read() -> None:
    provider = LlamaCpp()
    seen = 0
    for exchange in exchanges():
        if not exchange["response"]["sse"]:
            continue
        decoder = provider.decode_stream(call(exchange["request"]["body"]))
        assert decoder is not None
        lines = [line[6:] for line in exchange["response"]["sse"].splitlines() if line.startswith("data: {")]
        chunks = [chunk for line in lines for chunk in decoder.feed(Event(line.encode()))]
        parsed = [ChatCompletionChunk.model_validate(chunk) for chunk in [*chunks, *decoder.finish()]]
        choices = [chunk.choices[0] for chunk in parsed if chunk.choices]
        assert [bool(choice.delta.role) for choice in choices] == [True] + [False] * (len(choices) - 1)
        assert len([choice for choice in choices if choice.finish_reason]) == 1
        seen += 1
    assert seen > 10


@pytest.mark.rule(293)
def test_recorded_errors_are_read() -> None:
    errors = [exchange for exchange in exchanges() if exchange["response"]["status"] >= 400]
    for exchange in errors:
        status, body = exchange["response"]["status"], exchange["response"]["body"]
        decoded = LlamaCpp().decode_error(status, body)
        assert decoded["message"] == body["error"]["message"]
        if body["error"]["type"] == "exceed_context_size_error":
            assert (decoded["code"], decoded["n_ctx"]) == ("context_length_exceeded", body["error"]["n_ctx"])
    assert len(errors) > 3


def test_recorded_requests_are_encoded() -> None:
    provider = LlamaCpp(base_url="http://127.0.0.1:1")
    seen = 0
    for exchange in exchanges():
        if exchange["kind"] == "chat":
            wire = provider.encode(call(exchange["request"]["body"]))
            assert wire.body is not None
            assert len(wire.body["messages"]) == len(exchange["request"]["body"]["messages"])
            seen += 1
    assert seen > 50
