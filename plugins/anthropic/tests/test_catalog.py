"""Anthropic's models -> OpenAI's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types import Model

from dragoman.anthropic.catalog import decode_model, decode_models
from dragoman.core import Call, DragomanWarning

MODEL: dict[str, Any] = {
    "type": "model",
    "id": "claude-haiku-5-5",
    "display_name": "Claude Haiku 5.5",
    "created_at": "2026-09-01T12:00:00Z",
    "retires_at": "2027-12-31T23:30:00-05:00",
    "deprecated_at": None,
    "max_tokens": 128000,
    "capabilities": {"effort": {"supported": True}},
}


@pytest.mark.rule(169)
def test_model_in_openais_shape() -> None:
    model = Model.model_validate(json.loads(json.dumps(decode_model(MODEL))))
    assert (model.id, model.object, model.owned_by) == ("claude-haiku-5-5", "model", "anthropic")
    assert model.created == 1_788_264_000
    assert model.shutdown_date == "2027-12-31"
    assert model.to_dict()["extra_content"] == {
        "anthropic": {
            "display_name": "Claude Haiku 5.5",
            "retires_at": "2027-12-31T23:30:00-05:00",
            "max_tokens": 128000,
            "capabilities": {"effort": {"supported": True}},
        }
    }


@pytest.mark.rule(169)
@pytest.mark.parametrize("created", ["1970-01-01T00:00:00Z", None])
def test_untold_release_date_is_zero(created: str | None) -> None:
    assert decode_model({"id": "m", "type": "model", "created_at": created}) == {
        "id": "m",
        "object": "model",
        "created": 0,
        "owned_by": "anthropic",
    }


@pytest.mark.rule(169)
def test_list() -> None:
    body = {"data": [MODEL, {**MODEL, "id": "b"}], "has_more": False, "first_id": "claude-haiku-5-5", "last_id": "b"}
    decoded = decode_models(Call("anthropic", "", {}), body)
    assert decoded["object"] == "list"
    assert [model["id"] for model in decoded["data"]] == ["claude-haiku-5-5", "b"]


@pytest.mark.rule(169)
def test_a_second_page_is_warned_of_once_for_each_provider() -> None:
    page = {"data": [], "has_more": True}
    for provider in ("anthropic", "claude-eu"):
        with pytest.warns(DragomanWarning, match=f"^{provider}: the list of models has more than one page"):
            decode_models(Call(provider, "", {}), page)
    assert decode_models(Call("anthropic", "", {}), page) == {"object": "list", "data": []}
