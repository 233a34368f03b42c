from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.cli.probes import judges
from dragoman.core.cli.probes.catalogue import PROBES
from dragoman.core.cli.probes.evidence import Answer, of_stream

if TYPE_CHECKING:
    from dragoman.core import Json

HEAD: Json = {"id": "1", "created": 1, "model": "m"}


def call(name: str = "get_weather", arguments: Any = '{"city": "Paris"}', id: str = "1") -> Json:  # noqa: A002 (OpenAI's name)
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def whole(text: str | None = None, *calls: Json, reason: str | None = None, **more: Any) -> Answer:
    message = {"role": "assistant", "content": text, **({"tool_calls": list(calls)} if calls else {}), **more}
    choice = {"index": 0, "message": message, "finish_reason": reason or ("tool_calls" if calls else "stop")}
    return Answer({**HEAD, "object": "chat.completion", "choices": [choice]})


def stream(*deltas: Json, reason: str = "stop", usage: Any = None, apart: bool = True) -> Answer:
    choices: list[Json] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": reason})
    chunks: list[Json] = [{**HEAD, "object": "chat.completion.chunk", "choices": [choice]} for choice in choices]
    if usage and apart:
        chunks.append({**HEAD, "object": "chat.completion.chunk", "choices": [], "usage": usage})
    elif usage:
        chunks[-1]["usage"] = usage
    return of_stream(chunks)


CUT = "unclear", "cut before it was done: --max-tokens allows more"
WITHHELD = "unclear", "the answer was withheld by the provider's filter"


def check(judge: Any, answer: Answer, verdict: str, seen: str) -> None:
    found = judge(answer)
    assert (found.verdict, found.seen) == (verdict, seen)


@pytest.mark.parametrize(
    ("answer", "verdict", "seen"),
    [
        (whole("hello"), "yes", '"hello"'),
        (whole("hello", reason="length"), "yes", '"hello"'),
        (whole("hello", reason="eos"), "wrong", "finish_reason is 'eos'"),
        (whole(""), "wrong", "an empty answer"),
        (whole(None, reason="length"), *CUT),
        (
            whole(" ", reason="length", reasoning_content="hm"),
            "unclear",
            "cut while it was thinking: --max-tokens allows more",
        ),
        (whole("", reason="content_filter"), *WITHHELD),
        (whole(None, refusal="I must not"), "unclear", 'the model refuses: "I must not"'),
    ],
)
def test_text(answer: Answer, verdict: str, seen: str) -> None:
    check(judges.judge_text, answer, verdict, seen)


@pytest.mark.parametrize(
    ("answer", "verdict", "seen"),
    [
        (stream({"content": "one "}, {"content": "two"}), "yes", '2 pieces: "one two"'),
        (stream({"content": "one"}), "yes", '1 piece: "one"'),
        (
            stream({"content": "one two three four five six seven"}),
            "ignored",
            'the whole answer in one piece: "one two three four five six seven"',
        ),
        (stream({"role": "assistant"}), "wrong", "a stream without text"),
        (stream({"role": "assistant"}, reason="length"), *CUT),
        (whole("one two"), "wrong", "no chunk with a choice"),
    ],
)
def test_stream(answer: Answer, verdict: str, seen: str) -> None:
    check(judges.judge_stream, answer, verdict, seen)


@pytest.mark.parametrize(
    ("answer", "verdict", "seen"),
    [
        (whole("Marzipan! Paris"), "yes", '"Marzipan! Paris"'),
        (whole("Paris"), "ignored", 'the instruction is not followed: "Paris"'),
        (whole(""), "ignored", "the instruction is not followed: an empty answer"),
        (whole("Paris", reason="length"), *CUT),
    ],
)
def test_system(answer: Answer, verdict: str, seen: str) -> None:
    check(judges.judge_system, answer, verdict, seen)


