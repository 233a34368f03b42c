"""Embeddings, there and back."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core import Call, InvalidRequest, Json
from dragoman.ollama.embeddings import decode_embeddings, encode_embeddings

ANSWER: Json = {
    "model": "e:latest",
    "embeddings": [[0.5, -1.0], [2.0, 0.25]],
    "total_duration": 9,
    "prompt_eval_count": 8,
}


def call(**request: Any) -> Call:
    return Call("ollama", "e", {"model": "e", **request}, endpoint="embeddings")


@pytest.mark.rule(253)
@pytest.mark.parametrize(
    ("request_", "body"),
    [
        ({"input": "Hi"}, {"model": "e", "input": "Hi"}),
        ({"input": ["Hi", ""], "dimensions": 64}, {"model": "e", "input": ["Hi", ""], "dimensions": 64}),
        ({"input": [], "encoding_format": "base64", "user": "u"}, {"model": "e", "input": []}),
        (
            {"input": "Hi", "truncate": False, "num_ctx": 9},
            {"model": "e", "input": "Hi", "truncate": False, "options": {"num_ctx": 9}},
        ),
    ],
)
def test_a_request(request_: Json, body: Json) -> None:
    assert encode_embeddings(call(**request_)) == body


@pytest.mark.parametrize("wanted", [None, [1, 2], [[1], [2]], {"a": 1}, 7])
def test_tokens_are_refused(wanted: Any) -> None:
    with pytest.raises(InvalidRequest, match="does not take tokens"):
        encode_embeddings(call(input=wanted))


@pytest.mark.rule(253)
def test_an_answer() -> None:
    assert decode_embeddings(call(input=["a", "b"], encoding_format="float"), ANSWER) == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5, -1.0]},
            {"object": "embedding", "index": 1, "embedding": [2.0, 0.25]},
        ],
        "model": "e:latest",
        "usage": {"prompt_tokens": 8, "total_tokens": 8},
        "extra_content": {"ollama": {"total_duration": 9}},
    }


def test_an_answer_that_counts_nothing() -> None:
    answer = decode_embeddings(call(input="a"), {"embeddings": [[1]]})
    assert (answer["model"], answer["usage"]["prompt_tokens"], "extra_content" in answer) == ("e", 0, False)


@given(vector=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), max_size=9))
def test_base64_holds_the_same_numbers(vector: list[float]) -> None:
    answer = decode_embeddings(call(input="a", encoding_format="base64"), {"embeddings": [vector]})
    packed = base64.b64decode(answer["data"][0]["embedding"])
    assert list(struct.unpack(f"<{len(vector)}f", packed)) == vector
