"""Roles and the order of messages."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dragoman.core import DragomanWarning, InvalidRequest, Json, pack

TOOLS = [{"type": "function", "function": {"name": "f"}}]
MARK = {"cache_control": {"type": "ephemeral"}}
#: Takes system messages inside the conversation; the other one does not.
MODERN, OLDER = "claude-opus-5", "claude-sonnet-4-5"


def says(role: str, content: Any, **fields: Any) -> Json:
    return {"role": role, "content": content, **fields}


def text(value: str) -> Json:
    return {"type": "text", "text": value}


def calls() -> Json:
    found = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    return {"role": "assistant", "content": None, "tool_calls": [found]}


RESULT = {"role": "tool", "tool_call_id": "c", "content": "r"}
NOTE = text("<operator_note>\nN\n</operator_note>")


@pytest.mark.rule(21, 25)
def test_leading_system_messages_are_blocks_of_the_system_prompt(encode: Any) -> None:
    parts = [{**text("b"), **MARK}, text(""), text("c")]
    lead = [says("system", "a"), says("developer", parts), says("system", None), says("developer", "d", **MARK)]
    sent = encode(messages=[*lead, says("user", "q")])
    assert sent.body["system"] == [text("a"), {**text("b"), **MARK}, text("c"), {**text("d"), **MARK}]
    assert sent.messages == [{"role": "user", "content": "q"}]


@pytest.mark.rule(25)
@pytest.mark.parametrize("lead", [[], [says("system", "")], [says("developer", [text(" ")])]])
def test_an_empty_system_prompt_is_none(encode: Any, lead: list[Json]) -> None:
    assert "system" not in encode(messages=[*lead, says("user", "q")]).body


@pytest.mark.rule(26, 38)
@pytest.mark.parametrize(
    "messages",
    [[], None, "x", [says("system", "a")], [says("user", "")], [says("system", "a"), says("user", None)]],
)
def test_no_conversation_is_refused(encode: Any, messages: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        encode(messages=messages)
    what = "There is no message with content besides the system prompt."
    if not messages or not isinstance(messages, list):
        what = "messages is empty."
    assert str(caught.value) == f"{what} Anthropic needs at least one user message."


@pytest.mark.rule(22, 23)
@pytest.mark.parametrize("role", ["system", "developer"])
@pytest.mark.parametrize("tail", [[], [says("assistant", "a"), says("user", "q2")]])
def test_a_later_system_message_keeps_its_place_where_the_model_takes_it(
    encode: Any, role: str, tail: list[Json]
) -> None:
    sent = encode(MODERN, messages=[says("user", "q"), says(role, "N"), says("system", [text("M")]), *tail])
    assert sent.messages[:2] == [
        {"role": "user", "content": "q"},
        {"role": "system", "content": [text("N"), text("M")]},
    ]
    assert "system" not in sent.body


@pytest.mark.rule(22, 23)
@pytest.mark.parametrize(
    ("model", "messages", "roles"),
    [
        (OLDER, [says("user", "q"), says("system", "N")], "u"),
        (OLDER, [says("user", "q"), says("system", "N"), says("assistant", "a"), says("user", "x")], "uau"),
        (MODERN, [says("user", "q"), says("system", "N"), says("user", "x")], "u"),
        (MODERN, [says("user", "q"), says("assistant", "a"), says("system", "N"), says("user", "x")], "uau"),
        (MODERN, [says("user", "q"), says("assistant", "a"), says("system", "N")], "uau"),
        (MODERN, [says("user", ""), says("system", "N")], "u"),
        (MODERN, [says("user", ""), says("system", "N"), says("assistant", "a"), says("user", "x")], "uau"),
    ],
)
def test_elsewhere_it_is_a_marked_note_in_the_users_turn(
    encode: Any, model: str, messages: list[Json], roles: str
) -> None:
    with pytest.warns(DragomanWarning, match="note in the user's turn"):
        sent = encode(model, messages=messages)
    assert "".join(message["role"][0] for message in sent.messages) == roles
    assert NOTE in sent.blocks
    assert "system" not in sent.body


@pytest.mark.rule(22, 23, 135)
@pytest.mark.parametrize(
    ("last", "tail", "roles"),
    [
        ("web_search_tool_result", [], "uas"),
        ("mcp_tool_result", [says("assistant", "a"), says("user", "x")], "uasau"),
        ("web_search_tool_result", [says("user", "x")], "uau"),
        ("server_tool_use", [], "uau"),
    ],
)
@pytest.mark.filterwarnings("ignore::dragoman.core.DragomanWarning")
def test_the_results_of_server_tools_are_as_good_as_a_users_turn(
    encode: Any, last: str, tail: list[Json], roles: str
) -> None:
    answer = says("assistant", None)
    blocks = [{"type": "server_tool_use", "id": "srvtoolu_1"}, text("Look:"), {"type": last, "id": "srvtoolu_1"}]
    answer["extra_content"] = pack(answer, "anthropic", {"blocks": blocks})
    for lead in ([], [says("user", "p"), says("assistant", "a")]):
        sent = encode(MODERN, messages=[*lead, says("user", "q"), answer, says("system", "N"), *tail])
        assert "".join(message["role"][0] for message in sent.messages) == "ua" * (len(lead) // 2) + roles


@pytest.mark.rule(22, 122)
def test_a_note_keeps_its_breakpoint(encode: Any) -> None:
    with pytest.warns(DragomanWarning, match="note"):
        sent = encode(OLDER, messages=[says("user", "q"), says("system", "N", **MARK)])
    assert sent.blocks[-1] == {**NOTE, **MARK}


@pytest.mark.rule(24)
def test_a_system_message_before_a_result_comes_after_it(encode: Any) -> None:
    sent = encode(MODERN, messages=[says("user", "q"), calls(), says("system", "N"), RESULT], tools=TOOLS)
    assert [message["role"] for message in sent.messages] == ["user", "assistant", "user", "system"]
    assert sent.messages[3]["content"] == [text("N")]


@pytest.mark.rule(25)
def test_an_empty_system_message_inside_the_conversation_is_none(encode: Any) -> None:
    sent = encode(OLDER, messages=[says("user", "q"), says("system", ""), says("user", "x")])
    assert sent.messages == [{"role": "user", "content": [text("q"), text("x")]}]


@pytest.mark.rule(22, 37)
def test_system_messages_are_text(encode: Any) -> None:
    image = {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}
    for index in range(4):
        messages = [says("system", "s"), says("system", "t"), says("user", "q"), says("user", "r")]
        messages.insert(index, says("system", [image]))
        with pytest.raises(InvalidRequest, match=rf"^messages\[{index}\]\.content\[0\] has the type 'image_url'"):
            encode(MODERN, messages=messages)


@pytest.mark.rule(28)
@pytest.mark.parametrize("more", [{}, {"refusal": None, "tool_calls": None}])
def test_a_text_alone_stays_a_text(encode: Any, more: Json) -> None:
    """With nulls or without: storage adds and removes them, and the next request has to look alike."""
    sent = encode(messages=[says("user", "a"), says("assistant", "b", **more), says("user", [text("c")])])
    assert [message["content"] for message in sent.messages] == ["a", "b", [text("c")]]


@pytest.mark.rule(28, 126)
def test_neighbours_of_one_role_are_joined_without_newlines(encode: Any) -> None:
    messages = [says("user", "a"), says("user", "b"), says("assistant", "c"), says("assistant", "d"), says("user", "e")]
    assert encode(messages=messages).messages == [
        {"role": "user", "content": [text("a"), text("b")]},
        {"role": "assistant", "content": [text("c"), text("d")]},
        {"role": "user", "content": "e"},
    ]


@pytest.mark.rule(27)
@pytest.mark.parametrize("policy", ["raise", "warn", "ignore"])
def test_a_conversation_that_begins_with_the_assistant_is_refused(encode: Any, policy: str) -> None:
    said = (
        "The conversation begins with an assistant message, which this model does not accept. Begin with a user "
        'message, or choose on_unsupported="adapt" to have one added.'
    )
    with pytest.raises(InvalidRequest, match=f"^{re.escape(said)}$"):
        encode(OLDER, policy=policy, messages=[says("assistant", "a"), says("user", "q")])


@pytest.mark.rule(27)
def test_it_is_opened_under_adapt(encode: Any) -> None:
    with pytest.warns(DragomanWarning, match=r": messages\[0\]: a conversation begins with the user; "):
        sent = encode(OLDER, policy="adapt", messages=[says("assistant", "a"), says("user", "q")])
    assert [message["role"] for message in sent.messages] == ["user", "assistant", "user"]
    assert sent.blocks[0] == text("(The conversation begins with the assistant.)")
    assert sent.call.ledger.adapted == {"messages[0]": "a user message that says so was put first"}


@pytest.mark.rule(27)
@pytest.mark.parametrize("model", ["claude-haiku-4-5", "claude-sonnet-4-6", "claude-opus-4-8", "demo"])
def test_some_models_take_it(encode: Any, model: str) -> None:
    sent = encode(model, messages=[says("assistant", "a"), says("user", "q")])
    assert [message["role"] for message in sent.messages] == ["assistant", "user"]


@pytest.mark.rule(29)
@pytest.mark.parametrize("role", ["user", "system", "assistant"])
def test_names_of_participants_are_warned_of(encode: Any, role: str) -> None:
    tail = [says("user", "q")] if role == "assistant" else []
    messages = [says("user", "x"), says("assistant", "a"), says("user", "y"), says(role, "N", name="Ada"), *tail]
    said = ": messages have no name there; the names of the participants were left out."
    with pytest.warns(DragomanWarning, match=f"{re.escape(said)}$") as caught:
        sent = encode(MODERN, messages=messages)
    assert len(caught) == 1
    assert "name" not in str(sent.messages)
    encode(MODERN, policy="ignore", messages=messages)


@pytest.mark.rule(29)
def test_a_name_at_the_top_is_warned_of(encode: Any) -> None:
    with pytest.warns(DragomanWarning, match="messages have no name"):
        encode(messages=[says("system", "s", name="Ada"), says("user", "q")])


@pytest.mark.rule(31, 32)
def test_empty_turns_disappear_between_mergeable_neighbours(encode: Any) -> None:
    messages = [says("user", "a"), says("assistant", ""), says("user", None), says("user", "b"), says("assistant", " ")]
    assert encode(messages=messages).messages == [{"role": "user", "content": [text("a"), text("b")]}]


@pytest.mark.rule(32)
@pytest.mark.parametrize("role", ["user", "system"])
def test_an_empty_last_message_does_not_leave_the_assistant_last(encode: Any, role: str) -> None:
    with pytest.raises(InvalidRequest, match=f"last {role} message is empty"):
        encode(OLDER, messages=[says("user", "a"), says("assistant", "b"), says(role, "")])


@pytest.mark.rule(33)
def test_a_beginning_of_the_answer_has_no_space_at_its_end(encode: Any) -> None:
    messages = [
        says("user", "a"),
        says("assistant", "b \n"),
        says("user", "c"),
        says("assistant", [text("d "), text("e\n"), text("f\n")]),
    ]
    sent = encode(OLDER, messages=messages)
    assert [block["text"] for block in sent.blocks] == ["a", "b \n", "c", "d ", "e\n", "f"]


@pytest.mark.rule(32, 33)
def test_a_beginning_that_ends_with_space_alone_ends_before_it(encode: Any) -> None:
    answer = says("assistant", "b ")
    answer["extra_content"] = pack(answer, "anthropic", {"blocks": [text("b"), text(" ")]})
    assert encode(OLDER, messages=[says("user", "a"), answer]).messages[-1]["content"] == [text("b")]


@pytest.mark.rule(28, 34)
def test_a_pause_counts_in_joined_messages_too(encode: Any) -> None:
    answer = says("assistant", "b ")
    answer["extra_content"] = pack(answer, "anthropic", {"blocks": [text("b ")], "stop_reason": "pause_turn"})
    sent = encode(MODERN, messages=[says("user", "q"), says("assistant", "a"), answer])
    assert sent.messages[-1]["content"] == [text("a"), text("b ")]
    with pytest.raises(InvalidRequest, match="must end with a user message"):
        encode(MODERN, messages=[says("user", "q"), answer, says("assistant", "a")])


@pytest.mark.rule(33)
@pytest.mark.parametrize("model", [MODERN, "claude-sonnet-4-6"])
def test_models_that_do_not_continue_say_so(encode: Any, model: str) -> None:
    said = (
        "This model does not continue an assistant message: the conversation must end with a user message. "
        "Add one, or ask for the form of the answer with response_format."
    )
    with pytest.raises(InvalidRequest, match=f"^{re.escape(said)}$"):
        encode(model, messages=[says("user", "a"), says("assistant", "b")])


@pytest.mark.rule(33, 34)
def test_a_beginning_that_ends_with_thinking_is_left_alone(encode: Any) -> None:
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    sent = encode(OLDER, messages=[says("user", "a"), says("assistant", [text("b "), thinking])])
    assert sent.messages[-1]["content"] == [text("b "), thinking]


@pytest.mark.parametrize("message", [says("owner", "x"), {"content": "x"}, "x", None])
def test_unknown_roles_are_refused(encode: Any, message: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"messages\[1\] has the role"):
        encode(messages=[says("user", "q"), message])


@pytest.mark.rule(123)
def test_breakpoints_take_the_requests_lifetime(encode: Any) -> None:
    part = {**text("a"), "prompt_cache_breakpoint": {"mode": "explicit"}}
    messages = [says("system", [part]), says("user", [part])]
    marker = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    sent = encode(messages=messages, prompt_cache_options={"mode": "explicit", "ttl": "30m"})
    assert sent.body["system"] == [{**text("a"), **marker}]
    assert sent.blocks == [{**text("a"), **marker}]
