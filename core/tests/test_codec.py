"""JSON at its edges."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core.codec import decode_json, encode_json, encode_lenient

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_a_round_trip(value: Any) -> None:
    for encode in (encode_json, encode_lenient):
        assert json.loads(encode(value)) == value
        assert decode_json(encode(value)) == value


def test_what_python_alone_would_not_have() -> None:
    assert encode_json({"b": 1, "a": [10**40, -(10**40)]}) == b'{"b":1,"a":[%d,%d]}' % (10**40, -(10**40))
    assert decode_json(b"[%d]" % 10**40) == [10**40]
    assert encode_json({"é": "\u2028"}) == '{"é":"\u2028"}'.encode()
    assert encode_json({1: None, "t": (1, 2)}) == b'{"1":null,"t":[1,2]}'


def test_lone_surrogates() -> None:
    assert decode_json(rb'{"a": "\ud83d"}') == {"a": "\ud83d"}
    assert encode_json({"a": "\ud83d", "é": 1}) == rb'{"a":"\ud83d","\u00e9":1}'


def test_numbers_that_are_none() -> None:
    assert math.isnan(decode_json(b"[NaN]")[0])
    assert decode_json("[-Infinity]") == [-math.inf]
    assert (
        encode_lenient({"a": [math.nan, (math.inf, None)], "s": "\ud83d"}) == rb'{"a":[null,[null,null]],"s":"\ud83d"}'
    )
    assert encode_lenient(math.nan) == b"null"


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"temperature": math.nan}, "temperature must"),
        ({"a": [{"b": (1, math.inf)}]}, r"a\[0\].b\[1\] must"),
        ({"a": -math.inf, "s": "\ud83d"}, "a must"),
    ],
)
def test_numbers_that_must_not_be_sent(value: Any, place: str) -> None:
    with pytest.raises(ValueError, match=place):
        encode_json(value)


def test_what_was_looked_at_before_is_not_again() -> None:
    value = {"known": [math.nan], "b": math.inf}
    with pytest.raises(ValueError, match="b must"):
        encode_json(value, {"known"})
    assert encode_json({**value, "b": 1.0}, {"known"}) == b'{"known":[null],"b":1.0}'


@pytest.mark.parametrize("value", [{"a": object()}, [{1: 1, (1, 2): 2}]])
def test_what_json_cannot_say(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        encode_json(value)


@pytest.mark.parametrize("text", [b"", b"{", b'{"a":1}x', b'"\xff"', b"[" * 200_000, "nonsense"])
def test_what_is_no_json(text: bytes | str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (each has another text; that it is no bare RecursionError counts)
        decode_json(text)
