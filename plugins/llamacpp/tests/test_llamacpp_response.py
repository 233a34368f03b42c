"""llama.cpp's answers -> OpenAI's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.core import Call, Event, Json, VendorError
from dragoman.llamacpp import LlamaCpp
from dragoman.llamacpp.response import ChatStream, decode_chat

CALL = Call("llamacpp", "m", {"model": "m"}, id="chatcmpl-1")


def tool_call(**fields: Any) -> Json:
    return {"type": "function", "function": {"name": "f", "arguments": "{}"}, **fields}


def completion(finish_reason: str = "stop", **message: Any) -> Json:
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", **message}}
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
        "timings": {"a": 1},
    }


def chunk(delta: Json, finish_reason: str | None = None, index: int = 0) -> Json:
    choice = {"index": index, "delta": delta, "finish_reason": finish_reason}
    return {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def decode(*chunks: Json) -> list[Json]:
    stream = ChatStream(CALL, LlamaCpp().decode_error)
    found = [out for sent in chunks for out in stream.feed(Event(json.dumps(sent).encode()))]
    return [*found, *stream.finish()]


def deltas(*chunks: Json) -> list[Json]:
    return [out["choices"][0]["delta"] for out in decode(*chunks)]


@pytest.mark.rule(292, 295)
def test_text_thoughts_and_timings_stay() -> None:
    body = completion(content="hi", reasoning_content="hm")
    assert decode_chat(CALL, body) == body


@pytest.mark.rule(5, 6)
def test_content_is_null_beside_tool_calls_and_no_calls_are_no_key() -> None:
    (choice,) = decode_chat(CALL, completion("tool_calls", content="", tool_calls=[tool_call(id="a")]))["choices"]
    assert choice["message"]["content"] is None
    (choice,) = decode_chat(CALL, completion(content="hi", tool_calls=[]))["choices"]
    assert choice["message"] == {"role": "assistant", "content": "hi"}


@pytest.mark.rule(300)
@pytest.mark.parametrize("sent", [{"id": ""}, {"id": None}, {}])
def test_a_missing_id_is_made_from_the_calls_own(sent: Json) -> None:
    body = completion("tool_calls", content=None, tool_calls=[tool_call(**sent), tool_call(id="kept")])
    ids = [made["id"] for made in decode_chat(CALL, body)["choices"][0]["message"]["tool_calls"]]
    assert ids == ["call_chatcmpl-1_0_0", "kept"]
    first = {"index": 0, **tool_call(**sent)}
    (opened, streamed) = decode(chunk({"role": "assistant", "content": None}), chunk({"tool_calls": [first]}))
    assert opened["choices"][0]["delta"] == {"role": "assistant", "content": None}
    assert streamed["choices"][0]["delta"]["tool_calls"][0]["id"] == "call_chatcmpl-1_0_0"


@pytest.mark.rule(8)
def test_calls_finish_with_tool_calls_unless_cut() -> None:
    for sent, expected in (("stop", "tool_calls"), ("tool_calls", "tool_calls"), ("length", "length")):
        body = completion(sent, content=None, tool_calls=[tool_call(id="a")])
        assert decode_chat(CALL, body)["choices"][0]["finish_reason"] == expected
        chunks = decode(chunk({"tool_calls": [{"index": 0, **tool_call(id="a")}]}), chunk({}, sent))
        assert chunks[-1]["choices"][0]["finish_reason"] == expected


@pytest.mark.rule(9)
def test_the_first_chunk_has_an_empty_text_only_where_text_follows() -> None:
    role = chunk({"role": "assistant", "content": None})
    text = {"role": "assistant", "content": ""}
    assert deltas(role, chunk({"content": "a"})) == [text, {"content": "a"}]
    assert deltas(role, chunk({}, "stop")) == [text, {}]
    opened, thought = deltas(role, chunk({"reasoning_content": "r"}))
    assert (opened, thought) == ({"role": "assistant", "content": None}, {"reasoning_content": "r"})


@pytest.mark.rule(9)
def test_a_first_chunk_with_text_passes() -> None:
    assert deltas(chunk({"role": "assistant", "content": "a"})) == [{"role": "assistant", "content": "a"}]


@pytest.mark.rule(15)
def test_choices_are_kept_apart() -> None:
    opened = [chunk({"role": "assistant", "content": None}, index=index) for index in (0, 1)]
    found = decode(*opened, chunk({"content": "b"}, index=1), chunk({"content": "a"}, index=0))
    assert [(out["choices"][0]["index"], out["choices"][0]["delta"].get("content")) for out in found] == [
        (1, ""),
        (1, "b"),
        (0, ""),
        (0, "a"),
    ]


@pytest.mark.rule(14)
def test_the_usage_chunk_passes() -> None:
    usage = {**chunk({}), "choices": [], "usage": {"total_tokens": 3}, "timings": {}}
    assert decode(usage) == [usage]


@pytest.mark.rule(293)
def test_an_error_in_the_stream_is_raised_with_its_status() -> None:
    error = {"code": 500, "message": "out of memory", "type": "server_error"}
    with pytest.raises(VendorError, match="out of memory") as caught:
        decode({"error": error})
    assert caught.value.status == 500
    assert caught.value.error["type"] == "server_error"
