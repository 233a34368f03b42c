"""vLLM's recorded answers, through the decoders and into the openai package's own types."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from dragoman.core import Call, Event
from dragoman.vllm import VLLM

FOLDER = os.environ.get("DRAGOMAN_RECORDINGS")
pytestmark = pytest.mark.skipif(not FOLDER, reason="DRAGOMAN_RECORDINGS names no folder with recordings")


def exchanges() -> list[Any]:
    """The chats: the other endpoints are OpenAI's own and pass through."""
    lines = (Path(FOLDER) / "vllm.jsonl").read_text("utf-8").splitlines() if FOLDER else []
    return [found for found in map(json.loads, lines) if found["kind"] == "chat"]


def call(exchange: Any) -> Call:
    request = exchange["request"]["body"]
    return Call("vllm", request["model"], request, id="chatcmpl-1", on_unsupported="ignore")


@pytest.mark.rule(5, 6, 8, 16, 20, 255, 265)
def test_recorded_answers_are_read() -> None:
    seen = 0
    for exchange in exchanges():
        body = exchange["response"]["body"]
        if exchange["response"]["status"] != 200 or not body:
            continue
        answer = ChatCompletion.model_validate(VLLM().decode(call(exchange), body))
        for sent, read in zip(body["choices"], answer.choices, strict=True):
            message = sent["message"]
            calls = message.get("tool_calls") or []
            assert (read.message.content or "") == (message.get("content") or "")
            assert [one.id for one in read.message.tool_calls or ()] == [one["id"] for one in calls]
            assert read.finish_reason == ("tool_calls" if calls else sent["finish_reason"])
        assert answer.usage is not None
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
        seen += 1
    assert seen >= 13


@pytest.mark.rule(9, 10, 11, 12, 13, 255, 263)
def test_recorded_streams_are_read() -> None:
    seen = 0
    for exchange in exchanges():
        if not exchange["response"]["sse"]:
            continue
        decoder = VLLM().decode_stream(call(exchange))
        assert decoder is not None
        lines = [line[6:] for line in exchange["response"]["sse"].splitlines() if line.startswith("data: {")]
        found = [chunk for line in lines for chunk in decoder.feed(Event(line.encode()))]
        chunks = [ChatCompletionChunk.model_validate(chunk) for chunk in [*found, *decoder.finish()]]
        sent = [choice for line in lines for choice in json.loads(line)["choices"]]
        for index in {choice["index"] for choice in sent}:
            choices = [choice for chunk in chunks for choice in chunk.choices if choice.index == index]
            text = "".join(choice.delta.content or "" for choice in choices)
            assert text == "".join(one["delta"].get("content") or "" for one in sent if one["index"] == index)
            assert [bool(choice.delta.role) for choice in choices] == [True] + [False] * (len(choices) - 1)
            assert [bool(choice.finish_reason) for choice in choices][-1:] == [True]
            assert len([choice for choice in choices if choice.finish_reason]) == 1
            calls = [one for choice in choices for one in choice.delta.tool_calls or ()]
            named = [one.index for one in calls if one.id]
            assert named == list(range(len(named)))
            for number in named:
                json.loads(
                    "".join(one.function.arguments or "" for one in calls if one.index == number and one.function)
                )
        seen += 1
    assert seen >= 73


@pytest.mark.rule(256, 258, 260)
def test_recorded_errors_are_read() -> None:
    failed = [exchange["response"] for exchange in exchanges() if exchange["response"]["status"] >= 400]
    for response in failed:
        sent, read = response["body"]["error"], VLLM().decode_error(response["status"], response["body"])
        assert read["message"].startswith(sent["message"])
        assert ("start it with these flags" in read["message"]) == ("--tool-call-parser" in sent["message"])
        assert read["code"] == ("context_length_exceeded" if "context length" in sent["message"] else sent["code"])
    assert len(failed) >= 5


def test_recorded_requests_are_encoded() -> None:
    for exchange in exchanges():
        asked = call(exchange)
        body = VLLM().encode(asked).body
        assert body is not None
        assert [one.get("content") or "" for one in body["messages"]] == [
            one.get("content") or "" for one in asked.request["messages"]
        ]
