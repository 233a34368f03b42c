"""Tool results."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.core import DragomanWarning, InvalidRequest, Json

TOOLS = [{"type": "function", "function": {"name": "f"}}]
USER = {"role": "user", "content": "q"}


def calls(*ids: str, **fields: Any) -> Json:
    found = [{"id": name, "type": "function", "function": {"name": "f", "arguments": "{}"}} for name in ids]
    return {"role": "assistant", "content": None, "tool_calls": found, **fields}


def result(call_id: str, content: Any = "r", **fields: Any) -> Json:
    return {"role": "tool", "tool_call_id": call_id, "content": content, **fields}


def block(call_id: str, content: Any = "r") -> Json:
    return {"type": "tool_result", "tool_use_id": call_id, "content": content}


@pytest.mark.rule(46, 51)
def test_results_are_in_one_turn_in_the_callers_order(encode: Any) -> None:
    sent = encode(messages=[USER, calls("a", "b"), result("b"), result("a"), USER], tools=TOOLS)
    assert [message["role"] for message in sent.messages] == ["user", "assistant", "user"]
    assert sent.messages[2]["content"] == [block("b"), block("a"), {"type": "text", "text": "q"}]


@pytest.mark.rule(46, 47)
def test_text_between_results_comes_after_them(encode: Any) -> None:
    said = [{"role": "user", "content": text} for text in ("1", "2", "3")]
    messages = [USER, calls("a", "b"), said[0], result("a"), said[1], result("b"), said[2]]
    sent = encode(messages=messages, tools=TOOLS)
    assert sent.messages[2]["content"][:2] == [block("a"), block("b")]
    assert [found["text"] for found in sent.messages[2]["content"][2:]] == ["1", "2", "3"]


@pytest.mark.rule(46)
def test_calls_that_were_split_into_messages_are_one_turn(encode: Any) -> None:
    sent = encode(messages=[USER, calls("a"), calls("b", content="x"), result("a"), result("b")], tools=TOOLS)
    assert [found["type"] for found in sent.messages[1]["content"]] == ["tool_use", "text", "tool_use"]
    assert sent.messages[2]["content"] == [block("a"), block("b")]


@pytest.mark.rule(48)
@pytest.mark.parametrize(
    "tail",
    [[], [USER], [result("a")], [result("a"), USER, calls("c")], [USER, {"role": "assistant", "content": "x"}]],
)
def test_a_missing_result_is_named(encode: Any, tail: list[Json]) -> None:
    with pytest.raises(InvalidRequest, match="'b'") as caught:
        encode(messages=[USER, calls("a", "b"), *tail], tools=TOOLS)
    assert ("'a'" in str(caught.value)) is (result("a") not in tail)


@pytest.mark.rule(48)
def test_a_missing_result_is_made_up_under_adapt_only(encode: Any) -> None:
    with pytest.warns(DragomanWarning, match=": messages.tool_calls: calls have no results; error results were added"):
        sent = encode(policy="adapt", messages=[USER, calls("a", "b"), result("b"), USER], tools=TOOLS)
    made_up = {**block("a", "No result was recorded for this call."), "is_error": True}
    assert sent.messages[2]["content"] == [block("b"), made_up, {"type": "text", "text": "q"}]
    assert sent.call.ledger.adapted == {"messages.tool_calls": "error results were added"}
    for policy in ("warn", "ignore"):
        with pytest.raises(InvalidRequest):
            encode(policy=policy, messages=[USER, calls("a"), USER], tools=TOOLS)


@pytest.mark.rule(48)
def test_all_missing_results_are_named_in_one_sentence(encode: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        encode(messages=[USER, calls("a", "b", "c"), result("b"), USER], tools=TOOLS)
    assert str(caught.value) == (
        "No tool message answers the call(s) 'a', 'c'. Anthropic wants a result for every call right after the turn "
        'that made it: add them, or choose on_unsupported="adapt" to send error results.'
    )


@pytest.mark.rule(48, 30)
def test_a_missing_result_of_a_function_is_named_by_it(encode: Any) -> None:
    with pytest.raises(InvalidRequest, match="'f'"):
        encode(messages=[USER, {"role": "assistant", "function_call": {"name": "f"}}])


@pytest.mark.rule(49)
@pytest.mark.parametrize(
    "messages",
    [
        [USER, result("x")],
        [USER, calls("a"), result("x")],
        [USER, calls("a"), result("a"), calls("b"), result("b"), result("a")],
        [USER, calls("a"), {"role": "tool", "content": "r"}],
        [USER, calls("a"), {"role": "function", "name": "f", "content": "r"}],
    ],
)
def test_an_orphan_is_refused(encode: Any, messages: list[Json]) -> None:
    with pytest.raises(InvalidRequest, match=r"did not call\. Remove it, or send the call too\.$"):
        encode(messages=messages, tools=TOOLS)


@pytest.mark.rule(50)
@pytest.mark.parametrize("between", [[], [USER]])
def test_two_results_for_one_call_are_refused(encode: Any, between: list[Json]) -> None:
    with pytest.raises(InvalidRequest, match=r"messages\[\d\] is a second result for the call 'a'"):
        encode(messages=[USER, calls("a"), result("a"), *between, result("a", "other")], tools=TOOLS)


@pytest.mark.rule(30, 50)
def test_two_results_for_one_function_call_are_refused(encode: Any) -> None:
    answer = {"role": "function", "name": "f", "content": "r"}
    with pytest.raises(InvalidRequest, match=r"^messages\[3\] is a second result for the call 'f'"):
        encode(messages=[USER, {"role": "assistant", "function_call": {"name": "f"}}, answer, answer])


@pytest.mark.rule(52, 53)
def test_what_cannot_stand_in_a_result_is_named_by_its_place(encode: Any) -> None:
    parts = [{"type": "text", "text": "see"}, {"type": "refusal", "refusal": "No."}]
    with pytest.raises(InvalidRequest, match=r"^messages\[2\]\.content\[1\] has the type 'refusal'"):
        encode(messages=[USER, calls("a"), result("a", parts)], tools=TOOLS)


@pytest.mark.rule(57)
def test_results_follow_duplicate_ids_by_position(encode: Any) -> None:
    messages = [USER, calls("c", "c"), result("c", "1"), result("c", "2"), calls("c"), result("c", "3")]
    sent = encode(messages=messages, tools=TOOLS)
    uses = [found["id"] for found in sent.blocks if found["type"] == "tool_use"]
    results = [(found["tool_use_id"], found["content"]) for found in sent.blocks if found["type"] == "tool_result"]
    assert uses == ["c", "c_2", "c"]
    assert results == [("c", "1"), ("c_2", "2"), ("c", "3")]


@pytest.mark.rule(54)
@pytest.mark.parametrize("failed", [{"is_error": True}, {"status": "error"}])
@pytest.mark.parametrize("content", [None, "", " ", []])
def test_an_error_says_something(encode: Any, content: Any, failed: Json) -> None:
    sent = encode(messages=[USER, calls("a"), result("a", content, **failed)], tools=TOOLS)
    (found,) = sent.messages[2]["content"]
    assert found == {**block("a", "The call failed without a message."), "is_error": True}


@pytest.mark.rule(123)
def test_a_breakpoint_in_a_result_is_one_after_it(encode: Any) -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    parts = [{"type": "text", "text": "1", **mark}, {"type": "text", "text": "2"}]
    sent = encode(messages=[USER, calls("a"), result("a", parts)], tools=TOOLS)
    bare = [{"type": "text", "text": text} for text in "12"]
    assert sent.messages[2]["content"] == [{**block("a", bare), **mark}]
    assert parts[0]["cache_control"] == mark["cache_control"]


@pytest.mark.rule(56, 58)
def test_rewritten_ids_are_rewritten_in_both_places(encode: Any) -> None:
    sent = encode(messages=[USER, calls("f:0", "", "srvtoolu_1"), *map(result, ("srvtoolu_1", "", "f:0"))], tools=TOOLS)
    uses = [found["id"] for found in sent.blocks if found["type"] == "tool_use"]
    results = [found["tool_use_id"] for found in sent.blocks if found["type"] == "tool_result"]
    assert results == uses[::-1]
    assert len(set(uses)) == 3


@pytest.mark.rule(52)
@pytest.mark.parametrize("content", [None, "", " \n", [], [{"type": "text", "text": ""}]])
def test_an_empty_result_has_no_content(encode: Any, content: Any) -> None:
    sent = encode(messages=[USER, calls("a"), result("a", content)], tools=TOOLS)
    assert sent.messages[2]["content"] == [{"type": "tool_result", "tool_use_id": "a"}]


@pytest.mark.rule(52, 53)
def test_parts_become_blocks(encode: Any) -> None:
    parts = [
        {"type": "text", "text": "see"},
        {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0="}},
        {"type": "tool_reference", "tool_name": "g"},
    ]
    sent = encode(messages=[USER, calls("a"), result("a", parts)], tools=TOOLS)
    assert [found["type"] for found in sent.blocks[-1]["content"]] == ["text", "image", "document", "tool_reference"]


@pytest.mark.rule(54)
@pytest.mark.parametrize(
    ("fields", "error"),
    [({"is_error": True}, True), ({"status": "error"}, True), ({"is_error": False}, False), ({"status": "ok"}, False)],
)
def test_errors(encode: Any, fields: Json, error: bool) -> None:
    sent = encode(messages=[USER, calls("a"), result("a", **fields)], tools=TOOLS)
    assert sent.blocks[-1].get("is_error", False) is error


@pytest.mark.rule(55)
@pytest.mark.parametrize(
    ("content", "text"),
    [({"a": "ü"}, '{"a": "ü"}'), (3, "3"), ([1, {"type": "x"}], '[1, {"type": "x"}]'), ([{"a": 1}], '[{"a": 1}]')],
)
def test_other_values_are_json(encode: Any, content: Any, text: str) -> None:
    sent = encode(messages=[USER, calls("a"), result("a", content)], tools=TOOLS)
    assert sent.blocks[-1]["content"] == text


@pytest.mark.rule(29)
def test_a_tool_messages_name_changes_nothing(encode: Any) -> None:
    sent = encode(messages=[USER, calls("a"), result("a", name="f")], tools=TOOLS)
    assert sent.blocks[-1] == block("a")


@pytest.mark.rule(122)
def test_a_mark_on_a_result(encode: Any) -> None:
    marker = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    sent = encode(messages=[USER, calls("a"), result("a", **marker)], tools=TOOLS)
    assert sent.blocks[-1] == {**block("a"), **marker}
