"""JSON in and out: msgspec where it can, the standard library where it cannot."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import msgspec

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
#: A null that is a value; in a text it may stand too, and costs no more than a look.
_NULL = re.compile(rb"null[,\]}]")


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
    if _NULL.search(content) and _has_infinite(value):
        _refuse_infinite(value, "")
    return content


def encode_lenient(value: Any) -> bytes:
    """`encode_json` for what providers sent: a number that JSON cannot say (a logprob, say) becomes null."""
    try:
        return _encode(value)
    except (OverflowError, UnicodeEncodeError, msgspec.EncodeError):
        return json.dumps(_finite(value), separators=(",", ":")).encode()


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
