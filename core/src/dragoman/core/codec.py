"""JSON in and out: msgspec where it can, the standard library where it cannot."""

from __future__ import annotations

import json
from typing import Any

import msgspec

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def decode_json(data: bytes | str) -> Any:
    """Decode JSON text; raises ValueError. Integers of any size and lone surrogates are kept."""
    try:
        return _decode(data)
    except msgspec.DecodeError:
        # The standard library also reads what real servers send now and then: NaN, "\ud83d" cut in half.
        return json.loads(data)


def encode_json(value: Any) -> bytes:
    """Encode as compact UTF-8 JSON, key order kept; raises ValueError or TypeError for what JSON cannot say."""
    try:
        return _encode(value)
    except (OverflowError, UnicodeEncodeError, msgspec.EncodeError):
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
