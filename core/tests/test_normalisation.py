"""OpenAI-compatible servers: their answers are put as OpenAI promises them."""

from __future__ import annotations

import copy
import json
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from dragoman.core import Call, CompatibleProvider, DragomanWarning, Event, Json, VendorError
from dragoman.core.assembly import Assembly

CALL = Call("acme", "m", {"model": "m"}, id="chatcmpl-1", created=7)


class Acme(CompatibleProvider):
    name = "acme"
    finish_reasons: ClassVar = {"done": "stop", "too_long": "length"}


def tool_call(**fields: Any) -> Json:
    return {"type": "function", "function": {"name": "f", "arguments": "{}"}, **fields}


def answer(finish_reason: str | None = "stop", **message: Any) -> Json:
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", **message}}
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "m-1", "choices": [choice]}


def read(body: Json) -> Json:
    before = copy.deepcopy(body)
    found = Acme().decode(CALL, body)
    assert body == before
    ChatCompletion.model_validate(found)
    return found


def message_of(body: Json) -> Json:
    found: Json = read(body)["choices"][0]["message"]
    return found


def chunk(delta: Json | None, finish_reason: str | None = None, index: int = 0, **more: Any) -> Json:
    choice = {"index": index, "delta": delta, "finish_reason": finish_reason}
    return {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m-1", "choices": [choice], **more}


def stream(*chunks: Json) -> list[Json]:
    decoder = Acme().decode_stream(CALL)
    assert decoder is not None
    found = [out for sent in chunks for out in decoder.feed(Event(json.dumps(sent).encode()))]
    found += decoder.finish()
    for out in found:
        ChatCompletionChunk.model_validate(out)
    return found


def deltas(*chunks: Json) -> list[Json]:
    return [out["choices"][0]["delta"] for out in stream(*chunks) if out["choices"]]


def test_a_good_answer_stays_as_it_is() -> None:
    body = {**answer(content="hi", reasoning_content="hm"), "timings": {"a": 1}, "system_fingerprint": None}
    assert read(body) == body


@pytest.mark.rule(1, 2, 3, 4)
def test_what_the_head_lacks_is_the_calls_own() -> None:
    found = read({"choices": answer(content="hi")["choices"]})
    assert {key: found[key] for key in ("id", "object", "created", "model")} == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
    }
    chunks = stream({**chunk({"content": "a"}), "id": None}, {**chunk({}, "stop"), "id": "late", "object": ""})
    assert [(out["id"], out["object"]) for out in chunks] == [("chatcmpl-1", "chat.completion.chunk")] * 2


@pytest.mark.rule(5, 6)
def test_content_is_null_beside_tool_calls_only() -> None:
    assert message_of(answer("tool_calls", content="", tool_calls=[tool_call(id="a")]))["content"] is None
    assert message_of(answer(content="hi", tool_calls=[])) == {"role": "assistant", "content": "hi"}
    assert message_of(answer(reasoning="hm")) == {"role": "assistant", "content": "", "reasoning_content": "hm"}
    assert message_of(answer(refusal="no"))["content"] is None


@pytest.mark.rule(12, 194, 285, 300)
@pytest.mark.parametrize(
    ("arguments", "text"), [({"a": 1}, '{"a": 1}'), ({}, "{}"), ("", "{}"), (None, "{}"), ("{}", "{}")]
)
def test_arguments_are_text(arguments: Any, text: str) -> None:
    sent = {"id": 0, "function": {"name": "f", "arguments": arguments}}
    (found,) = message_of(answer("stop", content=None, tool_calls=[sent]))["tool_calls"]
    assert found == {"id": "call_chatcmpl-1_0_0", **tool_call(function={"name": "f", "arguments": text})}
    opened, *more = deltas(chunk({"tool_calls": [{"index": 0, **sent}]}), chunk({}, "stop"))
    pieces = [opened, *(piece for piece in more if piece)]
    assert "".join(piece["tool_calls"][0]["function"]["arguments"] for piece in pieces) == text
    assert opened["tool_calls"][0]["id"] == "call_chatcmpl-1_0_0"


def test_ids_tell_the_calls_apart() -> None:
    calls = [tool_call(id="same"), tool_call(id="same"), tool_call(id="null"), tool_call(id="")]
    expected = ["same", "call_chatcmpl-1_0_1", "call_chatcmpl-1_0_2", "call_chatcmpl-1_0_3"]
    assert [made["id"] for made in message_of(answer(tool_calls=calls))["tool_calls"]] == expected
    fragments = [{"index": number, **one} for number, one in enumerate(calls)]
    found = [part for delta in deltas(chunk({"tool_calls": fragments})) for part in delta["tool_calls"]]
    assert [(part["index"], part["id"]) for part in found] == list(enumerate(expected))