@pytest.mark.parametrize(
    ("answer", "verdict", "seen"),
    [
        (whole(None, call()), "yes", 'get_weather({"city": "Paris"})'),
        (whole("Let me look.", call()), "yes", 'get_weather({"city": "Paris"})'),
        (whole(None, call(arguments="{}")), "wrong", 'arguments lack what the schema requires: "{}"'),
        (whole(None, call(arguments='{"city": 1}')), "wrong", 'arguments lack what the schema requires: "{"city": 1}"'),
        (whole(None, call("get_time")), "wrong", 'a call of "get_time", which was not offered'),
        (whole(None, call(), reason="stop"), "wrong", "finish_reason is 'stop' beside a call"),
        (whole(None, call(arguments='{"ci'), reason="length"), *CUT),
        (whole("It is sunny."), "ignored", 'no call: "It is sunny."'),
        (
            whole('<tool_call>{"name": "get_weather"}'),
            "wrong",
            'the call came as text: "<tool_call>{"name": "get_weather"}"',
        ),
        (whole("I would use get_weather."), "ignored", 'no call: "I would use get_weather."'),
    ],
)
def test_tools(answer: Answer, verdict: str, seen: str) -> None:
    check(judges.judge_tools, answer, verdict, seen)


def test_stream_tools() -> None:
    first = {**call(arguments='{"city": '), "index": 0}
    more = {"index": 0, "function": {"arguments": '"Paris"}'}}
    good = stream({"tool_calls": [first]}, {"tool_calls": [more]}, reason="tool_calls")
    check(judges.judge_stream_tools, good, "yes", 'get_weather({"city": "Paris"})')
    twice = stream({"tool_calls": [first]}, {"tool_calls": [{**more, "id": "1"}]}, reason="tool_calls")
    check(judges.judge_stream_tools, twice, "wrong", "a call's id is sent more than once")
    half = stream({"tool_calls": [first]}, reason="tool_calls")
    check(judges.judge_stream_tools, half, "wrong", 'arguments are no JSON: "{"city":"')
    check(judges.judge_stream_tools, whole(None, call()), "wrong", "no chunk with a choice")


@pytest.mark.parametrize(
    ("answer", "verdict", "seen"),
    [
        (
            whole(None, call(), call(arguments='{"city": "Rome"}', id="2")),
            "yes",
            'get_weather({"city": "Paris"}), get_weather({"city": "Rome"})',
        ),
        (whole(None, call()), "ignored", 'one call at a time: get_weather({"city": "Paris"})'),
        (whole(None, call(), call()), "wrong", "two calls with one id"),
        (whole("No."), "ignored", 'no call: "No."'),
    ],
)
def test_parallel(answer: Answer, verdict: str, seen: str) -> None:
    check(judges.judge_parallel, answer, verdict, seen)


@pytest.mark.parametrize(
    ("answer", "verdict", "seen"),
    [
        (whole("A violet sky."), "yes", '"A violet sky."'),
        (whole("Blue, as ever."), "ignored", 'the result is not read: "Blue, as ever."'),
        (whole(None, call()), "ignored", 'the result is not read, but asked for again: get_weather({"city": "Paris"})'),
        (whole("The sky", reason="length"), *CUT),
    ],
)
def test_result(answer: Answer, verdict: str, seen: str) -> None:
    check(judges.judge_result, answer, verdict, seen)


@pytest.mark.parametrize(
    ("answer", "verdict", "seen"),
    [
        (whole(None, call("get_time")), "yes", 'get_time({"city": "Paris"})'),
        (whole(None, call("get_time"), reason="stop"), "yes", 'get_time({"city": "Paris"})'),
        (whole(None, call()), "ignored", 'another tool is called: get_weather({"city": "Paris"})'),
        (whole("Sunny."), "ignored", 'no call: "Sunny."'),
        (whole(None, call("get_time"), call(id="2")), "wrong", 'a call of "get_weather", which was not offered'),
        (whole("Now:", call("get_time")), "wrong", 'text beside a forced call: "Now:"'),
        (whole(None, call("get_time", "{"), reason="length"), *CUT),
    ],
)
def test_named(answer: Answer, verdict: str, seen: str) -> None:
    check(judges.judge_named, answer, verdict, seen)


