"""An answer that goes into the history comes back to Anthropic as it was: the two halves of the plugin together."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dragoman.anthropic.response import decode_message
from dragoman.core import Call, Json


def recorded_answers() -> list[tuple[str, Json, Json]]:
    recordings = os.environ.get("DRAGOMAN_RECORDINGS")
    if not recordings:
        pytest.skip("DRAGOMAN_RECORDINGS is unset: there are no recorded answers to replay")
    found = []
    for name in ("anthropic.jsonl", "fixtures_anthropic.jsonl"):
        with (Path(recordings) / name).open(encoding="utf-8") as lines:
            for exchange in map(json.loads, lines):
                body = exchange["response"]["body"]
                if exchange["kind"] == "messages" and isinstance(body, dict) and body.get("type") == "message":
                    found.append((exchange["id"], exchange.get("request") or {}, body))
    return found


def is_sendable(block: Json) -> bool:
    return bool(block.get("signature") if block["type"] == "thinking" else block["type"] != "text" or block.get("text"))


@pytest.mark.rule(34, 44, 45, 127, 130, 135)
@pytest.mark.filterwarnings("ignore::dragoman.core.DragomanWarning")
def test_every_recorded_answer_is_replayed_as_it_was(encode: Any) -> None:
    seen = 0
    for name, request, body in recorded_answers():
        tools = (request.get("body") or {}).get("tools") or []
        chat: Json = {"tools": tools, "messages": [{"role": "user", "content": "q"}]}
        completion = decode_message(Call("anthropic", "m", {**chat, "model": "m"}, id="x"), body)
        # As a database or another framework would keep it.
        message = json.loads(json.dumps(completion["choices"][0]["message"]))
        results = [
            {"role": "tool", "tool_call_id": call["id"], "content": "r"} for call in message.get("tool_calls", ())
        ]
        sendable = [block for block in body["content"] if is_sendable(block)]
        if not sendable:
            continue
        messages = [*chat["messages"], message, *results, {"role": "user", "content": "And then?"}]
        sent = encode("claude-opus-5", tools=tools, messages=messages)
        assert json.dumps(sent.messages[1]["content"]) == json.dumps(sendable), name
        seen += 1
    assert seen > 300
