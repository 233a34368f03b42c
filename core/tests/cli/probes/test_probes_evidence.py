from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.cli.probes.evidence import Answer, called, count, of_stream, quote, quote_end, show

CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def an_answer(**message: Any) -> Answer:
    return Answer(
        {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": {"total_tokens": 3}}
    )


def test_what_a_judge_reads() -> None:
    report = {"dropped": ["n"], "adapted": {"stop": "cut"}}
    answer = an_answer(content="hello", tool_calls=[CALL], extra_content={"dragoman": report})
    assert (answer.text, answer.reason, answer.calls) == ("hello", "stop", [CALL])
    assert (answer.usage, answer.dropped, answer.adapted) == ({"total_tokens": 3}, ["n"], {"stop": "cut"})
    assert answer.thoughts == ("", "")


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking"])
def test_thoughts_by_every_name(key: str) -> None:
    assert an_answer(**{key: "hm"}).thoughts == (key, "hm")
    assert an_answer(**{key: " "}).thoughts == ("", "")


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(choices=ODD, message=ODD, calls=ODD)
def test_no_shape_is_too_odd(choices: Any, message: Any, calls: Any) -> None:
    for body in (
        {"choices": choices},
        {"choices": [{"message": message}]},
        {"choices": [{"message": {"tool_calls": calls, "content": calls, "extra_content": {"dragoman": calls}}}]},
    ):
        answer = Answer(body)
        assert isinstance(answer.text + show(answer.calls) + answer.thoughts[0], str)
        assert isinstance(answer.dropped, list)
        assert isinstance({**answer.adapted, **answer.usage, **answer.choice}, dict)


def test_a_stream_adds_up() -> None:
    chunks = [
        {"id": "1", "choices": [{"index": 0, "delta": {"role": "assistant", "content": "hel"}}]},
        {"id": "1", "choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}]},
        {"id": "1", "choices": [], "usage": {"total_tokens": 3}},
    ]
    answer = of_stream(chunks)
    assert (answer.text, answer.reason, answer.usage, answer.chunks) == ("hello", "stop", {"total_tokens": 3}, chunks)


@pytest.mark.parametrize("chunk", [{"choices": ["a"]}, {"choices": 1}, {"choices": [{"delta": {"tool_calls": 3}}]}])
def test_a_stream_of_no_shape(chunk: Any) -> None:
    answer = of_stream([chunk, chunk])
    assert (answer.text, answer.calls) == ("", [])


@pytest.mark.parametrize(("value", "number"), [(3, 3), (0, 0), (-1, 0), (None, 0), ("3", 0)])
def test_counts(value: Any, number: int) -> None:
    assert count({"prompt_tokens": value}, "prompt_tokens") == number


def test_quotes_are_one_short_line() -> None:
    assert quote("a\n b") == '"a b"'
    assert quote("x" * 71) == '"' + "x" * 70 + '…"'
    assert quote("x" * 70) == '"' + "x" * 70 + '"'
    assert quote_end("a" + "x" * 70) == '"…' + "x" * 70 + '"'
    assert quote_end("a\nb") == '"a b"'


def test_calls_are_written_as_code_would() -> None:
    assert show([CALL, {"function": None}]) == "f({}), (None)"
    assert called(CALL) == ("f", "{}")
