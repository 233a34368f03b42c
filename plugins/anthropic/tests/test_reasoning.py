"""The carry, and what peers left in the history."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.anthropic.reasoning import peer_thinking
from dragoman.core import DragomanWarning, InvalidRequest, Json, pack

THINKING = {"type": "thinking", "thinking": "Hm.", "signature": "sig"}
SERVER: list[Json] = [
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
]
CALL = {"id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": '{"b":1,"a":2}'}}
TOOL = {"type": "function", "function": {"name": "f"}}
BLOCKS: list[Json] = [
    THINKING,
    {"type": "text", "text": "Let me ", "citations": None},
    *SERVER,
    {"type": "redacted_thinking", "data": "d"},
    {"type": "text", "text": "see."},
    {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"b": 1, "a": 2}, "caller": {"type": "direct"}},
]


def answer(blocks: list[Json] | None = None, **fields: Any) -> Json:
    message: Json = {"role": "assistant", "content": "Let me see.", "tool_calls": [CALL], **fields}
    found = BLOCKS if blocks is None else blocks
    return {
        **message,
        "extra_content": pack(message, "anthropic", {"v": 1, "blocks": found, "stop_reason": "tool_use"}),
    }


def history(message: Json) -> list[Json]:
    return [{"role": "user", "content": "q"}, message, {"role": "tool", "tool_call_id": "toolu_1", "content": "r"}]


@pytest.mark.rule(34, 127, 135, 149)
def test_an_unedited_answer_goes_back_as_it_came(encode: Any) -> None:
    sent = encode(messages=history(answer()), tools=[TOOL])
    assert sent.messages[1] == {"role": "assistant", "content": BLOCKS}
    assert [list(block) for block in sent.messages[1]["content"]] == [list(block) for block in BLOCKS]


@pytest.mark.rule(129)
def test_an_edited_answer_is_written_anew(encode: Any) -> None:
    edited = {**answer(), "content": "I changed this."}
    said = (
        ": an assistant message was changed since it was received; its thinking and server-side blocks no longer fit "
        "and were left out."
    )
    with pytest.warns(DragomanWarning, match=f"{said}$"):
        sent = encode(messages=history(edited), tools=[TOOL])
    assert sent.messages[1]["content"] == [
        {"type": "text", "text": "I changed this."},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"b": 1, "a": 2}},
    ]


def test_an_edited_answer_is_not_spoken_of_under_ignore(encode: Any) -> None:
    sent = encode(policy="ignore", messages=history({**answer(), "content": "x"}), tools=[TOOL])
    assert sent.messages[1]["content"][0] == {"type": "text", "text": "x"}


@pytest.mark.rule(132, 130, 32)
def test_what_was_never_valid_is_not_replayed(encode: Any) -> None:
    cut = {"type": "thinking", "thinking": "I was inter", "signature": ""}
    silent = {"type": "thinking", "thinking": "", "signature": "sig"}
    space = {"type": "text", "text": " "}
    blocks = [cut, silent, {"type": "text", "text": ""}, space, *BLOCKS]
    sent = encode(messages=history(answer(blocks)), tools=[TOOL])
    assert sent.messages[1]["content"] == [silent, space, *BLOCKS]


def test_other_servers_thinking_has_no_signature(encode: Any) -> None:
    blocks = [{"type": "thinking", "thinking": "Hm.", "signature": ""}, *BLOCKS[1:]]
    assert encode("demo", messages=history(answer(blocks)), tools=[TOOL]).messages[1]["content"] == blocks


@pytest.mark.rule(108)
def test_blocks_whose_calls_are_not_the_messages_are_not_replayed(encode: Any) -> None:
    message: Json = {"role": "assistant", "content": '{"a":1}'}
    blocks = [{"type": "tool_use", "id": "toolu_9", "name": "json_answer", "input": {"a": 1}}]
    message["extra_content"] = pack(message, "anthropic", {"blocks": blocks})
    sent = encode(messages=[{"role": "user", "content": "q"}, message, {"role": "user", "content": "?"}])
    assert sent.messages[1]["content"] == [{"type": "text", "text": '{"a":1}'}]
    assert "tools" not in sent.body


@pytest.mark.rule(58, 139)
def test_a_servers_call_waits_for_no_result(encode: Any) -> None:
    message: Json = {"role": "assistant", "content": "a"}
    blocks = [{"type": "tool_use", "id": "srvtoolu_1", "name": "f", "input": {}}, {"type": "text", "text": "a"}]
    message["extra_content"] = pack(message, "anthropic", {"blocks": blocks})
    sent = encode(messages=[{"role": "user", "content": "q"}, message, {"role": "user", "content": "?"}], tools=[TOOL])
    assert sent.messages[1]["content"] == blocks


@pytest.mark.parametrize("blocks", [None, "x", ["x"], [{"text": "no type"}]])
def test_a_broken_carry_is_no_carry(encode: Any, blocks: Any) -> None:
    message: Json = {"role": "assistant", "content": "a"}
    message["extra_content"] = pack(message, "anthropic", {"blocks": blocks})
    sent = encode(messages=[{"role": "user", "content": "q"}, message, {"role": "user", "content": "?"}])
    assert sent.messages[1]["content"] == [{"type": "text", "text": "a"}]


@pytest.mark.rule(57)
def test_a_repeated_answer_keeps_its_blocks_and_its_ids(encode: Any) -> None:
    sent = encode(messages=[*history(answer()), *history(answer())], tools=[TOOL])
    assert [sent.messages[1]["content"], sent.messages[3]["content"]] == [BLOCKS, BLOCKS]
    results = [block["tool_use_id"] for block in sent.blocks if block["type"] == "tool_result"]
    assert results == ["toolu_1", "toolu_1"]


@pytest.mark.rule(32)
@pytest.mark.parametrize(("text", "kept"), [("\n\n", []), ("\n\nA", ["\n\n", "A"])])
def test_white_space_is_not_all_the_text_of_a_turn(encode: Any, text: str, kept: list[str]) -> None:
    texts = [{"type": "text", "text": part} for part in ("\n\n", *text.split())]
    message: Json = {"role": "assistant", "content": text, "tool_calls": [CALL]}
    message["extra_content"] = pack(message, "anthropic", {"blocks": [*texts, BLOCKS[-1]]})
    sent = encode(messages=history(message), tools=[TOOL])
    assert sent.messages[1]["content"] == [*({"type": "text", "text": part} for part in kept), BLOCKS[-1]]


@pytest.mark.rule(57)
def test_answers_in_one_turn_do_not_share_an_id(encode: Any) -> None:
    result = history(answer())[-1]
    sent = encode(messages=[*history(answer())[:-1], answer(), result, result], tools=[TOOL])
    uses = [block for block in sent.blocks if block["type"] == "tool_use"]
    assert uses == [BLOCKS[-1], {**BLOCKS[-1], "id": "toolu_1_2"}]
    results = [block["tool_use_id"] for block in sent.blocks if block["type"] == "tool_result"]
    assert results == ["toolu_1", "toolu_1_2"]


@pytest.mark.rule(32, 143)
@pytest.mark.parametrize("blocks", [[], [{"type": "text", "text": ""}]])
def test_an_answer_without_content_is_not_replaced_by_what_explains_it(encode: Any, blocks: list[Json]) -> None:
    message: Json = {"role": "assistant", "content": None, "refusal": "This request was refused."}
    message["extra_content"] = pack(message, "anthropic", {"blocks": blocks, "stop_reason": "refusal"})
    sent = encode(messages=[{"role": "user", "content": "q"}, message, {"role": "user", "content": "?"}])
    assert sent.messages == [
        {"role": "user", "content": [{"type": "text", "text": "q"}, {"type": "text", "text": "?"}]}
    ]


@pytest.mark.rule(30, 34, 127)
def test_an_answer_in_the_first_tool_interface_goes_back_as_it_came(encode: Any) -> None:
    blocks = [THINKING, {"type": "tool_use", "id": "toolu_1", "name": "a_b", "input": {"a": 1}}]
    message: Json = {"role": "assistant", "content": None, "function_call": {"name": "a.b", "arguments": '{"a":1}'}}
    message["extra_content"] = pack(message, "anthropic", {"blocks": blocks})
    functions = [{"name": "a.b"}]
    answers = [message, {"role": "function", "name": "a.b", "content": "r"}]
    sent = encode(messages=[{"role": "user", "content": "q"}, *answers, *answers], functions=functions)
    assert [sent.messages[1]["content"], sent.messages[3]["content"]] == [blocks, blocks]
    assert [block["tool_use_id"] for block in sent.blocks if block["type"] == "tool_result"] == ["toolu_1"] * 2
    edited = {**message, "function_call": {"name": "a.b", "arguments": "{}"}}
    with pytest.warns(DragomanWarning, match="was changed"):
        sent = encode(messages=[{"role": "user", "content": "q"}, edited, answers[1]], functions=functions)
    assert [block["type"] for block in sent.messages[1]["content"]] == ["tool_use"]


@pytest.mark.rule(30)
def test_calls_that_the_first_tool_interface_cannot_show_are_not_replayed(encode: Any) -> None:
    blocks = [{"type": "tool_use", "id": name, "name": "f", "input": {}} for name in ("toolu_1", "toolu_2")]
    message: Json = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}
    message["extra_content"] = pack(message, "anthropic", {"blocks": blocks})
    result = {"role": "function", "name": "f", "content": "r"}
    sent = encode(messages=[{"role": "user", "content": "q"}, message, result], functions=[{"name": "f"}])
    assert [block["id"] for block in sent.messages[1]["content"]] == ["function_call"]


@pytest.mark.rule(30)
def test_a_message_in_both_tool_interfaces_is_written_anew(encode: Any) -> None:
    message: Json = {"role": "assistant", "tool_calls": [CALL], "function_call": {"name": "f", "arguments": "{}"}}
    message["extra_content"] = pack(message, "anthropic", {"blocks": BLOCKS[-1:]})
    results = [history(answer())[-1], {"role": "function", "name": "f", "content": "r"}]
    sent = encode(messages=[{"role": "user", "content": "q"}, message, *results], tools=[TOOL])
    assert [block["id"] for block in sent.messages[1]["content"]] == ["toolu_1", "function_call"]


@pytest.mark.parametrize("held", ["f", ["f"], 3])
def test_a_carried_message_with_a_call_that_is_none(encode: Any, held: Any) -> None:
    message: Json = {"role": "assistant", "tool_calls": [{"id": "c", "function": held}]}
    message["extra_content"] = pack(message, "anthropic", {"blocks": []})
    with pytest.raises(InvalidRequest, match="has no name"):
        encode(messages=[{"role": "user", "content": "q"}, message])


@pytest.mark.rule(127)
def test_a_carry_without_what_was_said_is_no_carry(encode: Any) -> None:
    message: Json = {"role": "assistant", "content": "a"}
    message["extra_content"] = pack(message, "anthropic", {"blocks": []})
    with pytest.warns(DragomanWarning, match="was changed"):
        sent = encode(messages=[{"role": "user", "content": "q"}, message, {"role": "user", "content": "?"}])
    assert sent.messages[1]["content"] == [{"type": "text", "text": "a"}]


@pytest.mark.rule(127)
def test_thinking_that_is_lost_with_other_calls_is_told_of(encode: Any) -> None:
    message: Json = {"role": "assistant", "content": None, "tool_calls": [{**CALL, "id": "other"}]}
    message["extra_content"] = pack(message, "anthropic", {"blocks": BLOCKS})
    results = [{"role": "tool", "tool_call_id": "other", "content": "r"}]
    with pytest.warns(DragomanWarning, match="was changed"):
        sent = encode(messages=[{"role": "user", "content": "q"}, message, *results], tools=[TOOL])
    assert [block["type"] for block in sent.messages[1]["content"]] == ["tool_use"]


OPEN = {"type": "server_tool_use", "id": "srvtoolu_9", "name": "web_search", "input": {"query": "x"}}


def paused(*blocks: Json, content: Any = None) -> Json:
    message: Json = {"role": "assistant", "content": content}
    calls = [{**CALL, "id": block["id"]} for block in blocks if block["type"] == "tool_use"]
    message |= {"tool_calls": calls} if calls else {}
    message["extra_content"] = pack(message, "anthropic", {"blocks": list(blocks), "stop_reason": "pause_turn"})
    return message


def test_a_server_call_that_the_user_talked_over_is_left_out(encode: Any) -> None:
    first = {"type": "text", "text": "a"}
    messages = [{"role": "user", "content": "q"}, paused(*SERVER, first, OPEN, content="a")]
    with pytest.warns(DragomanWarning, match="never answered"):
        sent = encode(messages=[*messages, {"role": "user", "content": "go on"}])
    assert sent.messages[1]["content"] == [*SERVER, first]
    with pytest.warns(DragomanWarning, match="never answered"):
        sent = encode(messages=[{"role": "user", "content": "q"}, paused(OPEN), {"role": "user", "content": "?"}])
    assert [message["role"] for message in sent.messages] == ["user"]


def test_a_server_call_whose_result_follows_stays(encode: Any) -> None:
    found = {"type": "web_search_tool_result", "tool_use_id": OPEN["id"], "content": []}
    said = {"type": "text", "text": "b"}
    own = {**BLOCKS[-1], "caller": {"type": "code_execution_20250825", "tool_id": OPEN["id"]}}
    result = {"role": "tool", "tool_call_id": own["id"], "content": "r"}
    messages = [{"role": "user", "content": "q"}, paused(OPEN), paused(found, said, content="b")]
    assert encode(messages=[*messages, {"role": "user", "content": "?"}]).messages[1]["content"] == [OPEN, found, said]
    sent = encode(messages=[messages[0], paused(OPEN, own), result], tools=[TOOL])
    assert sent.messages[1]["content"] == [OPEN, own]


@pytest.mark.rule(34)
def test_a_paused_answer_may_be_last(encode: Any) -> None:
    message: Json = {"role": "assistant", "content": "Wait. "}
    blocks = [*SERVER, {"type": "text", "text": "Wait. "}]
    message["extra_content"] = pack(message, "anthropic", {"blocks": blocks, "stop_reason": "pause_turn"})
    sent = encode("claude-opus-5", messages=[{"role": "user", "content": "q"}, message])
    assert sent.messages[-1] == {"role": "assistant", "content": blocks}


@pytest.mark.rule(128)
@pytest.mark.parametrize(
    "fields",
    [
        {"thinking_blocks": [THINKING, {"type": "thinking", "thinking": "unsigned"}, "x"]},
        {"provider_specific_fields": {"thinking_blocks": [{**THINKING, "index": 0}]}},
        {
            "reasoning_details": [
                {"type": "reasoning.text", "text": "Hm.", "signature": "sig", "format": "anthropic-claude-v1"}
            ]
        },
        {"reasoning_content": "Hm.", "extra_content": {"anthropic": {"signature": "sig"}}},
        {"reasoning": {"content": "Hm."}, "extra_content": {"anthropic": {"signature": "sig"}}},
    ],
)
def test_peers_thinking_is_read(encode: Any, fields: Json) -> None:
    message = {"role": "assistant", "content": "a", **fields}
    sent = encode(messages=[{"role": "user", "content": "q"}, message, {"role": "user", "content": "?"}])
    assert sent.messages[1]["content"] == [THINKING, {"type": "text", "text": "a"}]


@pytest.mark.rule(128)
@pytest.mark.parametrize(
    ("fields", "blocks"),
    [
        (
            {"thinking_blocks": [{"type": "redacted_thinking", "data": "d"}]},
            [{"type": "redacted_thinking", "data": "d"}],
        ),
        (
            {"reasoning_details": [{"type": "reasoning.encrypted", "data": "d"}, {"type": "reasoning.summary"}]},
            [{"type": "redacted_thinking", "data": "d"}],
        ),
        (
            {"extra_content": {"anthropic": {"signature": "s"}}, "reasoning": {"summary": []}},
            [{"type": "thinking", "thinking": "", "signature": "s"}],
        ),
        (
            {"extra_content": {"anthropic": {"signature": "s"}}},
            [{"type": "thinking", "thinking": "", "signature": "s"}],
        ),
        (
            {
                "reasoning_details": [
                    {"type": "reasoning.text", "text": "Hm.", "signature": "s", "format": "google-v1"},
                    {"type": "reasoning.text", "text": "Hm."},
                    {"type": "reasoning.encrypted"},
                    {"type": "reasoning.summary", "signature": "s", "data": "d"},
                    {"type": "reasoning.text", "signature": "s"},
                ]
            },
            [{"type": "thinking", "thinking": "", "signature": "s"}],
        ),
        ({"thinking_blocks": [{"type": "text", "data": "d"}, {"type": "redacted_thinking", "data": ""}]}, []),
    ],
)
def test_hidden_thinking_is_read(fields: Json, blocks: list[Json]) -> None:
    assert peer_thinking(fields) == blocks


@pytest.mark.rule(129, 131, 133)
@pytest.mark.parametrize(
    "fields",
    [
        {"reasoning_content": "Hm."},
        {"reasoning": "Hm."},
        {"thinking_blocks": [{"type": "thinking", "thinking": "Hm.", "signature": None}]},
        {"thinking_blocks": "Hm."},
        {"provider_specific_fields": "x"},
        {
            "reasoning_details": [
                {"type": "reasoning.text", "text": "Hm.", "signature": "s", "format": "google-v1"},
                "x",
            ]
        },
        {"extra_content": {"mistralai": {"signature": "s"}}, "reasoning_content": "Hm."},
        {"extra_content": {"anthropic": {"signature": ""}}},
        {"extra_content": "x"},
    ],
)
def test_reasoning_without_a_signature_of_ours_is_dropped(encode: Any, fields: Json) -> None:
    message = {"role": "assistant", "content": "a", **fields}
    sent = encode(messages=[{"role": "user", "content": "q"}, message, {"role": "user", "content": "?"}])
    assert sent.messages[1]["content"] == [{"type": "text", "text": "a"}]