@pytest.mark.parametrize(
    ("answer", "verdict", "seen"),
    [
        (whole(None, call("get_time")), "yes", 'get_time({"city": "Paris"})'),
        (whole(None, call(arguments="{}")), "yes", "get_weather({})"),
        (whole("hello"), "ignored", 'no call: "hello"'),
        (whole(None, call("hello")), "wrong", 'a call of "hello", which was not offered'),
        (whole('{"name": "get_time"}'), "wrong", 'the call came as text: "{"name": "get_time"}"'),
    ],
)
def test_required(answer: Answer, verdict: str, seen: str) -> None:
    check(judges.judge_required, answer, verdict, seen)


@pytest.mark.parametrize(
    ("answer", "verdict", "seen"),
    [
        (whole("Sunny."), "yes", 'text: "Sunny."'),
        (whole("Let me", call()), "ignored", 'a tool is called: get_weather({"city": "Paris"})'),
        (whole('get_weather({"city": 1})'), "wrong", 'a call as text: "get_weather({"city": 1})"'),
        (whole(""), "unclear", "an empty answer"),
    ],
)
def test_none(answer: Answer, verdict: str, seen: str) -> None:
    check(judges.judge_none, answer, verdict, seen)


@pytest.mark.parametrize(
    ("answer", "verdict", "seen"),
    [
        (whole('{"a": 1}'), "yes", '"{"a": 1}"'),
        (whole("Paris"), "ignored", 'no JSON object: "Paris"'),
        (whole("[1]"), "ignored", 'no JSON object: "[1]"'),
        (whole("[" * 100000), "ignored", 'no JSON object: "' + "[" * 70 + '…"'),
        (whole('```json\n{"a": 1}\n```'), "wrong", 'JSON inside a code fence: "```json {"a": 1} ```"'),
        (whole('{"a": ', reason="length"), *CUT),
    ],
)
def test_json_object(answer: Answer, verdict: str, seen: str) -> None:
    check(judges.judge_json_object, answer, verdict, seen)


@pytest.mark.parametrize(
    ("value", "verdict", "seen"),
    [
        ({"kumquat": "a", "lighthouses": 1}, "yes", ""),
        ({"capital": "Paris"}, "ignored", "JSON, but of another schema: "),
        ({"kumquat": "a"}, "wrong", "JSON that does not fit the schema: "),
        ({"kumquat": "a", "lighthouses": "1"}, "wrong", "JSON that does not fit the schema: "),
        ({"kumquat": "a", "lighthouses": True}, "wrong", "JSON that does not fit the schema: "),
        ({"kumquat": "a", "lighthouses": 1, "more": 1}, "wrong", "JSON that does not fit the schema: "),
    ],
)
def test_json_schema(value: Json, verdict: str, seen: str) -> None:
    text = json.dumps(value)
    check(judges.judge_json_schema, whole(text), verdict, f'{seen}"{text}"')
    check(judges.judge_json_schema, whole("Paris"), "ignored", 'no JSON object: "Paris"')


@pytest.mark.parametrize(
    ("answer", "verdict", "seen"),
    [
        (whole("Orange."), "yes", 'it is orange: "Orange."'),
        (whole("Red"), "wrong", 'it is orange, but the model says "Red"'),
        (whole("I see no image."), "ignored", 'the model does not say what it sees: "I see no image."'),
        (whole("", reason="length"), *CUT),
    ],
)
def test_image(answer: Answer, verdict: str, seen: str) -> None:
    check(judges.judge_image, answer, verdict, seen)


def counted(prompt: Any, completion: Any, total: Any) -> Json:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}


@pytest.mark.parametrize(
    ("usage", "apart", "verdict", "seen"),
    [
        (counted(3, 2, 5), True, "yes", "3 + 2 tokens"),
        (counted(3, 2, 5), False, "wrong", "usage (3 + 2) in a chunk that has choices, not in one of its own"),
        (None, True, "ignored", "no usage in any chunk"),
        (counted(3, 2, 6), True, "wrong", "usage does not add up: 3 + 2 = 6"),
        (counted(3, 0, 3), True, "wrong", "usage does not add up: 3 + 0 = 3"),
        ({"prompt_tokens": 3}, True, "wrong", 'usage is "{"prompt_tokens": 3}"'),
    ],
)
def test_usage(usage: Any, apart: bool, verdict: str, seen: str) -> None:
    check(judges.judge_usage, stream({"content": "a"}, usage=usage, apart=apart), verdict, seen)


