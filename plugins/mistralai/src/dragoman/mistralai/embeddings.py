"""OpenAI's embeddings -> Mistral's, and back.

Source: https://docs.mistral.ai/api (embeddings).
"""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING, Any

from dragoman.core import InvalidRequest, unsupported

if TYPE_CHECKING:
    from dragoman.core import Call, Json


def encode_embeddings(call: Call) -> Json:
    """Return the body of an embeddings request. Raises `InvalidRequest` for tokens: Mistral embeds text."""
    wire = {key: value for key, value in call.request.items() if value is not None}
    texts = wire.get("input")
    if isinstance(texts, list) and any(not isinstance(text, str) for text in texts):
        msg = "input has tokens. Mistral embeds text only: send a string, or a list of strings."
        raise InvalidRequest(msg)
    if "user" in wire:
        unsupported(call, "user", wire.pop("user"), reason="it asks for no user")
    if "dimensions" in wire:
        wire["output_dimension"] = wire.pop("dimensions")
    # OpenAI's client asks for base64 unless told otherwise, and takes numbers as well; see `decode_embeddings`.
    wire.pop("encoding_format", None)
    return wire


def decode_embeddings(call: Call, body: Json) -> Json:
    """Return OpenAI's list of embeddings, with its usage; base64 is little-endian 32-bit floats, as OpenAI's is."""
    data = body["data"]
    if call.request.get("encoding_format") == "base64":
        data = [{**entry, "embedding": _base64(entry["embedding"])} for entry in data]
    usage = body.get("usage") or {}
    prompt = usage.get("prompt_tokens") or 0
    counts = {"prompt_tokens": prompt, "total_tokens": usage.get("total_tokens") or prompt}
    return {**body, "object": "list", "data": data, "usage": {**usage, **counts}}


def _base64(numbers: Any) -> Any:
    if not isinstance(numbers, list):
        return numbers
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
