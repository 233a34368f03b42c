"""Provider-only data that travel with a message, through JSON, pydantic and edits."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionMessage

from dragoman.core import pack, strip_peer_keys, unpack
from dragoman.core.carry import PEER_KEYS, digest

TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
CALLS = st.lists(
    st.fixed_dictionaries(
        {"id": TEXT, "type": st.just("function"), "function": st.fixed_dictionaries({"name": TEXT, "arguments": TEXT})}
    ),
    max_size=3,
)
MESSAGES = st.fixed_dictionaries(
    {"role": st.just("assistant")},
    optional={"content": st.none() | TEXT, "refusal": st.none() | TEXT, "tool_calls": st.none() | CALLS},
)
DATA: dict[str, Any] = {"blocks": [{"type": "thinking", "signature": "\ud83d é", "n": 10**30}]}


@given(MESSAGES)
def test_a_round_trip_through_json(message: dict[str, Any]) -> None:
    sent = {**message, "extra_content": pack(message, "acme", DATA)}
    for ascii_only in (True, False):
        back = json.loads(json.dumps(sent, ensure_ascii=ascii_only))
        data, unedited = unpack(back, "acme")
        assert unedited
        assert data is not None
        assert data["blocks"] == DATA["blocks"]


@given(MESSAGES)
def test_a_round_trip_through_the_sdks_own_type(message: dict[str, Any]) -> None:
    message = json.loads(json.dumps(message).encode("ascii"))
    if "\\ud" in json.dumps(message):
        return  # pydantic has no lone surrogates
    sent = {**message, "extra_content": pack(message, "acme", {"n": 1})}
    model = ChatCompletionMessage.model_validate({"content": None, **sent})
    for dumped in (model.model_dump(), model.model_dump(exclude_unset=True), model.model_dump(exclude_none=True)):
        assert unpack(dumped, "acme")[1]


BASE: dict[str, Any] = {
    "role": "assistant",
    "content": "Hi",
    "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}


@pytest.mark.parametrize(
    "edit",
    [
        {"content": "Hi!"},
        {"content": None},
        {"refusal": "no"},
        {"tool_calls": []},
        {"tool_calls": [None]},
        {"tool_calls": [{"id": "1", "function": "f"}]},
        {"function_call": {"name": "f", "arguments": "{}"}},
        {"tool_calls": [BASE["tool_calls"][0]] * 2},
        {"tool_calls": [{"id": "2", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"tool_calls": [{"id": "1", "type": "function", "function": {"name": "g", "arguments": "{}"}}]},
        {"tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{ }"}}]},
    ],
)
def test_what_an_edit_is(edit: dict[str, Any]) -> None:
    sent = {**BASE, "extra_content": pack(BASE, "acme", DATA)}
    data, unedited = unpack({**sent, **edit}, "acme")
    assert data is not None
    assert not unedited


def test_what_is_none() -> None:
    sent = {**BASE, "extra_content": pack(BASE, "acme", DATA), "name": "x", "reasoning_content": "y"}
    assert unpack(sent, "acme")[1]
    assert digest({"content": ""}) == digest({"content": None}) == digest({}) == digest({"tool_calls": None})
    custom = {"tool_calls": [{"id": "1", "type": "custom", "custom": {"name": "f", "input": "x"}}]}
    assert digest(custom) != digest({"tool_calls": [{"id": "1", "type": "custom", "custom": {"name": "f"}}]})


def test_the_call_of_the_first_tool_interface_is_seen_too() -> None:
    call = {"name": "f", "arguments": "{}"}
    seen = [{}, {"function_call": call}, {"function_call": {**call, "arguments": "[]"}}]
    seen += [{"function_call": {**call, "name": "g"}}, {"tool_calls": [{"type": "function", "function": call}]}]
    assert digest({"function_call": None}) == digest({})
    assert len({digest(message) for message in seen[:4]}) == 4
    assert digest(seen[4]) != digest(seen[0])


@pytest.mark.parametrize("held", [None, "f", 3, ["f"]])
def test_calls_that_are_no_objects_are_sealed_as_they_are(held: Any) -> None:
    for message in ({"tool_calls": [{"id": "1", "function": held}]}, {"function_call": held}):
        sent: dict[str, Any] = {**message, "extra_content": pack(message, "acme", DATA)}
        assert unpack(sent, "acme")[1]
    assert digest({"tool_calls": [{"id": "1", "function": "f"}]}) != digest({"tool_calls": [{"id": "1"}]})


def test_the_digest_stays_what_it_was() -> None:
    assert digest({"content": "Hi"}) == "7693f7db5da34c90acaceff6d2dffbd7a44b4031f95654b32940d6035c7d6628"


@pytest.mark.parametrize("extra", [None, "x", {}, {"acme": 5}, {"other": {}}])
def test_nothing_to_unpack(extra: Any) -> None:
    assert unpack({"content": "Hi", "extra_content": extra}, "acme") == (None, False)


def test_a_seal_that_is_missing() -> None:
    assert unpack({"extra_content": {"acme": {"n": 1}}}, "acme") == ({"n": 1}, False)


def test_peers_keys_are_stripped() -> None:
    message = dict.fromkeys(PEER_KEYS, "x") | BASE
    assert strip_peer_keys(message) == BASE
    assert strip_peer_keys(BASE) is BASE


def test_peers_keys_are_stripped_of_tool_calls() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    signed = {**call, **dict.fromkeys(PEER_KEYS, "x")}
    message = {**BASE, "tool_calls": [call, signed, "odd"]}
    stripped = strip_peer_keys(message)
    assert stripped == {**BASE, "tool_calls": [call, call, "odd"]}
    assert strip_peer_keys(stripped) is stripped
    assert message["tool_calls"] == [call, signed, "odd"]
    for odd in ({**BASE, "tool_calls": None}, {**BASE, "tool_calls": "odd"}, {**BASE, "tool_calls": {"a": 1}}):
        assert strip_peer_keys(odd) is odd
