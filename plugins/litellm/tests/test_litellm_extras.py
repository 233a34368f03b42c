"""The proxy's extras: apart, joined, and back."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.litellm.extras import Extras, hide_server_calls, show_server_calls

if TYPE_CHECKING:
    from dragoman.core import Json


def call(tool_call_id: str, arguments: str = "{}") -> Json:
    return {"id": tool_call_id, "type": "function", "function": {"name": "f", "arguments": arguments}}


@pytest.mark.rule(277)
def test_hiding_and_showing_are_each_others_inverse() -> None:
    message = {"role": "assistant", "content": "a", "tool_calls": [call("srvtoolu_1"), call("toolu_1")]}
    before = copy.deepcopy(message)
    hidden = hide_server_calls(message)
    assert message == before
    assert hidden["tool_calls"] == [call("toolu_1")]
    assert show_server_calls(hidden) == message


@pytest.mark.rule(277)
def test_fields_beside_the_hidden_calls_stay() -> None:
    message = {"tool_calls": [call("srvtoolu_1")], "provider_specific_fields": {"tool_results": [1]}}
    hidden = hide_server_calls(message)
    assert hidden["tool_calls"] == []
    assert hidden["provider_specific_fields"]["tool_results"] == [1]
    assert show_server_calls(hidden) == message


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": "a"},
        {"role": "assistant", "tool_calls": None, "provider_specific_fields": None},
        {"role": "assistant", "tool_calls": [call("toolu_1")], "provider_specific_fields": {"a": 1}},
    ],
)
def test_messages_without_server_calls_stay_as_they_are(message: Json) -> None:
    assert hide_server_calls(message) is message
    assert show_server_calls(message) is message


def joined(*deltas: Json) -> tuple[list[Json], Json]:
    extras = Extras()
    return [extras.take(delta) for delta in deltas], extras.whole()


def thinking(**block: Any) -> Json:
    return {"thinking_blocks": [{"type": "thinking", **block}]}


@pytest.mark.rule(279)
def test_pieces_of_thinking_are_joined_up_to_their_signature() -> None:
    rests, whole = joined(
        {"content": "x", **thinking(thinking="a", signature=None, index=0)},
        thinking(thinking="b"),
        thinking(signature="s1"),
        thinking(thinking="c", signature="s2"),
        {"thinking_blocks": [{"type": "redacted_thinking", "data": "d", "index": 2}]},
        thinking(thinking="", signature="s3"),
    )
    assert rests == [{"content": "x"}, {}, {}, {}, {}, {}]
    assert whole["thinking_blocks"] == [
        {"type": "thinking", "thinking": "ab", "signature": "s1"},
        {"type": "thinking", "thinking": "c", "signature": "s2"},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "thinking", "thinking": "", "signature": "s3"},
    ]


def test_lists_that_grow_count_once_and_citations_add_up() -> None:
    _, whole = joined(
        {"provider_specific_fields": {"tool_results": [1], "citation": {"a": 1}}},
        {"provider_specific_fields": {"tool_results": [1, 2], "citation": {"b": 2}, "thinking_blocks": [{}]}},
        {"provider_specific_fields": None},
    )
    assert whole == {"provider_specific_fields": {"tool_results": [1, 2], "citations": [[{"a": 1}, {"b": 2}]]}}


@pytest.mark.rule(277)
def test_pieces_of_the_vendors_calls_are_kept_apart_by_their_number() -> None:
    def piece(index: int, tool_call_id: str | None = None, arguments: str | None = "") -> Json:
        name = "f" if tool_call_id else None
        function = {"name": name, "arguments": arguments}
        return {"tool_calls": [{"index": index, "id": tool_call_id, "type": "function", "function": function}]}

    own = [piece(1, "toolu_1"), piece(1, None, '{"b": 1}')]
    rests, whole = joined(piece(0, "srvtoolu_1"), piece(0, None, '{"a":'), own[0], piece(0, None, " 1}"), own[1])
    assert rests == [{}, {}, own[0], {}, own[1]]
    assert whole["provider_specific_fields"]["server_tool_calls"] == [call("srvtoolu_1", '{"a": 1}')]
    # A proxy that counts anew for each call says so by the id.
    rests, _ = joined(piece(0, "srvtoolu_1"), piece(0, "toolu_1"))
    assert rests[1] == piece(0, "toolu_1")


def test_nothing_collected_is_nothing() -> None:
    delta = {"content": "a", "tool_calls": None}
    assert joined(delta) == ([{"content": "a"}], {})
