"""LM Studio's recorded answers, through the decoders and into the openai package's own types."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from dragoman.core import Call
from dragoman.lmstudio import LMStudio

FOLDER = os.environ.get("DRAGOMAN_RECORDINGS")
pytestmark = pytest.mark.skipif(not FOLDER, reason="DRAGOMAN_RECORDINGS names no folder with recordings")


def exchanges() -> list[Any]:
    """The chats: the other endpoints are OpenAI's own and pass through."""
    lines = (Path(FOLDER) / "lmstudio.jsonl").read_text("utf-8").splitlines() if FOLDER else []
    return [found for found in map(json.loads, lines) if found["kind"] == "chat"]


def call(exchange: Any) -> Call:
    request = exchange["request"]["body"]
    return Call("lmstudio", request["model"], request, id="chatcmpl-1", on_unsupported="ignore")


@pytest.mark.rule(5, 6, 8, 16, 20, 272)
def test_recorded_answers_are_read() -> None:
    seen = 0
    for exchange in exchanges():
        body = exchange["response"]["body"]
        if exchange["response"]["status"] != 200 or not body:
            continue
        answer = ChatCompletion.model_validate(LMStudio().decode(call(exchange), body))
        for sent, read in zip(body["choices"], answer.choices, strict=True):
            message = sent["message"]
            calls = message.get("tool_calls") or []
            assert (read.message.content or "") == (message.get("content") or "")
            assert [one.id for one in read.message.tool_calls or ()] == [one["id"] for one in calls]
            assert read.finish_reason == ("tool_calls" if calls else sent["finish_reason"])
        assert answer.usage is not None
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
        seen += 1
    assert seen >= 10


def test_recorded_requests_are_encoded() -> None:
    for exchange in exchanges():
        asked = call(exchange)
        body = LMStudio().encode(asked).body
        assert body is not None
        assert [one.get("content") or "" for one in body["messages"]] == [
            one.get("content") or "" for one in asked.request["messages"]
        ]
