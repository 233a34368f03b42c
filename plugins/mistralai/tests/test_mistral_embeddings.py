"""Embeddings."""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core import Call, InvalidRequest, Json
from dragoman.mistralai import Mistral

if TYPE_CHECKING:
    from collections.abc import Callable

BODY: Json = {
    "id": "e1",
    "object": "list",
    "model": "mistral-embed",
    "data": [{"object": "embedding", "embedding": [0.5, -0.25], "index": 0}],
    "usage": {"prompt_tokens": 4, "total_tokens": 4, "completion_tokens": 0, "prompt_audio_seconds": None},
}


@pytest.mark.rule(203)
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"input": "a"}, {"input": "a"}),
        ({"input": ["a", "b"], "encoding_format": "base64"}, {"input": ["a", "b"]}),
        ({"input": "a", "dimensions": 64, "encoding_format": "float"}, {"input": "a", "output_dimension": 64}),
        ({"input": "a", "user": "u", "dimensions": None}, {"input": "a"}),
        ({"input": "a", "metadata": {"x": "y"}}, {"input": "a", "metadata": {"x": "y"}}),
    ],
)
def test_requests(make_call: Callable[..., Call], given: Json, expected: Json) -> None:
    call = make_call(endpoint="embeddings", **given)
    wire = Mistral().encode(call)
    assert (wire.method, wire.path, wire.body) == ("POST", "/v1/embeddings", {"model": "m", **expected})
    assert call.ledger.report() == {}


@pytest.mark.rule(203)
@pytest.mark.parametrize("tokens", [[1, 2], [[1, 2], [3]]])
def test_tokens_are_refused(make_call: Callable[..., Call], tokens: Any) -> None:
    with pytest.raises(InvalidRequest, match="tokens"):
        Mistral().encode(make_call(endpoint="embeddings", input=tokens))


@pytest.mark.rule(203)
def test_answers(make_call: Callable[..., Call]) -> None:
    decoded = Mistral().decode(make_call(endpoint="embeddings", input="a", encoding_format="float"), BODY)
    assert decoded["data"] == BODY["data"]
    assert (decoded["usage"]["prompt_tokens"], decoded["usage"]["total_tokens"]) == (4, 4)
    bare = Mistral().decode(make_call(endpoint="embeddings", input="a"), {"data": []})
    assert bare["usage"] == {"prompt_tokens": 0, "total_tokens": 0}


@pytest.mark.rule(203)
def test_base64_is_what_openais_client_reads(make_call: Callable[..., Call]) -> None:
    call = make_call(endpoint="embeddings", input="a", encoding_format="base64")
    text = Mistral().decode(call, BODY)["data"][0]["embedding"]
    assert struct.unpack("<2f", base64.b64decode(text)) == (0.5, -0.25)
    assert BODY["data"][0]["embedding"] == [0.5, -0.25]
    ready = {"data": [{"embedding": "AAAA", "index": 0}]}
    assert Mistral().decode(call, ready)["data"][0]["embedding"] == "AAAA"
