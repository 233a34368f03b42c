"""The list of models."""

from __future__ import annotations

import pytest
from openai.types import Model

from dragoman.ollama.catalog import decode_model, decode_models

TAG = {
    "name": "qwen3:4b",
    "model": "qwen3:4b",
    "modified_at": "2026-06-19T16:26:52.429441648-07:00",
    "size": 2497293931,
    "digest": "359d",
    "remote_host": None,
}


@pytest.mark.rule(253)
def test_a_list() -> None:
    (model,) = decode_models({"models": [TAG]})["data"]
    assert model == {
        "id": "qwen3:4b",
        "object": "model",
        "created": 1781911612,
        "owned_by": "library",
        "extra_content": {"ollama": {"size": 2497293931, "digest": "359d"}},
    }
    assert Model.model_validate(model).id == "qwen3:4b"
    assert decode_models({"models": None}) == {"object": "list", "data": []}


@pytest.mark.parametrize(
    ("name", "owner"),
    [("llama3.2", "library"), ("ann/llama", "ann"), ("hf.co/org/repo:Q4", "org"), ("registry.io/ann/x", "ann")],
)
def test_whose_a_model_is(name: str, owner: str) -> None:
    assert decode_model(name, {})["owned_by"] == owner


def test_an_old_server_gives_a_name_only() -> None:
    assert decode_models({"models": [{"name": "old"}]})["data"] == [
        {"id": "old", "object": "model", "created": 0, "owned_by": "library"}
    ]
