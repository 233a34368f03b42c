"""Content chunks: what they say, and how a stream's pieces become one."""

from __future__ import annotations

import copy
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.mistralai.parts import as_parts, joined, text_of, thoughts_of

if TYPE_CHECKING:
    from dragoman.core import Json


def text(value: str) -> Json:
    return {"type": "text", "text": value}


def thought(*values: str, **more: Any) -> Json:
    return {"type": "thinking", "thinking": [text(value) for value in values], **more}


REFERENCE = {"type": "reference", "reference_ids": [1, "b"]}


@pytest.mark.rule(192)
def test_what_a_list_says_and_thinks() -> None:
    parts = [thought("a", "b"), text("c"), REFERENCE, {"type": "new"}, text("d"), thought("e")]
    assert text_of(parts) == "cd"
    assert thoughts_of(parts) == "abe"
    assert thoughts_of([{"type": "thinking", "thinking": [REFERENCE, text("x")]}]) == "x"
    assert thoughts_of([{"type": "thinking", "thinking": "plain"}]) == "plain"


def test_text_is_one_part_and_no_text_none() -> None:
    assert as_parts("a") == [text("a")]
    assert as_parts("") == as_parts(None) == []


@pytest.mark.rule(192, 193)
def test_pieces_become_what_a_whole_answer_has() -> None:
    pieces = [thought("Ok"), thought("ay", closed=True), thought(".", closed=True), text("Ye"), text("s.")]
    before = copy.deepcopy(pieces)
    assert joined(pieces) == [thought("Okay.", closed=True), text("Yes.")]
    assert pieces == before


@pytest.mark.rule(192)
def test_references_stand_where_they_stood() -> None:
    assert joined([text("a"), REFERENCE, text("b"), text("c")]) == [text("a"), REFERENCE, text("bc")]
    inner = {"type": "thinking", "thinking": [REFERENCE]}
    assert joined([thought("a"), inner, thought("b"), thought("c")]) == [
        {"type": "thinking", "thinking": [text("a"), REFERENCE, text("bc")]}
    ]


@pytest.mark.rule(193)
def test_a_signature_seals_a_thought() -> None:
    assert joined([thought("a"), thought("b", signature="s1"), thought("c", signature="s2")]) == [
        thought("ab", signature="s1"),
        thought("c", signature="s2"),
    ]


wholes = st.lists(
    st.one_of(
        st.builds(text, st.text(min_size=1)),
        st.builds(lambda value: thought(value, closed=True), st.text(min_size=1)),
        st.just(REFERENCE),
    ),
    max_size=5,
).filter(
    lambda parts: all(one["type"] != other["type"] or one is REFERENCE for one, other in itertools.pairwise(parts))
)


@pytest.mark.rule(192, 193)
@given(wholes)
def test_a_cut_answer_is_joined_to_what_it_was(parts: list[Json]) -> None:
    pieces: list[Json] = []
    for part in parts:
        if part["type"] == "text":
            pieces += [text(letter) for letter in part["text"]]
        elif part["type"] == "thinking":
            pieces += [thought(letter, closed=True) for letter in part["thinking"][0]["text"]]
        else:
            pieces.append(part)
    assert joined(pieces) == parts
