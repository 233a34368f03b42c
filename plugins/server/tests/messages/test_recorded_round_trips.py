"""Recorded answers of Anthropic, decoded by its plugin and encoded back here, are what was recorded.

That is what is meant by "the same translators read backwards": once with what the plugin keeps for itself, and once
without, from what any client of OpenAI's could see.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.anthropic import Anthropic
from dragoman.core import Call, Event, Json, VendorError, unpack
from dragoman.server.messages.request import decode_request
from dragoman.server.messages.response import encode_message
from dragoman.server.messages.stream import MessageEncoder
from dragoman.server.messages.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = os.environ.get("DRAGOMAN_RECORDINGS")
ANTHROPIC = Anthropic(api_key="none")
NATIVE = Target("anthropic", native=True)
#: A gateway's recording that begins a second message inside the first.
SPLICED = "spliced-message-start"
#: What OpenAI's answer says otherwise, or not at all, without the plugin's own data.
TEXT_LIKE = frozenset({"text", "tool_use", "thinking"})
STOPS = {"stop_sequence": "end_turn", "model_context_window_exceeded": "max_tokens", "pause_turn": "max_tokens"}


def recorded(*, streamed: bool) -> list[Any]:
    if not FOLDER:
        return [pytest.param(None, marks=pytest.mark.skip(reason="DRAGOMAN_RECORDINGS is unset"), id="unset")]
    lines = [
        json.loads(line)
        for path in sorted(Path(FOLDER).glob("*anthropic*.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    ]
    return [
        pytest.param(line, id=line["id"])
        for line in lines
        if line["response"]["status"] == 200
        and line["kind"] == "messages"
        and bool(line["response"]["sse"]) is streamed
        and (isinstance(line["response"]["body"], dict) or SPLICED not in line["source"])
        and (streamed or isinstance(line["response"]["body"], dict))
    ]


def make_call() -> Call:
    return Call("anthropic", "asked-for", {"messages": []}, id="call_1", created=1)


def said(value: Any) -> Any:
    """Without nulls: some servers write them, and some leave them out."""
    if isinstance(value, dict):
        return {key: said(item) for key, item in value.items() if item is not None}
    return [said(item) for item in value] if isinstance(value, list) else value


def meant(blocks: list[Json]) -> list[Json]:
    """Without empty texts, and without saying of a call that nobody but the model made it."""
    full = [block for block in said(blocks) if block != {"type": "text", "text": ""}]
    return [{key: value for key, value in block.items() if value != {"type": "direct"}} for block in full]


def without_carry(completion: Json) -> Json:
    choice = completion["choices"][0]
    message = {key: value for key, value in choice["message"].items() if key != "extra_content"}
    return {**completion, "choices": [{**choice, "message": message}]}


def events_in(text: str) -> Iterator[Event]:
    for block in text.replace("\r\n", "\n").split("\n\n"):
        fields = dict(line.split(":", 1) for line in block.splitlines() if ":" in line)
        if "data" in fields:
            yield Event(fields["data"].strip().encode(), fields.get("event", "").strip())


def assembled(events: list[Json]) -> Json:
    """Put a Message together from events; blocks have to come one after the other."""
    message: Json = {}
    live: int | None = None
    inputs: dict[int, str] = {}
    for event in events:
        kind = event["type"]
        if kind == "message_start":
            assert not message
            message = event["message"]
        elif kind == "content_block_start":
            assert live is None
            live = event["index"]
            assert live == len(message["content"])
            message["content"].append(dict(event["content_block"]))
        elif kind == "content_block_delta":
            assert event["index"] == live
            add_delta(message["content"][-1], event["delta"], inputs, event["index"])
        elif kind == "content_block_stop":
            assert event["index"] == live
            live = None
            if event["index"] in inputs:
                message["content"][-1]["input"] = json.loads(inputs[event["index"]])
        elif kind == "message_delta":
            assert live is None
            message.update(event["delta"])
            message["usage"].update(event["usage"])
    assert events[-1] == {"type": "message_stop"}
    return message


def add_delta(block: Json, delta: Json, inputs: dict[int, str], index: int) -> None:
    if delta["type"] == "input_json_delta":
        inputs[index] = inputs.get(index, "") + delta["partial_json"]
        return
    key = delta["type"].removesuffix("_delta")
    block[key] = (block.get(key) or "") + delta[key]


def visible(message: Json) -> Json:
    """What of a recorded Message OpenAI's answer shows: joined texts and thoughts, and the calls."""
    blocks = message["content"] or []
    thoughts = [block["thinking"] for block in blocks if block["type"] == "thinking" and block["thinking"]]
    text = "".join(block.get("text") or "" for block in blocks if block["type"] == "text")
    return {
        "thoughts": "\n\n".join(thoughts),
        "text": text,
        "calls": [
            (block["id"], block["name"], block.get("input") or {})
            for block in blocks
            if block["type"] == "tool_use" and not block["id"].startswith("srvtoolu_")
        ],
        "stop_reason": STOPS.get(message["stop_reason"], message["stop_reason"]),
        "usage": [
            message["usage"].get(key) or 0
            for key in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
        ],
    }


@pytest.mark.parametrize("line", recorded(streamed=False))
def test_whole_answers_come_back_as_they_were(line: Json) -> None:
    body = line["response"]["body"]
    message = encode_message(ANTHROPIC.decode(make_call(), body))
    assert json.dumps(message["content"]) == json.dumps(body["content"])
    assert said(message) == said(body)


@pytest.mark.parametrize("line", recorded(streamed=False))
def test_whole_answers_come_back_from_what_is_visible(line: Json) -> None:
    body = line["response"]["body"]
    message = encode_message(without_carry(ANTHROPIC.decode(make_call(), body)))
    expected, found = visible(body), visible(message)
    if any(entry.get("type") == "compaction" for entry in body["usage"].get("iterations") or ()):
        del expected["usage"], found["usage"]  # the plugin adds what compacting cost
    if not expected["calls"] and expected["stop_reason"] == "tool_use":
        expected["stop_reason"] = "end_turn"
    if expected["calls"] and expected["stop_reason"] == "end_turn":
        expected["stop_reason"] = "tool_use"
    assert found == expected


@pytest.mark.parametrize("line", recorded(streamed=True))
def test_streams_come_back_from_chunks(line: Json) -> None:
    decoder = ANTHROPIC.decode_stream(make_call())
    try:
        chunks = [chunk for event in events_in(line["response"]["sse"]) for chunk in decoder.feed(event)]
        chunks += decoder.finish()
    except VendorError:
        pytest.skip("the recording is an error")
    encoder = MessageEncoder()
    events = [event for chunk in chunks for event in encoder.feed(chunk)]
    events += encoder.finish()
    message = assembled(json.loads(json.dumps(events)))
    carried = next(
        choice["delta"]["extra_content"]["anthropic"]
        for chunk in chunks
        for choice in chunk["choices"]
        if "extra_content" in choice["delta"]
    )
    # Put back into the history, it is what Anthropic said, block for block.
    history = {"model": "m", "max_tokens": 1, "messages": [{"role": "assistant", "content": message["content"]}]}
    chat, _ = decode_request(history, NATIVE)
    data, unedited = unpack(chat["messages"][0], "anthropic")
    assert unedited
    assert meant(data["blocks"]) == meant(carried["blocks"])
    whole = {"content": carried["blocks"], **{key: carried[key] for key in ("stop_reason", "usage")}}
    expected, found = visible(whole), visible(message)
    if any(entry.get("type") == "compaction" for entry in carried["usage"].get("iterations") or ()):
        del expected["usage"], found["usage"]
    assert found == expected
