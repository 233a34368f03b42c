"""The lines of a JSON file's keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.jsonlines import find_json_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", '"', "\\", "]", "a\nb", "}", ","]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["", "a", "b\n", "é", '"']), inner, max_size=3)
    ),
)


def walk(value: Any, keys: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*keys, key)
        yield from walk(inner, (*keys, key))


@given(VALUES, st.sampled_from([None, 2]))
def test_every_key_has_its_line(value: Any, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    lines, twice = find_json_lines(text)
    assert (set(lines), twice) == (set(walk(value)), [])
    shown = text.split("\n")
    for keys, line in lines.items():
        if isinstance(keys[-1], str):
            assert json.dumps(keys[-1]) in shown[line - 1]


def test_a_key_that_is_there_twice_is_found() -> None:
    lines, twice = find_json_lines('[\n{"a": 1,\n"b": 2,\n"a": 3}]', ("config_list",))
    assert twice == [("config_list", 0, "a")]
    assert lines["config_list", 0, "b"] == 3
