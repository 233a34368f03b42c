"""Tool call ids: of Mistral's form, one for one, the same in every turn."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.mistralai import ids
from dragoman.mistralai.ids import CallIds

FORM = re.compile(r"[a-zA-Z0-9]{9}")
originals = st.sampled_from(["", "call_abc", "call_abd", "AbCdEf123", "functions.f:0", "\ud800", "é" * 9]) | st.text(
    max_size=12
)
turns = st.lists(st.lists(originals, max_size=4), max_size=5)


def assigned(conversation: list[list[str]]) -> list[list[str]]:
    given_out = CallIds()
    return [given_out.assign(turn) for turn in conversation]


def numbered(conversation: list[list[str]]) -> list[list[tuple[str, int]]]:
    """Each id with how often its turn had it before."""
    return [[(name, turn[:index].count(name)) for index, name in enumerate(turn)] for turn in conversation]


@pytest.mark.rule(173)
@given(turns)
def test_wire_ids_have_the_form_and_are_one_for_one(conversation: list[list[str]]) -> None:
    pairs = [
        pair
        for keys, wires in zip(numbered(conversation), assigned(conversation), strict=True)
        for pair in zip(keys, wires, strict=True)
    ]
    assert all(FORM.fullmatch(wire) for _, wire in pairs)
    for (key, wire), (other_key, other_wire) in itertools.combinations(pairs, 2):
        assert (key == other_key) is (wire == other_wire)


@pytest.mark.rule(173, 174)
@given(turns, turns)
def test_ids_of_a_shorter_conversation_come_again_in_a_longer_one(
    conversation: list[list[str]], more: list[list[str]]
) -> None:
    assert assigned(conversation + more)[: len(conversation)] == assigned(conversation)


@pytest.mark.rule(173)
def test_ids_of_mistrals_form_stay() -> None:
    assert assigned([["AbCdEf123", "gSIMJiOkT"]]) == [["AbCdEf123", "gSIMJiOkT"]]


@pytest.mark.rule(173)
def test_rewritten_ids_are_the_same_in_every_process() -> None:
    assert assigned([["call_1"], ["call_1"]]) == [["AskClSKSc"], ["AskClSKSc"]]


@pytest.mark.rule(173)
def test_an_id_that_is_taken_already_is_rewritten_too() -> None:
    ((made,),) = assigned([["call_1"]])
    (first,), (second,) = assigned([["call_1"], [made]])
    assert first == made
    assert second != made


@pytest.mark.rule(173)
def test_collisions_are_probed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = ids._hashed
    monkeypatch.setattr(ids, "_hashed", lambda text: "collision" if text.endswith("\0" + "0") else real(text))
    (one, two, three) = assigned([["a", "b", "c"]])[0]
    assert one == "collision"
    assert len({one, two, three}) == 3
