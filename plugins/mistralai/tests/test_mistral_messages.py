"""Conversations: roles, order, ids, what is carried, and what cannot be sent."""

from __future__ import annotations

import copy
import json
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dragoman.core import Call, DragomanError, DragomanWarning, InvalidRequest, Json, pack
from dragoman.mistralai import Mistral

if TYPE_CHECKING:
    from collections.abc import Callable

USER: Json = {"role": "user", "content": "Hi"}
THOUGHT: list[Json] = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}], "closed": True},
    {"type": "text", "text": "Yes."},
]


def asked(*ids: str, **more: Any) -> Json:
    calls = [{"id": one, "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}} for one in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls, **more}


def result(call_id: str, **more: Any) -> Json:
    return {"role": "tool", "tool_call_id": call_id, "content": "done", **more}


@pytest.mark.rule(179)
def test_system_and_developer_messages_keep_their_place(encode: Callable[..., Json]) -> None:
    wire = encode({"role": "developer", "content": "D"}, USER, {"role": "system", "content": "S"}, USER)["messages"]
    assert wire == [{"role": "system", "content": "D"}, USER, {"role": "system", "content": "S"}, USER]


@pytest.mark.rule(180)
def test_what_parse_adds_to_an_answer_is_left_out_without_a_word(encode: Callable[..., Json]) -> None:
    answer = {"role": "assistant", "content": '{"n": 1}', "parsed": {"n": 1}}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wire = encode({"role": "user", "content": "Hi"}, answer, {"role": "user", "content": "Again"})["messages"]
    assert wire[1] == {"role": "assistant", "content": '{"n": 1}'}


@pytest.mark.rule(180)
def test_keys_that_mistral_refuses_are_left_out_with_a_warning(encode: Callable[..., Json]) -> None:
    with pytest.warns(DragomanWarning, match="a message has no name there"):
        wire = encode({**USER, "name": "ann"}, asked("AbCdEf123"), result("AbCdEf123", name="f"))["messages"]
    assert wire[0] == USER
    assert wire[2]["name"] == "f"


@pytest.mark.rule(180)
def test_left_out_keys_are_not_mentioned_where_nothing_is_to_be_said(encode: Callable[..., Json]) -> None:
    answer = {"role": "assistant", "content": "A", "refusal": None, "annotations": [], "audio": None, "name": None}
    wire = encode(USER, answer, {**USER, "name": "ann"}, policy="ignore")["messages"]
    assert wire == [USER, {"role": "assistant", "content": "A"}, USER]


@pytest.mark.rule(173, 178, 181, 194)
def test_calls_and_results_have_mistrals_ids(encode: Callable[..., Json]) -> None:
    _, calls, first, second = encode(USER, asked("call_a", "call_b"), result("call_b"), result("call_a"))["messages"]
    assert calls["content"] == ""
    one, two = calls["tool_calls"]
    assert (first["tool_call_id"], second["tool_call_id"]) == (two["id"], one["id"])
    assert one["id"] != two["id"]
    assert {len(one["id"]), len(two["id"])} == {9}
    assert one == {"id": one["id"], "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}


@pytest.mark.rule(173)
def test_calls_with_one_id_are_told_apart_by_their_position(encode: Callable[..., Json]) -> None:
    _, calls, *results = encode(USER, asked("x", "x"), result("x"), result("x"))["messages"]
    wires = [call["id"] for call in calls["tool_calls"]]
    assert len(set(wires)) == 2
    assert [message["tool_call_id"] for message in results] == wires


@pytest.mark.rule(181, 194)
def test_text_beside_calls_stays_and_empty_arguments_are_an_object(encode: Callable[..., Json]) -> None:
    call = {"id": "AbCdEf123", "type": "function", "function": {"name": "f", "arguments": ""}, "index": 0}
    spoken = {"role": "assistant", "content": "Let me see.", "tool_calls": [call]}
    wire = encode(USER, spoken, result("AbCdEf123"))["messages"][1]
    assert wire["content"] == "Let me see."
    assert wire["tool_calls"] == [{"id": "AbCdEf123", "type": "function", "function": {"name": "f", "arguments": "{}"}}]


@pytest.mark.rule(181)
@pytest.mark.parametrize("content", [None, "", []])
def test_turns_in_which_nothing_was_said_are_left_out(encode: Callable[..., Json], content: Any) -> None:
    assert encode(USER, {"role": "assistant", "content": content, "tool_calls": []}, USER)["messages"] == [USER, USER]


def test_a_refusal_is_text(encode: Callable[..., Json]) -> None:
    wire = encode(USER, {"role": "assistant", "content": None, "refusal": "No."}, USER)["messages"]
    assert wire[1] == {"role": "assistant", "content": "No."}


@pytest.mark.rule(177)
def test_an_answer_at_the_end_is_a_prefix(encode: Callable[..., Json]) -> None:
    begun = {"role": "assistant", "content": "Once"}
    assert encode(USER, begun)["messages"][-1] == {**begun, "prefix": True}
    assert encode(USER, {**begun, "prefix": False})["messages"][-1] == {**begun, "prefix": False}
    assert encode(USER, begun, USER)["messages"][1] == begun


@pytest.mark.rule(175)
@pytest.mark.parametrize("policy", ["raise", "warn", "ignore"])
def test_a_user_may_speak_after_a_tool(encode: Callable[..., Json], policy: str) -> None:
    wire = encode(USER, asked("AbCdEf123"), result("AbCdEf123"), USER, policy=policy)["messages"]
    assert [message["role"] for message in wire] == ["user", "assistant", "tool", "user"]


@pytest.mark.rule(175)
def test_adapt_puts_a_word_between_a_tools_and_a_users(make_call: Callable[..., Call]) -> None:
    call = make_call(USER, asked("AbCdEf123"), result("AbCdEf123"), USER, policy="adapt")
    with pytest.warns(DragomanWarning, match="right after a tool's"):
        body = Mistral().encode(call).body
    assert body is not None
    assert body["messages"][3:] == [{"role": "assistant", "content": "OK"}, USER]
    assert "'OK'" in call.ledger.adapted["messages"]


@pytest.mark.rule(176, 178)
@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([USER, result("x")], r"messages\[1\] is the result of the call 'x', which is not open"),
        ([USER, asked("a"), result("b")], r"the call 'b'"),
        ([USER, asked("a"), result("a"), result("a")], r"messages\[3\] is the result of the call 'a'"),
        ([USER, asked("a", "b"), result("a"), USER], r"messages\[3\] comes before the result of 'b'"),
        ([USER, asked("a", "b")], r"the end comes before the result of 'a', 'b'"),
        ([USER, asked("a"), {"role": "system", "content": "S"}, result("a")], r"messages\[2\] comes before"),
        ([USER, {"role": "function", "name": "f", "content": "x"}], r"messages\[1\] has the role 'function'"),
        ([{"content": "x"}], r"the role None"),
        ([{"role": "assistant", "content": None, "audio": {"id": "x"}}], r"messages\[0\]\.audio"),
        ([{"role": "assistant", "content": None, "function_call": {"name": "f"}}], r"messages\[0\]\.function_call"),
        (
            [
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "a", "type": "custom", "custom": {"name": "f", "input": ""}}],
                }
            ],
            r"messages\[0\]\.tool_calls\[0\] is no call of a function",
        ),
        ([{"role": "user", "content": [{"type": "video_url"}]}], r"messages\[0\]\.content\[0\]"),
    ],
)
@pytest.mark.parametrize("policy", ["raise", "adapt"])
def test_what_mistral_cannot_take_is_refused_by_its_place(
    encode: Callable[..., Json], messages: list[Json], said: str, policy: str
) -> None:
    with pytest.raises(InvalidRequest, match=said):
        encode(*messages, policy=policy)


