"""Embeddings: https://docs.together.ai/reference/embeddings-2. Together has one size per model, and floats only."""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING, Any

from dragoman.core import unsupported

if TYPE_CHECKING:
    from dragoman.core import Call, Json


def encode_embeddings(call: Call) -> Json:
    """Return the body of a request; `encoding_format` is seen to when the answer comes."""
    body = {key: value for key, value in call.request.items() if value is not None and key != "encoding_format"}
    if "dimensions" in body:
        reason = "the number of dimensions is the model's own"
        unsupported(call, "dimensions", body.pop("dimensions"), reason=reason)
    return body


def decode_embeddings(call: Call, body: Json) -> Json:
    """Return OpenAI's list of embeddings, in the format that the caller asked for; Together counts no tokens."""
    packed = call.request.get("encoding_format") == "base64"
    data = [
        {
            **entry,
            "object": "embedding",
            "index": entry.get("index", position),
            "embedding": _pack(entry["embedding"]) if packed else entry["embedding"],
        }
        for position, entry in enumerate(body["data"])
    ]
    usage = body.get("usage") or {}
    prompt = usage.get("prompt_tokens") or 0
    counted = {**usage, "prompt_tokens": prompt, "total_tokens": usage.get("total_tokens") or prompt}
    return {**body, "object": "list", "model": body.get("model") or call.model, "data": data, "usage": counted}


def _pack(numbers: Any) -> Any:
    """Write numbers as OpenAI does: 32-bit floats, the lowest byte first, in base64."""
    if isinstance(numbers, str):
        return numbers
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
