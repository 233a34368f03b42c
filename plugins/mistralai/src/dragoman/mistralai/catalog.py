"""Mistral's list of models -> OpenAI's.

Source: https://docs.mistral.ai/api (models). Mistral lists a model once under each of its names; `aliases` of
each entry has the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dragoman.core import Json


def decode_models(body: Json) -> Json:
    """Return the list with each model once, under the name that it calls itself."""
    entries = body["data"]
    ids = {entry["id"] for entry in entries}
    own = [entry for entry in entries if entry.get("name") in {None, entry["id"]} or entry["name"] not in ids]
    return {**body, "object": "list", "data": [decode_model(entry) for entry in own]}


def decode_model(entry: Json) -> Json:
    """Return one model with the fields that OpenAI promises; what Mistral adds stays."""
    created, owner = entry.get("created") or 0, entry.get("owned_by") or "mistralai"
    return {**entry, "object": "model", "created": created, "owned_by": owner}