@pytest.mark.rule(7, 8)
@pytest.mark.parametrize(
    ("sent", "calls", "expected"),
    [
        ("stop", True, "tool_calls"),
        ("length", True, "length"),
        ("content_filter", True, "content_filter"),
        ("tool_calls", False, "stop"),
        ("done", False, "stop"),
        ("too_long", True, "length"),
    ],
)
def test_the_finish_reason_says_what_is_there(sent: str, calls: bool, expected: str) -> None:
    message: Json = {"tool_calls": [tool_call(id="a")]} if calls else {"content": "hi"}
    assert read(answer(sent, **message))["choices"][0]["finish_reason"] == expected
    delta = {"tool_calls": [{"index": 0, **tool_call(id="a")}]} if calls else message
    assert stream(chunk(delta), chunk({}, sent))[-1]["choices"][0]["finish_reason"] == expected


@pytest.mark.rule(7)
def test_a_reason_that_nobody_knows_is_told_and_kept() -> None:
    with pytest.warns(DragomanWarning, match="unknown finish reason 'bored'"):
        found = read(answer("bored", content="hi"))["choices"][0]
    assert found["finish_reason"] == "stop"
    assert found["message"]["extra_content"] == {"dragoman": {"finish_reason": "bored"}}
    last = stream(chunk({"content": "hi"}), chunk({}, "bored"))[-1]["choices"][0]
    assert (last["finish_reason"], last["delta"]) == (
        "stop",
        {"extra_content": {"dragoman": {"finish_reason": "bored"}}},
    )


@pytest.mark.rule(9)
def test_the_role_comes_once() -> None:
    role = {"role": "assistant"}
    found = deltas(chunk({**role, "content": ""}), chunk({**role, "content": "a"}), chunk({**role, "content": "b"}))
    assert found == [{"role": "assistant", "content": "a"}, {"content": "b"}]
    assert deltas(chunk({**role, "content": ""}), chunk({}, "stop")) == [{"role": "assistant", "content": ""}, {}]


@pytest.mark.rule(9, 255)
def test_an_answer_that_begins_with_thoughts() -> None:
    found = deltas(chunk({"role": "assistant", "reasoning": "r"}), chunk({"reasoning": "s", "content": ""}))
    assert found == [{"role": "assistant", "content": None, "reasoning_content": "r"}, {"reasoning_content": "s"}]


@pytest.mark.rule(13, 199, 215)
def test_a_last_chunk_with_everything_is_cut_in_three() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    text, finish, last = stream(chunk({"content": "a"}, "stop", usage=usage))
    assert text["choices"][0]["delta"]["content"] == "a"
    assert (finish["choices"][0]["delta"], finish["choices"][0]["finish_reason"]) == ({}, "stop")
    assert (last["choices"], last["usage"]) == ([], usage)
    assert "usage" not in text


@pytest.mark.rule(14, 263)
def test_of_running_counts_the_last_is_the_usage() -> None:
    counts = [{"prompt_tokens": 1, "completion_tokens": n, "total_tokens": 1 + n} for n in (1, 2)]
    found = stream(*(chunk({"content": "a"}, usage=count) for count in counts), chunk({}, "stop"))
    assert [out.get("usage") for out in found] == [None, None, None, counts[1]]


@pytest.mark.rule(13)
def test_a_second_finish_reason_is_not_told() -> None:
    found = stream(chunk({"content": "a"}, "stop"), chunk({}, "stop"))
    assert [out["choices"][0]["finish_reason"] for out in found] == [None, "stop"]


@pytest.mark.rule(15)
def test_choices_are_kept_apart() -> None:
    call = {"tool_calls": [{"index": 0, **tool_call(id="a")}]}
    found = stream(chunk({"content": "b"}, index=1), chunk(call), chunk({}, "stop", 1), chunk({}, "stop"))
    assert [(out["choices"][0]["index"], out["choices"][0]["finish_reason"]) for out in found] == [
        (0, None),
        (1, None),
        (0, None),
        (1, "stop"),
        (0, "tool_calls"),
    ]


@pytest.mark.rule(10, 11, 216, 285)
def test_fragments_name_their_call_once() -> None:
    def part(arguments: str, index: float = 0.0) -> Json:
        return chunk(
            {"tool_calls": [{"index": index, **tool_call(id="a", function={"name": "f", "arguments": arguments})}]}
        )

    found = [delta["tool_calls"][0] for delta in deltas(part('{"a"'), part(""), part(": 1}"))]
    opened = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": '{"a"'}}
    assert found == [opened, {"index": 0, "function": {"arguments": ": 1}"}}]
    assert isinstance(found[0]["index"], int)


