from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core.cli.probes.evidence import Answer, of_stream
from dragoman.core.cli.probes.shapes import (
    REASONS,
    call_problem,
    completion_problem,
    fragments_problem,
    reason_problem,
    stream_problem,
)

if TYPE_CHECKING:
    from dragoman.core import Json

CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
WHOLE: Json = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}],
}
GONE = object()


def changed(body: Any, path: str, value: Any) -> Any:
    """A copy with another value at a place like `choices.0.message.role`; GONE takes it out."""
    body = deepcopy(body)
    *way, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    place = body
    for key in way:
        place = place[key]
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    return body


def test_openais_own_shape() -> None:
    assert completion_problem(Answer(WHOLE)) == ""
    for reason in REASONS:
        assert completion_problem(Answer(changed(WHOLE, "choices.0.finish_reason", reason))) == ""


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("id", "", "an answer without an id"),
        ("id", GONE, "an answer without an id"),
        ("object", "text_completion", "object is 'text_completion' instead of \"chat.completion\""),
        ("created", "today", "created is 'today' instead of a number of seconds"),
        ("model", None, "an answer without the model's name"),
        ("choices", None, "no choices instead of one"),
        ("choices", [], "0 choices instead of one"),
        ("choices.0.index", GONE, "the only choice has index None"),
        ("choices.0.message.role", "model", "the message's role is 'model'"),
        ("choices.0.message.content", ["a"], 'content is no text, but "["a"]"'),
        ("choices.0.finish_reason", "eos", "finish_reason is 'eos'"),
        ("choices.0.finish_reason", None, "finish_reason is None"),
        ("choices.0.finish_reason", {}, "finish_reason is {}"),
    ],
)
def test_whole_answers(path: str, value: Any, problem: str) -> None:
    assert completion_problem(Answer(changed(WHOLE, path, value))) == problem


def with_calls(*calls: Any, reason: str = "tool_calls", text: str | None = None) -> Answer:
    message = {"role": "assistant", "content": text, "tool_calls": list(calls)}
    return Answer({**WHOLE, "choices": [{"index": 0, "message": message, "finish_reason": reason}]})


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("id", None, "a call without an id"),
        ("type", GONE, "a call's type is None"),
        ("function.name", "g", 'a call of "g", which was not offered'),
        ("function", None, 'a call of "", which was not offered'),
        ("function.arguments", {"a": 1}, 'arguments are no text, but "{"a": 1}"'),
        ("function.arguments", "", 'arguments are no JSON: ""'),
        ("function.arguments", '{"a": ', 'arguments are no JSON: "{"a":"'),
        ("function.arguments", "[" * 100000, 'arguments are no JSON: "' + "[" * 70 + '…"'),
        ("function.arguments", "[1]", 'arguments are no object: "[1]"'),
    ],
)
def test_calls(path: str, value: Any, problem: str) -> None:
    assert call_problem(with_calls(CALL), {"f"}) == ""
    assert call_problem(with_calls(changed(CALL, path, value)), {"f"}) == problem


def test_calls_together() -> None:
    assert call_problem(with_calls(CALL, CALL), {"f"}) == "two calls with one id"
    assert call_problem(with_calls(CALL, {**CALL, "id": "2"}), {"f"}) == ""
    assert call_problem(with_calls(CALL, reason="stop"), {"f"}) == "finish_reason is 'stop' beside a call"
    assert call_problem(with_calls(CALL, text="I call it."), {"f"}) == ""


def test_forced_calls() -> None:
    odd: Any = ["stop"]
    assert call_problem(with_calls(CALL, reason=odd), {"f"}, forced=True) == "finish_reason is ['stop'] beside a call"
    assert call_problem(with_calls(CALL, reason="stop"), {"f"}, forced=True) == ""
    assert call_problem(with_calls(CALL, text=" "), {"f"}, forced=True) == ""
    assert call_problem(with_calls(CALL, text="I do."), {"f"}, forced=True) == 'text beside a forced call: "I do."'
    assert call_problem(with_calls(CALL, reason="eos"), {"f"}, forced=True) == "finish_reason is 'eos' beside a call"


def piece(delta: Json, reason: str | None = None) -> Json:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


STREAM = [piece({"role": "assistant", "content": ""}), piece({"content": "a"}), piece({}, "stop")]


def test_openais_own_stream() -> None:
    usage = {**piece({}), "choices": [], "usage": {}}
    # Azure begins with a chunk that has neither id nor choices.
    assert stream_problem([{"id": "", "choices": []}, *STREAM, usage]) == ""


@pytest.mark.parametrize(
    ("chunks", "problem"),
    [
        ([], "no chunk with a choice"),
        ([{**STREAM[0], "choices": []}], "no chunk with a choice"),
        (
            [{**STREAM[0], "object": "chat.completion"}],
            "object is 'chat.completion' instead of \"chat.completion.chunk\"",
        ),
        ([{**STREAM[0], "id": "2"}, *STREAM[1:]], "chunks of one answer with different ids"),
        (STREAM[:2], "no chunks with a finish_reason"),
        ([*STREAM, STREAM[2]], "2 chunks with a finish_reason"),
        ([*STREAM, STREAM[1]], "more of the answer after its finish_reason"),
        ([*STREAM, piece({"tool_calls": [CALL]})], "more of the answer after its finish_reason"),
        ([*STREAM[:2], piece({}, "eos")], "finish_reason is 'eos'"),
    ],
)
def test_streams(chunks: list[Json], problem: str) -> None:
    assert stream_problem(chunks) == problem
    assert of_stream(chunks).chunks == chunks


def fragments(*calls: Any) -> list[Json]:
    return [piece({"tool_calls": [call]}) for call in calls]


FIRST = {**CALL, "index": 0, "function": {"name": "f", "arguments": ""}}
MORE = {"index": 0, "function": {"arguments": "{}"}}


@pytest.mark.parametrize(
    ("chunks", "problem"),
    [
        (fragments(FIRST, MORE), ""),
        (fragments(FIRST, {**FIRST, "index": 1, "id": "2"}, {**MORE, "index": 1}), ""),
        (fragments(FIRST, {"index": 0, "id": "", "function": {"name": None, "arguments": "{}"}}), ""),
        (fragments(CALL), "a call's fragment without an index"),
        (fragments({**FIRST, "index": "0"}), "a call's fragment without an index"),
        (fragments({**FIRST, "id": None}), "a call's first fragment without its id"),
        (fragments({**FIRST, "function": {"arguments": ""}}), "a call's first fragment without its name"),
        (fragments(FIRST, {**MORE, "id": "1"}), "a call's id is sent more than once"),
        (fragments(FIRST, FIRST), "a call's id is sent more than once"),
        (fragments(FIRST, {"index": 0, "function": {"name": "f"}}), "a call's name is sent more than once"),
        (fragments(FIRST, {"index": 0, "function": {"arguments": {}}}), 'arguments are no text, but "{}"'),
    ],
)
def test_fragments(chunks: list[Json], problem: str) -> None:
    assert fragments_problem(chunks) == problem


def test_reasons() -> None:
    assert reason_problem("stop") == ""
    assert reason_problem(["stop"]) == "finish_reason is ['stop']"
