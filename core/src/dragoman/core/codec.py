"""JSON in and out: msgspec where it can, the standard library where it cannot."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
#: What stands around a value in compact JSON; at its very start and end there is nothing.
_BEFORE = frozenset({b"", b":", b"[", b","})
_AFTER = frozenset({b"", b",", b"]", b"}"})


def decode_json(data: bytes | str) -> Any:
    """Decode JSON text; raises ValueError. Integers of any size and lone surrogates are kept."""
    try:
        try:
            return _decode(data)
        except msgspec.DecodeError:
            # The standard library also reads what real servers send now and then: NaN, "\ud83d" cut in half.
            return json.loads(data)
    except RecursionError as exception:
        msg = "the JSON is nested too deeply"
        raise ValueError(msg) from exception


def encode_json(value: Any) -> bytes:
    """Encode as compact UTF-8 JSON, key order kept; raises ValueError or TypeError for what JSON cannot say."""
    content = encode_lenient(value)
    # msgspec writes null where the number is not finite; such a null must not reach a provider unseen.
    if _has_null(content) and _has_infinite(value):
        _refuse_infinite(value, "")
    return content


def encode_lenient(value: Any) -> bytes:
    """`encode_json` for what providers sent: a number that JSON cannot say (a logprob, say) becomes null."""
    try:
        return _encode(value)
    except (OverflowError, UnicodeEncodeError, msgspec.EncodeError):
        return json.dumps(_finite(value), separators=(",", ":")).encode()


def _has_null(content: bytes) -> bool:
    """Whether a null is among the values; one in a text may pass for such, and costs no more than a look."""
    start = content.find(b"null")
    while start >= 0:
        if content[start - 1 : start] in _BEFORE and content[start + 4 : start + 5] in _AFTER:
            return True
        start = content.find(b"null", start + 4)
    return False


def _has_infinite(value: Any) -> bool:
    """Whether a number that is not finite is anywhere in it."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            continue
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list | tuple):
            waiting.extend(item)
        elif isinstance(item, float) and not math.isfinite(item):
            return True
    return False


def _refuse_infinite(value: Any, path: str) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        msg = f"{path.lstrip('.')} must be a finite number; JSON has no {value}"
        raise ValueError(msg)
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_infinite(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            _refuse_infinite(item, f"{path}[{number}]")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
