"""Assistant messages of the history, rebuilt from what is visible."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.anthropic.assistant import parse_json
from dragoman.core import DragomanWarning, InvalidRequest, Json

USER = {"role": "user", "content": "q"}


def call(arguments: Any = "{}", call_id: Any = "c1", name: str = "f") -> Json:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def function(name: str = "f", **more: Any) -> Json:
    return {"type": "function", "function": {"name": name, **more}}


def turn(*calls: Json, **fields: Any) -> list[Json]:
    results = [{"role": "tool", "tool_call_id": found["id"], "content": "r"} for found in calls]
    return [USER, {"role": "assistant", "tool_calls": list(calls), **fields}, *results]


@pytest.mark.rule(39, 31)
def test_text_and_calls_are_both_kept(encode: Any) -> None:
    calls = (call('{"a":1}'), call(call_id="c2"))
    sent = encode(messages=turn(*calls, content="Let me see."), tools=[function()])
    assert sent.messages[1]["content"] == [
        {"type": "text", "text": "Let me see."},
        {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "c2", "name": "f", "input": {}},
    ]
    sent = encode(messages=turn(*calls, content=None), tools=[function()])
    assert [block["type"] for block in sent.messages[1]["content"]] == ["tool_use", "tool_use"]


@pytest.mark.rule(40)
@pytest.mark.parametrize("calls", [[], None])
def test_no_calls_are_none(encode: Any, calls: Any) -> None:
    sent = encode(messages=[USER, {"role": "assistant", "content": "a", "tool_calls": calls}, USER])
    assert sent.blocks[1:2] == [{"type": "text", "text": "a"}]


@pytest.mark.rule(41)
@pytest.mark.parametrize("arguments", ["", None, " \n"])
def test_no_arguments_are_an_empty_object(encode: Any, arguments: Any) -> None:
    assert encode(messages=turn(call(arguments)), tools=[function()]).blocks[1]["input"] == {}


@pytest.mark.rule(42, 43, 44)
@pytest.mark.parametrize(
    "arguments", ['{"a":', "[1]", '"x"', "3", "null", '{"a":NaN}', '{"a":1e999}', "[" * 100_000, [1]]
)
def test_arguments_that_are_no_object_stay_readable(encode: Any, arguments: Any) -> None:
    with pytest.warns(DragomanWarning, match="INVALID_JSON"):
        sent = encode(messages=turn(call(arguments)), tools=[function()])
    assert sent.blocks[1]["input"] == {"INVALID_JSON": arguments}


@pytest.mark.rule(44, 45)
def test_numbers_and_order_stay(encode: Any) -> None:
    arguments = '{"z": 123456789012345678901234567890, "a": 1.0, "b": 0.1, "a2": -0.0}'
    found = encode(messages=turn(call(arguments)), tools=[function()]).blocks[1]["input"]
    assert json.dumps(found) == arguments
    assert parse_json('{"b":1,"a":2,"b":3}') == {"b": 3, "a": 2}
    assert list(parse_json('{"b":1,"a":2}')) == ["b", "a"]


def test_arguments_that_are_an_object_already(encode: Any) -> None:
    assert encode(messages=turn(call({"a": 1})), tools=[function()]).blocks[1]["input"] == {"a": 1}


@pytest.mark.rule(64, 65)
def test_arguments_of_a_wrapped_tool_are_wrapped(encode: Any) -> None:
    tools = [function(parameters={"type": "array"})]
    assert encode(messages=turn(call("[1]")), tools=tools).blocks[1]["input"] == {"value": [1]}
    with pytest.warns(DragomanWarning, match="INVALID_JSON"):
        assert encode(messages=turn(call("[1")), tools=tools).blocks[1]["input"] == {"INVALID_JSON": "[1"}


@pytest.mark.rule(78)
@pytest.mark.parametrize(("text", "sent_text"), [("free text", "free text"), (None, "")])
def test_a_custom_tools_call(encode: Any, text: Any, sent_text: str) -> None:
    custom = {"id": "c1", "type": "custom", "custom": {"name": "t", "input": text}}
    sent = encode(messages=turn(custom), tools=[{"type": "custom", "custom": {"name": "t"}}])
    assert sent.blocks[1] == {"type": "tool_use", "id": "c1", "name": "t", "input": {"input": sent_text}}


@pytest.mark.rule(68)
def test_a_rewritten_name_is_rewritten_in_the_history(encode: Any) -> None:
    sent = encode(messages=turn(call(name="a.b")), tools=[function("a.b")])
    assert sent.blocks[1]["name"] == sent.body["tools"][0]["name"] != "a.b"


@pytest.mark.rule(30)
def test_legacy_functions_become_calls_and_results(encode: Any) -> None:
    pair = [
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"a":1}'}},
        {"role": "function", "name": "f", "content": "r"},
    ]
    sent = encode(messages=[USER, *pair, *pair], functions=[{"name": "f"}])
    uses = [block for block in sent.blocks if block["type"] == "tool_use"]
    results = [block for block in sent.blocks if block["type"] == "tool_result"]
    assert [use["id"] for use in uses] == [result["tool_use_id"] for result in results] == ["function_call"] * 2
    assert uses[0]["input"] == {"a": 1}


@pytest.mark.rule(35)
def test_a_refusal_beside_the_content(encode: Any) -> None:
    sent = encode(messages=[USER, {"role": "assistant", "content": None, "refusal": "I will not."}, USER])
    assert sent.messages[1]["content"] == [{"type": "text", "text": "I will not."}]


@pytest.mark.rule(122, 124)
def test_a_mark_on_the_message(encode: Any) -> None:
    marker = {"cache_control": {"type": "ephemeral"}}
    sent = encode(messages=turn(call(), content="a", **marker), tools=[function()])
    assert [block.get("cache_control") for block in sent.messages[1]["content"]] == [None, {"type": "ephemeral"}]


@pytest.mark.rule(37)
@pytest.mark.parametrize("kind", ["image_url", "file", "document", "input_audio"])
def test_an_assistant_shows_no_pictures_and_no_documents(encode: Any, kind: str) -> None:
    parts = [{"type": "text", "text": "a"}, {"type": kind, kind: {}}]
    with pytest.raises(InvalidRequest, match=rf"^messages\[1\]\.content\[1\] has the type '{kind}'"):
        encode(messages=[USER, {"role": "assistant", "content": parts}, USER])


@pytest.mark.rule(36)
def test_audio_is_refused(encode: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"messages\[1\]\.audio"):
        encode(messages=[USER, {"role": "assistant", "audio": {"id": "a"}}, USER])


@pytest.mark.parametrize(
    ("calls", "said"),
    [
        (["x"], r"tool_calls\[0\] is a str"),
        ([{"id": "c"}], r"tool_calls\[0\]\.function has no name"),
        ([{"id": "c", "function": {"arguments": "{}"}}], "no name"),
        ([{"id": "c", "custom": {"input": "x"}}], r"\.custom has no name"),
    ],
)
def test_calls_that_are_none(encode: Any, calls: Any, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        encode(messages=[USER, {"role": "assistant", "tool_calls": calls}])


def test_a_legacy_call_without_a_name(encode: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"messages\[1\]\.function_call has no name"):
        encode(messages=[USER, {"role": "assistant", "function_call": {"arguments": ""}}])
