"""Embeddings: what is asked, and the two formats of the answer."""

from __future__ import annotations

import base64
import math
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import CreateEmbeddingResponse

from dragoman.core import Call, Json, UnsupportedParameter
from dragoman.together.embeddings import decode_embeddings, encode_embeddings

if TYPE_CHECKING:
    from collections.abc import Callable

ANSWER: Json = {
    "object": "list",
    "model": "m2",
    "data": [{"embedding": [0.5, -1.25], "index": 0}, {"embedding": [0.0, 2.0], "index": 1}],
    "usage": None,
}


@pytest.mark.rule(221)
def test_the_format_is_not_sent(make_call: Callable[..., Call]) -> None:
    call = make_call(endpoint="embeddings", input=["a"], encoding_format="base64", user="u", dimensions=None)
    assert encode_embeddings(call) == {"model": "openai/gpt-oss-20b", "input": ["a"], "user": "u"}


@pytest.mark.rule(221)
def test_another_number_of_dimensions_is_refused(make_call: Callable[..., Call]) -> None:
    with pytest.raises(UnsupportedParameter, match="dimensions"):
        encode_embeddings(make_call(endpoint="embeddings", input="a", dimensions=64))
    assert "dimensions" not in encode_embeddings(make_call("ignore", endpoint="embeddings", input="a", dimensions=64))


@pytest.mark.rule(221)
@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        (None, {"prompt_tokens": 0, "total_tokens": 0}),
        ({"prompt_tokens": 4}, {"prompt_tokens": 4, "total_tokens": 4}),
        ({"prompt_tokens": 4, "total_tokens": 4}, {"prompt_tokens": 4, "total_tokens": 4}),
    ],
)
def test_usage_is_never_missing(make_call: Callable[..., Call], usage: Json | None, counted: Json) -> None:
    call = make_call(endpoint="embeddings", input="a", encoding_format="float")
    found = decode_embeddings(call, {**ANSWER, "usage": usage})
    assert found["usage"] == counted
    assert [entry["embedding"] for entry in found["data"]] == [[0.5, -1.25], [0.0, 2.0]]
    assert {entry["object"] for entry in found["data"]} == {"embedding"}
    CreateEmbeddingResponse.model_validate(found)


@pytest.mark.rule(221)
def test_base64_is_what_openai_sends(make_call: Callable[..., Call]) -> None:
    call = make_call(endpoint="embeddings", input="a", encoding_format="base64")
    found = decode_embeddings(call, ANSWER)
    assert found["data"][0]["embedding"] == "AAAAPwAAoL8="
    again = decode_embeddings(call, found)
    assert again["data"] == found["data"]
    assert ANSWER["data"][0]["embedding"] == [0.5, -1.25]


@pytest.mark.rule(221)
@given(st.lists(st.floats(width=32, allow_nan=False)))
def test_base64_loses_nothing_of_a_32_bit_number(numbers: list[float]) -> None:
    call = Call("together", "m", {"encoding_format": "base64"}, "embeddings")
    (entry,) = decode_embeddings(call, {"data": [{"embedding": numbers}]})["data"]
    unpacked = struct.unpack(f"<{len(numbers)}f", base64.b64decode(entry["embedding"]))
    assert list(unpacked) == numbers
    assert [math.copysign(1, number) for number in unpacked] == [math.copysign(1, number) for number in numbers]