@pytest.mark.rule(10, 198, 247)
@pytest.mark.parametrize("index", [{}, {"index": 0}])
def test_calls_that_the_server_does_not_count_are_counted(index: Json) -> None:
    calls = [{**index, **tool_call(id=name)} for name in "ab"]
    found = [part for delta in deltas(chunk({"tool_calls": calls})) for part in delta["tool_calls"]]
    assert [(part["index"], part["id"]) for part in found] == [(0, "a"), (1, "b")]


def test_a_fragment_without_number_and_id_continues_the_last_call() -> None:
    first = tool_call(id="a", function={"name": "f", "arguments": "{"})
    rest = {"function": {"arguments": "}"}}
    found = deltas(chunk({"tool_calls": [first]}), chunk({"tool_calls": [rest]}))
    assert found[1] == {"tool_calls": [{"index": 0, **rest}]}


def test_a_name_that_comes_late_opens_the_call() -> None:
    parts = [
        {"index": 0, "id": "a", "function": {"arguments": "{"}},
        {"index": 0, "function": {"name": "f", "arguments": "}"}},
    ]
    (found,) = deltas(*(chunk({"tool_calls": [part]}) for part in parts))
    assert found["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}
    nameless = deltas(chunk({"tool_calls": parts[:1]}), chunk({}, "stop"))
    assert nameless[0]["tool_calls"][0]["function"] == {"name": "", "arguments": "{"}


def test_what_stands_beside_a_call_is_kept() -> None:
    sent = {"index": 0, **tool_call(id="a", extra_content={"google": {"thought_signature": "s"}})}
    (found,) = deltas(chunk({"tool_calls": [sent]}))
    assert found["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "s"}}


@pytest.mark.rule(16, 200, 217, 274)
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"prompt_tokens": 1, "completion_tokens": None, "total_tokens": None}, (1, 0, 1, 0)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "cached_tokens": 3}, (5, 2, 7, 3)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}, (5, 2, 7, 4)),
        (
            {
                "prompt_tokens": 1,
                "completion_tokens": 2,
                "total_tokens": 7,
                "completion_tokens_details": {"reasoning_tokens": 4},
            },
            (1, 6, 7, 0),
        ),
    ],
)
def test_usage_adds_up(sent: Json, expected: tuple[int, int, int, int]) -> None:
    usage = read({**answer(content="a"), "usage": sent})["usage"]
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"], cached) == expected


@pytest.mark.rule(232, 236, 281)
@pytest.mark.parametrize(
    ("sent", "status", "message"),
    [
        ({"error": {"code": 503, "message": "out of memory"}}, 503, "out of memory"),
        ({"error": {"code": "429", "message": "slow down"}}, 429, "slow down"),
        ({"error": {"code": "odd", "status_code": 400, "message": "bad"}}, 400, "bad"),
        ({"error": "plain text"}, None, "plain text"),
        ({"object": "error", "message": "too long", "type": "BadRequestError", "code": 400}, 400, "too long"),
        ({"object": "error", "message": "odd", "type": "Odd", "code": None}, None, "odd"),
        ({"choices": [{"index": 0, "delta": {}}], "error": {"message": "both", "code": 7}}, None, "both"),
    ],
)
def test_an_error_in_the_stream_is_raised_with_its_status(sent: Json, status: int | None, message: str) -> None:
    with pytest.raises(VendorError, match=message) as caught:
        stream(sent)
    assert (caught.value.status, caught.value.error["message"]) == (status, message)


@pytest.mark.rule(235)
def test_a_chunk_without_choices_passes() -> None:
    filtered = {**chunk({}), "choices": [], "prompt_filter_results": [1]}
    assert stream(filtered)[0]["prompt_filter_results"] == [1]


def test_logprobs_and_the_servers_own_stay_with_their_chunk() -> None:
    sent = chunk({"content": "a"}, "stop")
    sent["choices"][0] |= {"logprobs": {"content": []}, "stop_reason": 5}
    text, finish = (out["choices"][0] for out in stream(sent))
    assert (text["logprobs"], text["stop_reason"]) == ({"content": []}, 5)
    assert finish == {"index": 0, "delta": {}, "finish_reason": "stop"}


