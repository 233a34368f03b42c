"""Ollama's own parameters, wherever the caller writes them."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core import InvalidRequest, Json
from dragoman.ollama.extras import OPTIONS, merge_extras

BODY: Json = {"model": "m", "stream": False, "options": {"temperature": 0.5, "seed": 1}}


@pytest.mark.rule(240, 242)
@pytest.mark.parametrize(
    ("extras", "merged"),
    [
        ({}, BODY),
        ({"num_ctx": 8192}, {**BODY, "options": {"temperature": 0.5, "seed": 1, "num_ctx": 8192}}),
        ({"options": {"num_ctx": 8192}}, {**BODY, "options": {"temperature": 0.5, "seed": 1, "num_ctx": 8192}}),
        ({"options": {"tomorrow": 1}}, {**BODY, "options": {"temperature": 0.5, "seed": 1, "tomorrow": 1}}),
        ({"options": None}, BODY),
        ({"seed": 2}, {**BODY, "options": {"temperature": 0.5, "seed": 2}}),
        ({"seed": 2, "options": {"seed": 3}}, {**BODY, "options": {"temperature": 0.5, "seed": 3}}),
        ({"keep_alive": "5m", "think": "max"}, {**BODY, "keep_alive": "5m", "think": "max"}),
        ({"stream": True, "tomorrow": 1}, {**BODY, "stream": True, "tomorrow": 1}),
    ],
)
def test_each_key_lands_where_ollama_looks_for_it(extras: Json, merged: Json) -> None:
    before = copy.deepcopy((BODY, extras))
    assert merge_extras(BODY, extras) == merged
    assert (BODY, extras) == before


def test_options_where_there_were_none() -> None:
    assert merge_extras({"model": "m"}, {"num_ctx": 1}) == {"model": "m", "options": {"num_ctx": 1}}
    assert merge_extras({"model": "m"}, {"keep_alive": 0}) == {"model": "m", "keep_alive": 0}


def test_options_that_are_no_object() -> None:
    with pytest.raises(InvalidRequest, match="options is a list"):
        merge_extras(BODY, {"options": ["num_ctx"]})


names = st.sampled_from([*sorted(OPTIONS), "keep_alive", "think", "truncate", "tomorrow"])


@given(extras=st.dictionaries(names, st.integers()), options=st.dictionaries(st.text(max_size=5), st.integers()))
def test_nothing_is_lost(extras: Json, options: Json) -> None:
    merged = merge_extras(BODY, {**extras, "options": options})
    bare = {name: value for name, value in extras.items() if name in OPTIONS}
    assert merged["options"] == {**BODY["options"], **bare, **options}
    assert merged == {**merged, **{name: value for name, value in extras.items() if name not in OPTIONS}}
