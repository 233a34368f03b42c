"""LiteLLM's recorded answers, through the decoders and into the openai package's own types."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk

from dragoman.core import Call, Event
from dragoman.litellm import LiteLLM

FOLDER = os.environ.get("DRAGOMAN_RECORDINGS")
pytestmark = pytest.mark.skipif(not FOLDER, reason="DRAGOMAN_RECORDINGS names no folder with recordings")


def exchanges() -> list[Any]:
    """The chats: the other endpoints are OpenAI's own and pass through."""
    lines = (Path(FOLDER) / "litellm.jsonl").read_text("utf-8").splitlines() if FOLDER else []
    return [found for found in map(json.loads, lines) if found["kind"] == "chat"]


def call(exchange: Any) -> Call:
    request = exchange["request"]["body"]
    return Call("litellm", request["model"], request, id="chatcmpl-1", on_unsupported="ignore")


@pytest.mark.rule(9, 10, 11, 12, 13, 15)
def test_recorded_streams_are_read() -> None:
    seen = 0
    for exchange in exchanges():
        if not exchange["response"]["sse"]:
            continue
        decoder = LiteLLM().decode_stream(call(exchange))
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
    assert seen >= 1


def test_recorded_requests_are_encoded() -> None:
    for exchange in exchanges():
        asked = call(exchange)
        body = LiteLLM().encode(asked).body
        assert body is not None
        assert [one.get("content") or "" for one in body["messages"]] == [
            one.get("content") or "" for one in asked.request["messages"]
        ]