@pytest.mark.parametrize(
    ("answer", "verdict", "seen"),
    [
        (whole("one two three four "), "yes", 'it ends at "one two three four"'),
        (whole("one two three four five six"), "ignored", 'it goes on: "one two three four five six"'),
        (whole("one two three four five"), "wrong", 'the stop word is in the text: "one two three four five"'),
        (whole("three four", reason="tool_calls"), "wrong", "finish_reason is 'tool_calls' at a stop word"),
        (whole("No."), "unclear", 'the model does not repeat the list: "No."'),
        (whole("one two three four", reason="length"), *CUT),
    ],
)
def test_stop(answer: Answer, verdict: str, seen: str) -> None:
    check(judges.judge_stop, answer, verdict, seen)


OTHER = {"token": "a", "logprob": -0.5}


@pytest.mark.parametrize(
    ("logprobs", "verdict", "seen"),
    [
        ({"content": [{**OTHER, "top_logprobs": [OTHER, OTHER]}]}, "yes", '1 tokens; the first is "a" at -0.5'),
        (None, "ignored", "no logprobs in the answer"),
        (
            {"tokens": ["a"], "token_logprobs": [0]},
            "wrong",
            'logprobs without content: "{"tokens": ["a"], "token_logprobs": [0]}"',
        ),
        ({"content": [{"token": "a"}]}, "wrong", 'a token\'s entry is "{"token": "a"}"'),
        ({"content": [{**OTHER, "top_logprobs": []}]}, "wrong", "top_logprobs has 0 entries instead of 2"),
        ("yes", "wrong", 'logprobs without content: ""yes""'),
    ],
)
def test_logprobs(logprobs: Any, verdict: str, seen: str) -> None:
    check(judges.judge_logprobs, Answer({"choices": [{"logprobs": logprobs}]}), verdict, seen)


@pytest.mark.parametrize(
    ("indexes", "verdict", "seen"),
    [
        ([0, 1], "yes", "two choices"),
        ([0], "ignored", "one choice instead of two"),
        ([0, 0], "wrong", "2 choices with the indexes [0, 0]"),
        ([0, 1, 2], "wrong", "3 choices with the indexes [0, 1, 2]"),
    ],
)
def test_n(indexes: list[int], verdict: str, seen: str) -> None:
    check(judges.judge_n, Answer({"choices": [{"index": index} for index in indexes]}), verdict, seen)


def test_reasoning() -> None:
    check(judges.judge_reasoning, whole("391", reasoning_content="17 * 23"), "yes", 'reasoning_content: "17 * 23"')
    check(judges.judge_reasoning, whole(None, reasoning="17", reason="length"), "yes", 'reasoning: "17"')
    check(
        judges.judge_reasoning,
        whole("<think>17</think>391"),
        "wrong",
        'thoughts inside the text: "<think>17</think>391"',
    )
    check(judges.judge_reasoning, whole("391"), "no", "the model shows no thoughts unless told to")
    check(judges.judge_reasoning, whole("3", reason="length"), *CUT)
    hidden = whole("391")
    hidden.body["usage"] = {"completion_tokens_details": {"reasoning_tokens": 64}}
    check(judges.judge_reasoning, hidden, "no", "64 tokens of thoughts, which are not shown")


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just('{"city": []}'),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "index", "type", "function", "name", "arguments", "content", "token", "logprob", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(content=ODD, calls=ODD, reason=ODD, extra=ODD)
def test_no_answer_is_too_odd_for_a_judge(content: Any, calls: Any, reason: Any, extra: Any) -> None:
    message = {"content": content, "tool_calls": calls, "refusal": extra, "reasoning": extra}
    choice = {"index": extra, "message": message, "delta": message, "finish_reason": reason, "logprobs": extra}
    body = {**HEAD, "choices": [choice], "usage": extra, "object": "chat.completion"}
    chunk = {**body, "object": "chat.completion.chunk"}
    verdicts = {"yes", "no", "ignored", "wrong", "unclear"}
    for answer in (Answer(body), of_stream([chunk, {**chunk, "choices": []}])):
        assert {probe.judge(answer).verdict for probe in PROBES} <= verdicts
