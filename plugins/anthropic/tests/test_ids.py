"""Tool call ids."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.anthropic.ids import CallIds

SOME_IDS = st.lists(
    st.sampled_from(["a:1", "a_1", "a_1_2", "", "call_0", "call_0_2"]) | st.text(max_size=5), max_size=12
)


@pytest.mark.rule(56)
def test_valid_new_ids_stay() -> None:
    ids = CallIds()
    assert [ids.assign(name) for name in ("toolu_01", "call-2")] == ["toolu_01", "call-2"]


@pytest.mark.rule(56)
def test_ids_that_differ_in_one_bad_character_stay_apart() -> None:
    ids = CallIds()
    assert ids.assign("a_1") == "a_1"
    first, second = ids.assign("a:1"), ids.assign("a.1")
    assert first != second
    assert re.fullmatch(r"call_a_1_[0-9a-f]{12}", first)


@pytest.mark.rule(56)
@pytest.mark.parametrize(
    ("original", "form"), [("é" * 60, "call__{40}_[0-9a-f]{12}"), ("\ud83d", "call___[0-9a-f]{12}")]
)
def test_the_form_of_a_rewritten_id(original: str, form: str) -> None:
    assert re.fullmatch(form, CallIds().assign(original))


@pytest.mark.rule(57)
def test_a_second_use_gets_a_number() -> None:
    ids = CallIds()
    assert [ids.assign("c") for _ in range(3)] == ["c", "c_2", "c_3"]
    assert ids.assign("c_2") == "c_2_2"


@pytest.mark.rule(58)
def test_server_tools_keep_their_prefix_to_themselves() -> None:
    assert CallIds().assign("srvtoolu_01").startswith("call_srvtoolu_01_")


@pytest.mark.rule(56, 57, 23)
@given(SOME_IDS)
def test_ids_are_valid_unique_and_depend_on_the_past_only(names: list[str]) -> None:
    ids, again = CallIds(), CallIds()
    wires = [ids.assign(name) for name in names]
    assert len(set(wires)) == len(wires)
    assert all(re.fullmatch(r"(?!srvtoolu_)[a-zA-Z0-9_-]+", wire) for wire in wires)
    half = len(names) // 2
    assert [again.assign(name) for name in names[:half]] == wires[:half]
