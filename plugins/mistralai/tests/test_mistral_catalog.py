"""The list of models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dragoman.mistralai.catalog import decode_model, decode_models

if TYPE_CHECKING:
    from dragoman.core import Json


def entry(name: str, own: str | None, *aliases: str, **more: Any) -> Json:
    return {"id": name, "name": own, "aliases": list(aliases), "created": 5, "owned_by": "mistralai", **more}


@pytest.mark.rule(204)
def test_each_model_is_listed_once_under_its_own_name() -> None:
    found = decode_models(
        {
            "object": "list",
            "data": [
                entry("large-latest", "large-2512", "large-2512"),
                entry("large-2512", "large-2512", "large-latest"),
                entry("medium-latest", "medium-latest", "medium"),
                entry("medium", "medium-latest", "medium-latest"),
                entry("mine", None),
                entry("ft:small:x", "my tuned model"),
            ],
        }
    )
    assert [one["id"] for one in found["data"]] == ["large-2512", "medium-latest", "mine", "ft:small:x"]
    assert found["data"][0]["aliases"] == ["large-latest"]
    assert found["object"] == "list"


@pytest.mark.rule(204)
def test_models_have_what_openai_promises() -> None:
    assert decode_model({"id": "m"}) == {"id": "m", "object": "model", "created": 0, "owned_by": "mistralai"}
    kept = entry("m", "m", max_context_length=5, owned_by="me")
    assert decode_model(kept) == {**kept, "object": "model"}
