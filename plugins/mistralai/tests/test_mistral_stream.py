"""Streams: the pieces, the end, and that they come to what a whole answer is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from dragoman.core import Call, Event, Json, VendorError, unpack
from dragoman.mistralai import Mistral

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def piece(delta: Json, finish_reason: str | None = None, index: int = 0, **more: Any) -> Json:
    choice = {"index": index, "delta": delta, "finish_reason": finish_reason}
    return {"id": "a", "object": "chat.completion.chunk", "created": 5, "model": "m-1", "choices": [choice], **more}


def thinks(text: str, **more: Any) -> Json:
    return {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}], **more}]}


def read(call: Call, pieces: Iterable[Json]) -> list[Json]:
    decoder = Mistral().decode_stream(call)
    assert decoder is not None
    events = [Event(json.dumps(one).encode()) for one in pieces]
    return [*(chunk for event in events for chunk in decoder.feed(event)), *decoder.finish()]


def assembled(chunks: list[Json]) -> Json:
    """What the SDK's own accumulator makes of the chunks."""
    state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
    for chunk in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(json.loads(json.dumps(chunk))))
    made: Json = state.current_completion_snapshot.to_dict(mode="json")
    for choice in made["choices"]:
        choice["message"].pop("parsed", None)
        for one in choice["message"].get("tool_calls") or ():
            # The accumulator's own.
            one["function"].pop("parsed_arguments", None)
            one.pop("index", None)
    return made


@pytest.mark.rule(1, 2, 3, 4, 9, 13, 14, 199)
def test_the_last_piece_is_cut_in_three(make_call: Callable[..., Call]) -> None:
    chunks = read(
        make_call(), [piece({"role": "assistant", "content": ""}), piece({"content": "Hi"}, "stop", usage=USAGE)]
    )
    role, text, end, usage = chunks
    assert role["choices"][0]["delta"] == {"role": "assistant", "content": None}
    assert text["choices"][0]["delta"] == {"content": "Hi"}
    assert end["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    assert (usage["choices"], usage["usage"]) == ([], USAGE)
    assert {(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks} == {("a", 5, "m-1")}
    assert "usage" not in text
    assert "usage" not in end


@pytest.mark.rule(10, 11, 12, 198)
@pytest.mark.parametrize("fields", [{}, {"index": 0}, {"type": "function"}])
def test_whole_calls_without_an_index_are_counted(make_call: Callable[..., Call], fields: Json) -> None:
    calls = [
        {"id": one, "function": {"name": "f", "arguments": '{"a": 1}'}, **fields} for one in ("AbCdEf123", "gSIMJiOkT")
    ]
    chunks = read(
        make_call(), [piece({"role": "assistant", "content": ""}), piece({"tool_calls": calls}, "tool_calls")]
    )
    fragments = [one for chunk in chunks[1:-1] for one in chunk["choices"][0]["delta"]["tool_calls"]]
    assert [(one["index"], one["id"], one["type"]) for one in fragments] == [
        (0, "AbCdEf123", "function"),
        (1, "gSIMJiOkT", "function"),
    ]
    made = assembled(chunks)["choices"][0]
    assert made["finish_reason"] == "tool_calls"
    assert made["message"]["content"] is None
    assert [one["function"]["arguments"] for one in made["message"]["tool_calls"]] == ['{"a": 1}'] * 2


@pytest.mark.rule(11, 12, 195, 198)
@pytest.mark.parametrize("later", [{"id": "null"}, {"id": None}, {"id": ""}, {}])
def test_fragments_without_id_and_name_go_on(make_call: Callable[..., Call], later: Json) -> None:
    """Other makers' models on the platform send arguments in fragments."""
    pieces = [
        piece({"tool_calls": [{"index": 0, "id": "AbCdEf123", "function": {"name": "f", "arguments": ""}}]}),
        piece({"tool_calls": [{"index": 0, **later, "function": {"name": "", "arguments": '{"a"'}}]}),
        piece({"tool_calls": [{"index": 0, **later, "function": {"name": "", "arguments": ": 1}"}}]}),
        piece({}, "tool_calls"),
    ]
    (made,) = assembled(read(make_call(), pieces))["choices"][0]["message"]["tool_calls"]
    assert (made["id"], made["function"]) == ("AbCdEf123", {"name": "f", "arguments": '{"a": 1}'})


@pytest.mark.rule(192, 193)
def test_the_carry_comes_once_and_whole_with_the_finish_reason(make_call: Callable[..., Call]) -> None:
    pieces = [
        piece({"role": "assistant", "content": ""}),
        piece(thinks("Hm")),
        piece(thinks(" yes", closed=True)),
        piece({"content": [*thinks(".", closed=True)["content"], {"type": "text", "text": "Y"}]}),
        piece({"content": "es."}, "stop"),
    ]
    chunks = read(make_call(), pieces)
    assert [("extra_content" in chunk["choices"][0]["delta"]) for chunk in chunks] == [False] * (len(chunks) - 1) + [
        True
    ]
    message = assembled(chunks)["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("Yes.", "Hm yes.")
    data, unedited = unpack(message, "mistralai")
    assert unedited
    assert (data or {})["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm yes."}], "closed": True},
        {"type": "text", "text": "Yes."},
    ]