def carried(data: Json, **visible: Any) -> Json:
    message = {"role": "assistant", "content": "Yes.", **visible}
    return {**message, "reasoning_content": "Hm.", "extra_content": pack(message, "mistralai", data)}


@pytest.mark.rule(192, 193)
def test_an_unedited_answer_goes_back_as_it_came(encode: Callable[..., Json]) -> None:
    wire = encode(USER, carried({"content": THOUGHT}), USER)["messages"]
    assert wire[1] == {"role": "assistant", "content": THOUGHT}
    assert json.dumps(wire[1]["content"]) == json.dumps(THOUGHT)


@pytest.mark.rule(193)
def test_a_thought_before_a_call_goes_back_too(encode: Callable[..., Json]) -> None:
    calls = asked("AbCdEf123")["tool_calls"]
    answer = carried({"content": THOUGHT[:1]}, content=None, tool_calls=calls)
    wire = encode(USER, answer, result("AbCdEf123"))["messages"][1]
    assert wire == {"role": "assistant", "content": THOUGHT[:1], "tool_calls": calls}


@pytest.mark.rule(193)
def test_an_edited_answer_is_what_is_visible(encode: Callable[..., Json]) -> None:
    edited = {**carried({"content": THOUGHT}), "content": "No."}
    with pytest.warns(DragomanWarning, match="edited"):
        wire = encode(USER, edited, USER)["messages"]
    assert wire[1] == {"role": "assistant", "content": "No."}
    assert encode(USER, edited, USER, policy="ignore")["messages"][1] == wire[1]


