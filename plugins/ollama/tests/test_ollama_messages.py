"""The conversation."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman.core import Call, DragomanWarning, InvalidRequest, Json, pack
from dragoman.ollama.messages import encode_messages

if TYPE_CHECKING:
    from collections.abc import Callable

CALL = Call("ollama", "m", {})
USER = {"role": "user", "content": "Hi"}


def encode(*messages: Json) -> list[Json]:
    before = copy.deepcopy(messages)
    wire = encode_messages(CALL, list(messages))
    assert messages == before
    return wire


def calling(arguments: Any = "{}", call_id: str = "call_1", name: str = "look", **more: Any) -> Json:
    function = {"name": name, "arguments": arguments}
    return {"role": "assistant", "tool_calls": [{"id": call_id, "type": "function", "function": function}], **more}


@pytest.mark.rule(254)
@pytest.mark.parametrize(("role", "wire"), [("system", "system"), ("developer", "system"), ("user", "user")])
def test_roles(role: str, wire: str) -> None:
    assert encode({"role": role, "content": "Hi"}) == [{"role": wire, "content": "Hi"}]


@pytest.mark.rule(242)
def test_a_call_and_its_result() -> None:
    arguments = '{"b": 1.5, "a": [9007199254740993, null], "c": {"d": "\\u00e9"}}'
    wire = encode(USER, calling(arguments), {"role": "tool", "tool_call_id": "call_1", "content": "blue"})
    call = {"id": "call_1", "function": {"name": "look", "arguments": json.loads(arguments)}}
    assert wire[1:] == [
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_name": "look", "content": "blue", "tool_call_id": "call_1"},
    ]
    assert json.dumps(wire[1]["tool_calls"][0]["function"]["arguments"]) == arguments


@pytest.mark.rule(242)
def test_the_latest_call_with_an_id_names_its_result() -> None:
    result = {"role": "tool", "tool_call_id": "0", "content": "x"}
    wire = encode(calling(call_id="0", name="first"), result, calling(call_id="0", name="second"), result)
    assert [message["tool_name"] for message in wire if message["role"] == "tool"] == ["first", "second"]


@pytest.mark.rule(242)
def test_calls_of_one_turn_that_share_an_id_are_answered_in_their_order() -> None:
    calls = [calling(call_id=call_id, name=name)["tool_calls"][0] for call_id, name in zip("010", "abc", strict=True)]
    turn = {"role": "assistant", "content": None, "tool_calls": calls}
    results = [{"role": "tool", "tool_call_id": call_id, "content": "x"} for call_id in "0010"]
    wire = encode(turn, *results, turn, *results[:1])
    assert [message["tool_name"] for message in wire if message["role"] == "tool"] == ["a", "c", "b", "c", "a"]


@pytest.mark.rule(242)
@pytest.mark.parametrize("text", [None, "", "  "])
def test_no_arguments(text: str | None) -> None:
    assert encode(calling(text))[0]["tool_calls"][0]["function"]["arguments"] == {}


@pytest.mark.rule(242)
@pytest.mark.parametrize("text", ["oops", "[1]", '"text"', "null", "NaN", '{"a": NaN}', '{"a": 1e999}', "[" * 100_000])
def test_arguments_that_are_no_object_are_kept_under_a_key_of_their_own(text: str) -> None:
    with pytest.warns(DragomanWarning, match="no JSON object"):
        wire = encode(calling(text))
    assert wire[0]["tool_calls"][0]["function"]["arguments"] == {"INVALID_JSON": text}


def test_arguments_that_are_an_object_already() -> None:
    assert encode(calling({"a": 1}))[0]["tool_calls"][0]["function"]["arguments"] == {"a": 1}


def test_a_custom_tools_call_of_another_provider() -> None:
    call = {"id": "c", "type": "custom", "custom": {"name": "shell", "input": "ls"}}
    wire = encode({"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c", "content": ""})
    assert wire[0]["tool_calls"] == [{"id": "c", "function": {"name": "shell", "arguments": {"input": "ls"}}}]
    assert wire[1]["tool_name"] == "shell"


def test_the_older_function_interface_in_a_history() -> None:
    asked = {"role": "assistant", "content": None, "function_call": {"name": "look", "arguments": '{"a": 1}'}}
    assert encode(asked, {"role": "function", "name": "look", "content": "blue"}) == [
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "look", "arguments": {"a": 1}}}]},
        {"role": "tool", "tool_name": "look", "content": "blue"},
    ]


@pytest.mark.rule(251)
@pytest.mark.parametrize("key", ["reasoning_content", "reasoning"])
def test_thoughts_go_back(key: str) -> None:
    wire = encode({"role": "assistant", "content": "Blue.", key: "Hm."})
    assert wire == [{"role": "assistant", "content": "Blue.", "thinking": "Hm."}]


def test_other_providers_keys_stay_behind() -> None:
    message = {
        "role": "assistant",
        "content": None,
        "refusal": "No.",
        "annotations": [],
        "reasoning_details": [{}],
        "extra_content": {"anthropic": {"blocks": []}},
    }
    assert encode(message) == [{"role": "assistant", "content": "No."}]


def test_pictures_that_the_model_made_go_back_unless_the_message_was_edited() -> None:
    message: Json = {"role": "assistant", "content": "Here."}
    message["extra_content"] = pack(message, "ollama", {"images": ["AAAA"], "done_reason": "stop"})
    assert encode(message) == [{"role": "assistant", "content": "Here.", "images": ["AAAA"]}]
    assert encode({**message, "content": "There."}) == [{"role": "assistant", "content": "There."}]


def test_a_participants_name_has_no_place() -> None:
    with pytest.warns(DragomanWarning, match="names of the participants were left out"):
        assert encode({**USER, "name": "ann"}) == [USER]


@pytest.mark.rule(253)
@pytest.mark.parametrize("messages", [[], None])
def test_a_conversation_without_messages_is_refused(messages: Any) -> None:
    with pytest.raises(InvalidRequest, match="only makes Ollama load the model"):
        encode_messages(CALL, messages)


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ({"role": "critic", "content": ""}, r"messages\[1\] has the role 'critic'"),
        ({"role": "tool", "tool_call_id": "call_9", "content": ""}, "answers the call 'call_9', which no message"),
        ({"role": "function", "content": ""}, "answers the call None"),
        ({"role": "assistant", "audio": {"id": "a"}}, "Ollama has no audio"),
        ({"role": "assistant", "tool_calls": [{"id": "c", "function": {}}]}, "has no name"),
    ],
)
def test_what_cannot_be_a_message(message: Json, complaint: str) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        encode(USER, message)


texts = st.text(st.characters(codec="utf-8"), max_size=5)
arguments = st.dictionaries(texts, st.none() | st.integers() | texts, max_size=3).map(json.dumps)
turns = st.one_of(
    st.builds(lambda said: [{"role": "user", "content": said}], texts),
    st.builds(
        lambda said, thought: [{"role": "assistant", "content": said, "reasoning_content": thought}], texts, texts
    ),
    st.builds(lambda text: [calling(text), {"role": "tool", "tool_call_id": "call_1", "content": "x"}], arguments),
)


@given(conversation=st.lists(turns, min_size=2, max_size=6))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_longer_conversation_repeats_a_shorter_one(conversation: list[list[Json]]) -> None:
    messages = [message for turn in conversation for message in turn]
    shorter = [message for turn in conversation[:-1] for message in turn]
    wire = encode(*messages)
    assert wire[: len(shorter)] == encode(*shorter)
    assert json.dumps(wire, allow_nan=False)


def test_the_arguments_are_left_as_they_are(make_call: Callable[..., Call]) -> None:
    call = make_call(messages=[USER, calling('{"a": {"b": [1]}}')])
    before = copy.deepcopy(call.request)
    encode_messages(call, call.request["messages"])
    assert call.request == before