PARTS = st.one_of(
    st.fixed_dictionaries({"content": st.text(max_size=3)}),
    st.fixed_dictionaries({"reasoning": st.text(max_size=3)}),
    st.fixed_dictionaries({"role": st.just("assistant")}, optional={"content": st.none(), "tool_calls": st.just([])}),
)
CALLS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "", None]), st.sampled_from(["{}", "", '{"a": [1, 2]}'])), max_size=3
)


@given(
    parts=st.lists(PARTS, max_size=6), calls=CALLS, cuts=st.integers(1, 5), ending=st.sampled_from(["stop", "length"])
)
def test_a_stream_says_what_the_whole_answer_says(
    parts: list[Json], calls: list[tuple[str | None, str]], cuts: int, ending: str
) -> None:
    text = "".join(part.get("content") or "" for part in parts)
    thoughts = "".join(part.get("reasoning") or "" for part in parts)
    whole = [tool_call(id=name, function={"name": "f", "arguments": arguments}) for name, arguments in calls]
    sent: list[Json] = [chunk(part) for part in parts]
    for number, one in enumerate(whole):
        arguments = one["function"]["arguments"]
        sent.append(chunk({"tool_calls": [{**one, "index": number, "function": {"name": "f", "arguments": ""}}]}))
        for start in range(0, len(arguments), cuts):
            piece = {"function": {"arguments": arguments[start : start + cuts]}}
            sent.append(chunk({"tool_calls": [{"index": number, **piece}]}))
    expected = message_of(
        answer(ending, content=text, tool_calls=whole, **({"reasoning": thoughts} if thoughts else {}))
    )
    assembly = Assembly()
    for out in stream(*sent, chunk({}, ending)):
        assembly.add(out)
    (choice,) = assembly.completion()["choices"]
    assert choice["message"] == expected
    assert choice["finish_reason"] == ("tool_calls" if calls and ending == "stop" else ending)


@pytest.mark.parametrize(
    "parts",
    [
        [{"refusal": "n"}, {"refusal": "o"}],
        [{"function_call": {"name": "f", "arguments": ""}}, {"function_call": {"arguments": "{}"}}],
        [{"audio": {"id": "a", "data": "AA", "expires_at": 9, "transcript": "Oh"}}],
    ],
    ids=["refusal", "function_call", "audio"],
)
def test_a_streamed_answer_without_text_has_no_content(parts: list[Json]) -> None:
    state: ChatCompletionStreamState[Any] = ChatCompletionStreamState()
    assembly = Assembly()
    for out in stream(*(chunk(part) for part in parts), chunk({}, "stop")):
        state.handle_chunk(ChatCompletionChunk.model_validate(out))
        assembly.add(out)
    assert state.get_final_completion().choices[0].message.content is None
    message = assembly.completion()["choices"][0]["message"]
    assert message == message_of(answer(**message))
    assert message["content"] is None


@pytest.mark.rule(9)
def test_a_first_chunk_that_says_only_something_of_its_own_has_the_role() -> None:
    first = chunk({"role": "assistant", "content": ""})
    first["choices"][0]["content_filter_results"] = {}
    found = deltas(first, chunk({"content": "a"}))
    assert found == [{"role": "assistant", "content": ""}, {"content": "a"}]


@pytest.mark.rule(13)
def test_a_repeated_finish_chunk_says_nothing() -> None:
    again = chunk({"role": "assistant", "content": ""}, "length")
    again["choices"][0]["native_finish_reason"] = "max"
    found = stream(chunk({"content": "a"}), chunk({}, "length"), again)
    assert [out["choices"][0]["finish_reason"] for out in found] == [None, "length"]


@pytest.mark.rule(1, 235)
def test_the_answers_name_may_come_after_a_remark() -> None:
    remark = {**chunk({}), "id": "", "choices": [], "prompt_filter_results": [1]}
    found = stream(remark, chunk({"content": "a"}))
    assert [out["id"] for out in found] == ["x", "x"]
    assert found[0]["prompt_filter_results"] == [1]


def test_annotations_are_said_once_and_whole() -> None:
    parts = [chunk({"content": "a", "annotations": [{"n": 1}]}), chunk({"annotations": [{"n": 2}]}), chunk({}, "stop")]
    assert deltas(*parts) == [
        {"role": "assistant", "content": "a"},
        {"annotations": [{"n": 1}, {"n": 2}]},
    ]


def test_a_fragment_with_the_id_null_has_none() -> None:
    parts = [
        tool_call(id="a", function={"name": "f", "arguments": "{"}),
        {"id": "null", "function": {"arguments": "}"}},
    ]
    found = deltas(*(chunk({"tool_calls": [{"index": 0, **part}]}) for part in parts))
    assert found[1] == {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]}