@pytest.mark.rule(192)
def test_a_reference_alone_says_nothing_and_is_carried(make_call: Callable[..., Call]) -> None:
    reference = {"type": "reference", "reference_ids": [1]}
    chunks = read(
        make_call(), [piece({"content": "A"}), piece({"content": [reference]}), piece({"content": "B"}, "stop")]
    )
    message = assembled(chunks)["choices"][0]["message"]
    assert message["content"] == "AB"
    assert message["extra_content"]["mistralai"]["content"] == [
        {"type": "text", "text": "A"},
        reference,
        {"type": "text", "text": "B"},
    ]


def test_nothing_private_goes_out(make_call: Callable[..., Call]) -> None:
    chunks = read(make_call(), [piece({"content": "A"}), piece(thinks("b")), piece({}, "stop")])
    assert "\\u0000" not in json.dumps(chunks)
    assert "extra_content" not in json.dumps(read(make_call(), [piece({"content": "A"}, "stop")]))


@pytest.mark.rule(15)
def test_choices_are_kept_apart(make_call: Callable[..., Call]) -> None:
    pieces = [
        piece(thinks("a")),
        piece({"content": "plain"}, index=1),
        piece({"content": "A"}, "stop"),
        piece({"content": "!"}, "length", index=1),
    ]
    one, two = assembled(read(make_call(), pieces))["choices"]
    assert (one["message"]["content"], one["finish_reason"]) == ("A", "stop")
    assert len(one["message"]["extra_content"]["mistralai"]["content"]) == 2
    assert (two["message"]["content"], two["finish_reason"]) == ("plain!", "length")
    assert "extra_content" not in two["message"]


@pytest.mark.rule(9, 15)
def test_choices_open_in_the_order_that_mistral_opens_them(make_call: Callable[..., Call]) -> None:
    opened = [piece({"role": "assistant", "content": ""}, index=index) for index in (0, 1)]
    pieces = [*opened, piece({"content": "b"}, "length", index=1), piece({"content": "a"}, "length")]
    one, two = assembled(read(make_call(), pieces))["choices"]
    assert (one["message"]["content"], two["message"]["content"]) == ("a", "b")


@pytest.mark.rule(196)
def test_the_finish_reason_error_is_one_after_what_came(make_call: Callable[..., Call]) -> None:
    decoder = Mistral().decode_stream(make_call())
    assert decoder is not None
    assert list(decoder.feed(Event(json.dumps(piece({"content": "half"})).encode())))
    with pytest.raises(VendorError, match="broke off"):
        list(decoder.feed(Event(json.dumps(piece({}, "error")).encode())))


@pytest.mark.rule(201, 232)
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"object": "error", "message": "Busy", "type": "t", "code": "1", "raw_status_code": 503}, 503),
        ({"object": "error", "message": {"detail": "Busy"}, "code": None}, None),
        ({"error": {"message": "Busy", "code": 429}}, 429),
    ],
)
def test_an_error_in_mid_stream_is_one(make_call: Callable[..., Call], body: Json, status: int | None) -> None:
    with pytest.raises(VendorError, match="Busy") as caught:
        read(make_call(), [piece({"content": "half"}), body])
    assert caught.value.status == status


answers = st.builds(
    lambda thought, text, calls, listed: {
        "role": "assistant",
        "content": (
            [{"type": "thinking", "thinking": [{"type": "text", "text": thought}], "closed": True}]
            + ([{"type": "text", "text": text}] if text else [])
            if listed
            else text
        ),
        "tool_calls": [
            {"id": f"id{number:07}", "type": "function", "function": {"name": f"f{number}", "arguments": '{"a": "b"}'}}
            for number in range(calls)
        ]
        or None,
    },
    st.text(min_size=1, max_size=8),
    st.text(max_size=8),
    st.integers(0, 2),
    st.booleans(),
)


def cut(message: Json, finish_reason: str) -> list[Json]:
    """The message in single letters, as the API streams it."""
    pieces = [piece({"role": "assistant", "content": ""})]
    content = message["content"]
    for part in content if isinstance(content, list) else []:
        if part["type"] == "thinking":
            pieces += [piece(thinks(letter, closed=True)) for letter in part["thinking"][0]["text"]]
        else:
            pieces += [piece({"content": letter}) for letter in part["text"]]
    if isinstance(content, str):
        pieces += [piece({"content": letter}) for letter in content]
    calls = {"tool_calls": message["tool_calls"]} if message["tool_calls"] else {"content": ""}
    return [*pieces, piece(calls, finish_reason, usage=USAGE)]


@pytest.mark.rule(192, 193, 198, 199)
@settings(deadline=None)
@given(answers, st.sampled_from(["stop", "length", "model_length"]))
def test_a_stream_comes_to_what_the_whole_answer_is(message: Json, finish_reason: str) -> None:
    call = Call("mistralai", "m", {"model": "m", "messages": []}, id="c", created=1)
    body = {"id": "a", "created": 5, "model": "m-1", "usage": USAGE}
    body["choices"] = [{"index": 0, "message": message, "finish_reason": finish_reason}]
    whole = Mistral().decode(call, body)["choices"][0]
    made = assembled(read(call, cut(message, finish_reason)))["choices"][0]
    assert made["finish_reason"] == whole["finish_reason"]
    expected = {**whole["message"], "content": whole["message"]["content"] or ""}
    seen = {**made["message"], "content": made["message"]["content"] or ""}
    assert {key: value for key, value in seen.items() if value is not None} == expected
