"""JSON in and out: msgspec where it can, the standard library where it cannot."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import msgspec

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode
#: MessagePack writes a float as this byte and its IEEE bits, which are all ones in the exponent where it is not finite.
_FLOAT = b"\xcb"
_NOT_FINITE = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]")


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
    # msgspec writes null where the number is not finite; such a null must not reach a provider unseen. To pack it all
    # again takes less time than to look for such a null, which may stand in any text, too.
    if _may_be_infinite(value):
        _refuse_infinite(value, "")
    return content


def encode_lenient(value: Any) -> bytes:
    """`encode_json` for what providers sent: a number that JSON cannot say (a logprob, say) becomes null."""
    try:
        return _encode(value)
    except (OverflowError, UnicodeEncodeError, msgspec.EncodeError):
        return json.dumps(_finite(value), separators=(",", ":")).encode()


def _may_be_infinite(value: Any) -> bool:
    """Whether a number that is not finite may be anywhere in it; False is certain."""
    try:
        packed = _pack(value)
    except (OverflowError, UnicodeEncodeError, msgspec.EncodeError):
        return True
    return _FLOAT in packed and _NOT_FINITE.search(packed) is not None


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
