"""Anthropic's list of models -> OpenAI's.

Source: https://platform.claude.com/docs/en/api/models-list.
"""

from __future__ import annotations

from datetime import datetime

from dragoman.core import Call, Json, warn_once

_IN_OPENAI = frozenset({"id", "type", "created_at"})


def decode_models(call: Call, body: Json) -> Json:
    """Turn a page of models into OpenAI's list; one page holds up to 1000, so there is one in practice."""
    if body.get("has_more"):
        warn_once(call.provider, "models.has_more", f"{call.provider}: the list of models has more than one page.")
    return {"object": "list", "data": [decode_model(model) for model in body["data"]]}


def decode_model(model: Json) -> Json:
    """Turn one model into OpenAI's; what OpenAI has no field for is in `extra_content["anthropic"]`."""
    rest = {key: value for key, value in model.items() if key not in _IN_OPENAI and value is not None}
    decoded: Json = {
        "id": model["id"],
        "object": "model",
        "created": _epoch(model.get("created_at")),
        "owned_by": "anthropic",
    }
    if model.get("retires_at"):
        decoded["shutdown_date"] = model["retires_at"][:10]
    if rest:
        decoded["extra_content"] = {"anthropic": rest}
    return decoded


def _epoch(time: str | None) -> int:
    """Anthropic writes 1970-01-01 for a release date it does not tell; OpenAI's field is required."""
    return int(datetime.fromisoformat(time).timestamp()) if time else 0