@pytest.mark.rule(197)
def test_messages_of_tools_that_ran_at_mistral_go_back_before_the_answer(encode: Callable[..., Json]) -> None:
    earlier = [{"role": "assistant", "tool_calls": []}, {"role": "tool", "content": "image"}]
    wire = encode(USER, carried({"messages": earlier}), USER)["messages"]
    assert wire == [USER, *earlier, {"role": "assistant", "content": "Yes."}, USER]


@pytest.mark.rule(227)
def test_what_other_providers_left_is_not_sent(encode: Callable[..., Json]) -> None:
    answer = {"role": "assistant", "content": "A", "reasoning_content": "t", "thinking_blocks": [{}]}
    answer["extra_content"] = {"anthropic": {"blocks": []}, "dragoman": {"dropped": ["user"]}}
    assert encode(USER, answer, USER)["messages"][1] == {"role": "assistant", "content": "A"}


texts = st.sampled_from(["", "Hello", "Grüße \U0001f600"])
contents = texts | st.none() | st.lists(st.builds(lambda text: {"type": "text", "text": text}, texts), max_size=2)


@st.composite
def conversations(draw: st.DrawFn) -> list[Json]:
    """Well-formed conversations, with ids of every form."""
    messages: list[Json] = []
    for _ in range(draw(st.integers(1, 5))):
        role = draw(st.sampled_from(["user", "user", "system", "developer", "assistant", "tools"]))
        if role == "assistant":
            answer = {"role": role, "content": draw(contents)}
            if draw(st.booleans()):
                answer["extra_content"] = pack(answer, "mistralai", {"content": THOUGHT})
            messages.append(answer)
        elif role == "tools":
            ids = draw(st.lists(st.sampled_from(["call_1", "AbCdEf123", "", "f:0"]), min_size=1, max_size=3))
            messages += [asked(*ids, content=draw(texts)), *(result(one) for one in draw(st.permutations(ids)))]
        else:
            messages.append({"role": role, "content": draw(contents)})
    return messages


def encoded(messages: list[Json], policy: Any) -> list[Json]:
    request = {"model": "m", "messages": messages}
    before = copy.deepcopy(request)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DragomanWarning)
        body = Mistral().encode(Call("mistralai", "m", request, on_unsupported=policy)).body
    assert request == before
    assert body is not None
    found: list[Json] = body["messages"]
    return found


@pytest.mark.rule(173, 174)
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], deadline=None)
@given(conversations(), st.sampled_from(["raise", "adapt"]), st.data())
def test_an_earlier_request_is_a_prefix_of_a_later_one(messages: list[Json], policy: str, data: st.DataObject) -> None:
    """Cut where the model may be asked: after a user's word, or a turn's last result."""
    cut = data.draw(st.integers(1, len(messages)))
    assume(messages[cut - 1]["role"] != "assistant")
    messages = [*messages, USER]
    try:
        shorter = encoded(messages[:cut], policy)
    except DragomanError:
        assume(False)
    assert encoded(messages, policy)[: len(shorter)] == shorter
