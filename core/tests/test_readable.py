"""JSON laid out and compared for people."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core import diff_json, lay_out

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_layout_changes_nothing(value: Any) -> None:
    assert json.loads(lay_out(value)) == value
    assert diff_json(value, json.loads(lay_out(value))) == []


def test_what_fits_stands_in_a_line() -> None:
    value = {"a": {"b": [1, 2]}, "c": ["x" * 80, "y" * 80]}
    assert lay_out(value).splitlines()[1] == '  "a": {"b": [1, 2]},'
    assert len(lay_out(value).splitlines()) == 7


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.0), ({"a": None}, {}), ([], {}), ("1", 1)])
def test_what_is_not_the_same(one: Any, other: Any) -> None:
    assert diff_json({"x": one}, {"x": other})


def test_keys_have_no_order() -> None:
    assert diff_json({"a": 1, "b": 2}, {"b": 2, "a": 1}) == []


def test_long_texts_are_shown_where_they_differ() -> None:
    start = "so it went on and on " * 100
    diff = diff_json({"text": f"{start}one end {'z' * 500}"}, {"text": f"{start}two end {'z' * 500}"})
    assert [line[0] for line in diff[3:]] == ["-", "+"]
    assert "on and on one end zzz" in diff[3]
    assert "on and on two end zzz" in diff[4]
    assert max(map(len, diff)) < 200


def test_many_lines_are_counted() -> None:
    assert diff_json(list(range(99)), [], most=5)[-1].startswith("... and 9")
