"""Ollama's models -> OpenAI's: https://docs.ollama.com/api/tags and https://docs.ollama.com/api/show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.ollama.times import read_time

if TYPE_CHECKING:
    from dragoman.core import Json

_IN_OPENAI = frozenset({"model", "modified_at", "name"})


def decode_models(body: Json) -> Json:
    """Turn the list of what was pulled into OpenAI's list."""
    models = [decode_model(model.get("model") or model["name"], model) for model in body["models"] or ()]
    return {"object": "list", "data": models}


def decode_model(name: str, model: Json) -> Json:
    """Turn one model into OpenAI's; what OpenAI has no field for is in `extra_content["ollama"]`.

    `created` is when the model was pulled or changed last; `owned_by` the name's namespace, or Ollama's own one.
    """
    rest = {key: value for key, value in model.items() if key not in _IN_OPENAI and value is not None}
    decoded: Json = {
        "id": name,
        "object": "model",
        "created": read_time(model.get("modified_at")),
        "owned_by": name.split("/")[-2] if "/" in name else "library",
    }
    return {**decoded, "extra_content": {"ollama": rest}} if rest else decoded
