"""OpenAI's embeddings <-> Ollama's `/api/embed`: https://docs.ollama.com/api/embed."""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING, Any

from dragoman.core import InvalidRequest, unsupported
from dragoman.ollama.extras import merge_extras

if TYPE_CHECKING:
    from dragoman.core import Call, Json

_KNOWN = frozenset({"dimensions", "encoding_format", "input", "model", "user"})
_VISIBLE = frozenset({"embeddings", "model", "prompt_eval_count"})


def encode_embeddings(call: Call) -> Json:
    """Return the body for `POST /api/embed`. Raises `InvalidRequest` for tokens: Ollama takes text."""
    asked = {name: value for name, value in call.request.items() if value is not None}
    wanted = asked.get("input")
    texts = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        msg = "input is neither a text nor a list of texts; Ollama does not take tokens. Send text."
        raise InvalidRequest(msg)
    if "user" in asked:
        unsupported(call, "user", asked["user"], reason="Ollama does not report users")
    body: Json = {"model": call.model, "input": wanted}
    if "dimensions" in asked:
        body["dimensions"] = asked["dimensions"]
    return merge_extras(body, {name: value for name, value in asked.items() if name not in _KNOWN})


def decode_embeddings(call: Call, body: Json) -> Json:
    """Return OpenAI's list, in the encoding that was asked for; the SDK asks for base64 unless told otherwise."""
    packed = call.request.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _pack(vector) if packed else vector}
        for index, vector in enumerate(body["embeddings"])
    ]
    count = body.get("prompt_eval_count") or 0
    rest = {key: value for key, value in body.items() if key not in _VISIBLE}
    return {
        "object": "list",
        "data": data,
        "model": body.get("model") or call.model,
        "usage": {"prompt_tokens": count, "total_tokens": count},
        **({"extra_content": {"ollama": rest}} if rest else {}),
    }


def _pack(vector: list[Any]) -> str:
    """Write 32-bit floats, little-endian, as OpenAI does; Ollama computes no finer ones."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
