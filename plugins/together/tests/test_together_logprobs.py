"""Log probabilities: asked for in Together's words, answered in OpenAI's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat.chat_completion import ChoiceLogprobs

from dragoman.core import Call, Json
from dragoman.together.logprobs import decode_logprobs, fit_logprobs
from dragoman.together.response import decode_choice

if TYPE_CHECKING:
    from collections.abc import Callable

ARRAYS = {
    "tokens": ["Hi", "!"],
    "token_logprobs": [-0.5, -1.25],
    "token_ids": [13347.0, 0.0],
    "top_logprobs": [{"Hey": -1.0, "Hi": -0.5, "Yo": -3.0}, {"!": -1.25}],
}


@pytest.mark.rule(209)
@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({"logprobs": True}, {"logprobs": 1}),
        ({"logprobs": True, "top_logprobs": 0}, {"logprobs": 1}),
        ({"logprobs": True, "top_logprobs": 5}, {"logprobs": 5}),
        ({"top_logprobs": 3}, {"logprobs": 3}),
        ({"logprobs": 4}, {"logprobs": 4}),
        ({"logprobs": False}, {}),
        ({"logprobs": False, "top_logprobs": 0}, {}),
        ({}, {}),
    ],
)
def test_a_flag_and_a_number_become_one_number(asked: Json, sent: Json) -> None:
    fit_logprobs(asked)
    assert asked == sent
    assert all(not isinstance(value, bool) for value in asked.values())


@pytest.mark.rule(20, 209)
def test_arrays_become_a_list(make_call: Callable[..., Call]) -> None:
    found = decode_logprobs(make_call(logprobs=True, top_logprobs=2), {"logprobs": ARRAYS})
    assert found == {
        "content": [
            {
                "token": "Hi",
                "logprob": -0.5,
                "bytes": [72, 105],
                "top_logprobs": [
                    {"token": "Hi", "logprob": -0.5, "bytes": [72, 105]},
                    {"token": "Hey", "logprob": -1.0, "bytes": [72, 101, 121]},
                ],
                "token_id": 13347,
            },
            {
                "token": "!",
                "logprob": -1.25,
                "bytes": [33],
                "top_logprobs": [{"token": "!", "logprob": -1.25, "bytes": [33]}],
                "token_id": 0,
            },
        ],
        "refusal": None,
    }
    ChoiceLogprobs.model_validate(found)


@pytest.mark.rule(209)
@pytest.mark.parametrize(
    ("asked", "alternatives"),
    [
        ({"logprobs": True}, 0),
        ({"logprobs": True, "top_logprobs": 1}, 1),
        ({"top_logprobs": 2}, 2),
        ({"logprobs": 4}, 3),
        ({}, 3),
    ],
)
def test_as_many_alternatives_as_were_asked_for(make_call: Callable[..., Call], asked: Json, alternatives: int) -> None:
    found = decode_logprobs(make_call(**asked), {"logprobs": ARRAYS})
    assert found is not None
    assert len(found["content"][0]["top_logprobs"]) == alternatives


@pytest.mark.rule(209)
def test_arrays_that_lack_something(make_call: Callable[..., Call]) -> None:
    call = make_call(logprobs=True, top_logprobs=5)
    found = decode_logprobs(call, {"logprobs": {"tokens": ["a", "b"], "token_logprobs": [None], "top_logprobs": None}})
    assert found is not None
    assert [entry["logprob"] for entry in found["content"]] == [-9999.0, -9999.0]
    assert [entry["top_logprobs"] for entry in found["content"]] == [[], []]
    assert all("token_id" not in entry for entry in found["content"])
    single = decode_logprobs(call, {"logprobs": {"tokens": ["a"], "token_logprobs": [-1], "top_logprobs": {"b": -2}}})
    assert single is not None
    assert single["content"][0]["top_logprobs"] == [{"token": "b", "logprob": -2, "bytes": [98]}]
    ChoiceLogprobs.model_validate(single)


@pytest.mark.rule(209)
def test_a_token_that_is_no_whole_character_has_no_bytes(make_call: Callable[..., Call]) -> None:
    found = decode_logprobs(make_call(), {"logprobs": {"tokens": ["\ufffd", "é"], "token_logprobs": [-1, -1]}})
    assert found is not None
    assert [entry["bytes"] for entry in found["content"]] == [None, [195, 169]]


@pytest.mark.rule(209)
def test_openais_own_shape_stays(make_call: Callable[..., Call]) -> None:
    tops = [{"token": name, "logprob": -1.0, "bytes": None} for name in "ab"]
    given_shape = {"content": [{"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": tops}], "refusal": None}
    assert decode_logprobs(make_call(logprobs=True, top_logprobs=2), {"logprobs": given_shape}) == given_shape
    found = decode_logprobs(make_call(logprobs=True), {"logprobs": given_shape})
    assert found is not None
    assert found["content"][0]["top_logprobs"] == []


@pytest.mark.rule(209)
@pytest.mark.parametrize("value", [None, False, "strange"])
def test_no_logprobs_are_none(make_call: Callable[..., Call], value: Any) -> None:
    assert decode_logprobs(make_call(), {"logprobs": value}) is None
    assert decode_logprobs(make_call(), {}) is None


@pytest.mark.rule(209)
def test_a_shape_nobody_knows_is_kept(make_call: Callable[..., Call]) -> None:
    assert decode_logprobs(make_call(), {"logprobs": {"new": 1}}) == {"new": 1}


@pytest.mark.rule(209, 215)
@pytest.mark.parametrize(
    ("choice", "token"),
    [
        ({"delta": {"content": "Hi", "token_id": 5}}, "Hi"),
        ({"delta": {"reasoning": "Hm", "token_id": 5}}, "Hm"),
        ({"delta": {"content": "", "token_id": 5}, "text": "x"}, "x"),
        ({"delta": {"token_id": 5}}, ""),
    ],
)
def test_a_chunks_number_belongs_to_its_text(make_call: Callable[..., Call], choice: Json, token: str) -> None:
    sent = {"index": 0, "logprobs": -0.5, "top_logprobs": {token: -0.5, "Yo": -2.0}, **choice}
    (entry,) = (decode_logprobs(make_call(logprobs=True, top_logprobs=2), sent) or {})["content"]
    assert (entry["token"], entry["logprob"], entry["token_id"]) == (token, -0.5, 5)
    assert [top["token"] for top in entry["top_logprobs"]] == [token, "Yo"]


@pytest.mark.rule(209)
@given(
    pairs=st.lists(
        st.tuples(st.text(min_size=1), st.floats(-100, 0), st.dictionaries(st.text(), st.floats(-100, 0), max_size=4)),
        max_size=6,
    ),
    limit=st.integers(0, 5),
)
def test_streamed_and_whole_say_the_same(pairs: list[tuple[str, float, dict[str, float]]], limit: int) -> None:
    request = {"model": "m", "logprobs": True, "top_logprobs": limit}
    call = Call("together", "m", request)
    whole = decode_logprobs(
        call,
        {
            "logprobs": {
                "tokens": [token for token, _, _ in pairs],
                "token_logprobs": [logprob for _, logprob, _ in pairs],
                "top_logprobs": [tops for _, _, tops in pairs],
            }
        },
    )
    assert whole is not None
    ChoiceLogprobs.model_validate(whole)
    streamed: list[Json] = []
    for token, logprob, tops in pairs:
        chunk = {"index": 0, "delta": {"content": token}, "text": token, "logprobs": logprob, "top_logprobs": tops}
        streamed += decode_choice(call, chunk)["logprobs"]["content"]
    assert streamed == whole["content"]
