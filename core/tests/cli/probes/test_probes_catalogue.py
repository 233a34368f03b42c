from __future__ import annotations

import json
from itertools import pairwise

import pytest

from dragoman.core.arguments import check_arguments
from dragoman.core.cli.probes.catalogue import PROBES, TRIES, Probe, plain_picture
from dragoman.core.cli.probes.evidence import Answer, of_stream
from dragoman.core.cli.probes.judges import COLOUR, RESULT_WORD, SCHEMA_KEYS

by_feature = pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.feature)


def said_by_user(probe: Probe) -> str:
    return json.dumps([message for message in probe.request["messages"] if message["role"] == "user"])


def test_the_features() -> None:
    assert [probe.feature for probe in PROBES] == [
        *("text", "stream", "system", "tools", "stream_tools", "parallel", "result", "named", "required", "none"),
        *("json_object", "json_schema", "image", "usage", "stop", "logprobs", "n", "reasoning"),
    ]


@by_feature
def test_a_probe_is_a_request_with_a_bound(probe: Probe) -> None:
    check_arguments({name: value for name, value in probe.request.items() if name != "messages"})
    assert probe.request["messages"][-1]["role"] in {"user", "tool"}
    assert not probe.request.keys() & {"max_tokens", "max_completion_tokens", "model"}
    assert probe.parameter in {"", *probe.request}
    assert 1 <= probe.requests <= probe.answers <= TRIES + 1
    assert json.loads(json.dumps(probe.request)) == probe.request


def test_what_is_asked_for_is_counted() -> None:
    bounds = {probe.feature: (probe.requests, probe.answers) for probe in PROBES}
    assert bounds["text"] == (2, 2)
    assert bounds["system"] == (3, 3)
    assert bounds["required"] == bounds["none"] == (4, 4)
    assert bounds["n"] == (1, 2)


@by_feature
def test_the_same_request_without_the_parameter(probe: Probe) -> None:
    if probe.without:
        assert {**probe.without, probe.parameter: probe.request[probe.parameter]} == probe.request
        assert probe.parameter not in probe.without
    called = Answer({"choices": [{"message": {"tool_calls": [{}]}}]})
    doubts = [bool(probe.doubt(answer)) for answer in (Answer({}), called)]
    assert sorted(doubts) == ([False, True] if probe.without else [False, False])


@by_feature
def test_the_question_does_not_give_the_answer_away(probe: Probe) -> None:
    """An answer that repeats the question, as a rehearsal model's does, is no evidence."""
    question = said_by_user(probe).lower()
    for word in (COLOUR, RESULT_WORD, *SCHEMA_KEYS, "marzipan"):
        assert word not in question
    if probe.feature in {"text", "stream", "usage"}:
        return
    echo = {"role": "assistant", "content": said_by_user(probe)}
    choice = {"index": 0, "message": echo, "finish_reason": "stop"}
    found = probe.judge(Answer({"choices": [choice]}))
    if probe.feature != "none":
        assert found.verdict != "yes"


@by_feature
def test_judges_take_an_answer_without_anything(probe: Probe) -> None:
    for answer in (Answer({}), of_stream([{}])):
        assert probe.judge(answer).verdict != "yes"


def test_the_picture_is_the_same_each_time() -> None:
    assert plain_picture() == plain_picture()
    assert len(plain_picture()) < 2000


def test_questions_are_of_about_one_length() -> None:
    """Else the length of the prompt would not tell what was added to it."""
    lengths = sorted(len(probe.request["messages"][0]["content"]) for probe in PROBES if probe.shows != "the image")
    assert lengths[-1] - lengths[0] < 100
    assert len([pair for pair in pairwise(lengths) if pair[1] - pair[0] > 60]) == 0
