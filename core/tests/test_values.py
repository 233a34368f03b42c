"""What Python code may return, and what becomes of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from openai.types.chat import ChatCompletion

from dragoman.core import Call
from dragoman.core.values import Chunker, joined, plain, whole

CALL = Call("here", "m1", {}, id="chatcmpl-1", created=7)
MADE = {"name": "add", "arguments": {"a": 1}}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("hi", {"content": "hi"}),
        ({"content": "hi"}, {"content": "hi"}),
        (SimpleNamespace(content="hi", _own=1), {"content": "hi"}),
        ({"choices": [{"message": {"content": "hi"}}]}, {"content": "hi"}),
        ({"content": "hi", "tool_calls": []}, {"content": "hi"}),
    ],
)
def test_whole_answers(value: Any, message: dict[str, Any]) -> None:
    answer = whole(CALL, value)
    (choice,) = answer["choices"]
    assert choice == {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    assert (answer["id"], answer["created"], answer["model"]) == ("chatcmpl-1", 7, "m1")
    ChatCompletion.model_validate(answer)


def test_what_is_said_beside_the_message_stands_beside_it() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    answer = whole(CALL, {"content": "hi", "usage": usage, "model": "m2", "finish_reason": "length"})
    assert (answer["usage"], answer["model"]) == (usage, "m2")
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": "hi"}


def test_tool_calls_are_completed() -> None:
    answer = whole(CALL, {"tool_calls": [{"function": MADE}, {"id": "x", "function": {"name": "now"}}]})
    message = answer["choices"][0]["message"]
    assert message["content"] is None
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    first, second = message["tool_calls"]
    assert first == {"type": "function", "id": "call_0", "function": {"name": "add", "arguments": '{"a": 1}'}}
    assert second == {"type": "function", "id": "x", "function": {"name": "now", "arguments": "{}"}}
    ChatCompletion.model_validate(answer)


@pytest.mark.parametrize("value", [None, 3, ["hi"], b"hi"])
def test_what_is_no_answer(value: Any) -> None:
    with pytest.raises(TypeError, match="a text, a dict or an iterator is wanted"):
        whole(CALL, value)


def chunks(*items: Any) -> list[dict[str, Any]]:
    chunker = Chunker(CALL)
    return [*(chunk for item in items for chunk in chunker.take(item)), *chunker.end()]


def test_items_become_one_stream() -> None:
    calls = [{"index": 0, "id": "x", "type": "function", "function": {"name": "now", "arguments": "{}"}}]
    made = chunks("a", {"content": "b"}, {"tool_calls": calls})
    deltas = [chunk["choices"][0]["delta"] for chunk in made]
    assert deltas == [
        {"role": "assistant", "content": ""},
        {"content": "a"},
        {"content": "b"},
        {"tool_calls": calls},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in made] == [None] * 4 + ["tool_calls"]
    answer = joined(made)
    assert answer["choices"][0]["message"]["content"] == "ab"
    assert answer["object"] == "chat.completion"


def test_chunks_stay_what_they_are() -> None:
    given = {"id": "z", "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "length"}]}
    usage = {"id": "z", "choices": [], "usage": {"prompt_tokens": 1}}
    made = chunks(given, usage)
    assert [chunk["choices"] for chunk in made] == [given["choices"], []]
    assert made[0]["object"] == "chat.completion.chunk"
    assert joined(made)["usage"] == {"prompt_tokens": 1}


def test_an_iterator_of_nothing_is_an_empty_answer() -> None:
    assert joined(chunks())["choices"][0]["message"] == {"role": "assistant", "content": ""}


def test_an_item_that_is_none() -> None:
    with pytest.raises(TypeError, match="texts, deltas or chunks, not int"):
        chunks(3)


def test_objects_become_plain() -> None:
    value = {"a": SimpleNamespace(b=[SimpleNamespace(c=1)]), "t": (1, 2), "k": dict}
    assert plain(value) == {"a": {"b": [{"c": 1}]}, "t": [1, 2], "k": dict}
