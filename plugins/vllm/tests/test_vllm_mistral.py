"""The history for servers in Mistral's tokenizer mode."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core import Call, DragomanWarning, InvalidRequest, Json
from dragoman.vllm import VLLM
from dragoman.vllm.mistral import encode_messages, nine

ASK = {"role": "user", "content": "Hi"}
#: What dragoman, OpenAI and Kimi give as ids.
IDS = ["call_chatcmpl-1_0_0", "call_BkYZ12abAB34cdCD56efEF78", "functions.look:0", "7"]


def used(*ids: str) -> list[Json]:
    calls = [{"id": one, "type": "function", "function": {"name": "look", "arguments": "{}"}} for one in ids]
    results = [{"role": "tool", "tool_call_id": one, "content": "sea"} for one in ids]
    return [ASK, {"role": "assistant", "content": None, "tool_calls": calls}, *results]


def call(policy: Any = "raise") -> Call:
    return Call("vllm", "mistral", {}, on_unsupported=policy)


@given(st.lists(st.text(), unique=True, max_size=20))
def test_ids_are_nine_letters_and_digits_and_stay_apart(ids: list[str]) -> None:
    short = [nine(one) for one in ids]
    assert all(len(one) == 9 and one.isascii() and one.isalnum() for one in short)
    assert len(set(short)) == len(ids)
    assert [nine(one) for one in short] == short


@pytest.mark.rule(262)
def test_calls_and_results_keep_each_other() -> None:
    messages = used(*IDS, "abcDEF123")
    before = copy.deepcopy(messages)
    wire = encode_messages(call(), messages)
    assert messages == before
    made = [one["id"] for one in wire[1]["tool_calls"]]
    assert made == [message["tool_call_id"] for message in wire[2:]]
    assert made[-1] == "abcDEF123"
    assert wire[1]["tool_calls"][0]["function"] == messages[1]["tool_calls"][0]["function"]


@pytest.mark.rule(262)
def test_turns_only_grow() -> None:
    first = encode_messages(call("ignore"), used("7"))
    later = encode_messages(call("ignore"), [*used("7"), {"role": "assistant", "content": "ok"}, ASK])
    assert later[: len(first)] == first


@pytest.mark.rule(262)
def test_a_question_right_after_a_result_is_refused_or_bridged() -> None:
    with pytest.raises(InvalidRequest, match="put an assistant message in between"):
        encode_messages(call(), [*used("7"), ASK])
    asked = call("adapt")
    with pytest.warns(DragomanWarning, match="stands in between"):
        wire = encode_messages(asked, [*used("7"), ASK])
    assert [message["role"] for message in wire] == ["user", "assistant", "tool", "assistant", "user"]
    assert asked.ledger.adapted == {"messages": "an assistant message 'OK' stands in between"}


@pytest.mark.rule(262)
def test_the_history_is_rewritten_only_with_the_option() -> None:
    asked = call()
    asked.request = {"messages": used("7")}
    plain, fitted = VLLM().encode(asked).body, VLLM(mistral_tokenizer=True).encode(asked).body
    assert plain is not None
    assert plain["messages"] == used("7")
    assert fitted is not None
    assert fitted["messages"] == used(nine("7"))


@pytest.mark.rule(262)
def test_who_needs_the_option_is_told() -> None:
    said = VLLM().decode_error(400, {"error": {"message": "Unexpected role 'user' after role 'tool'"}})["message"]
    assert said.endswith('(use VLLM(mistral_tokenizer=True) and on_unsupported="adapt")')
