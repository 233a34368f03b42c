"""JSON in and out: msgspec where it can, the standard library where it cannot."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection

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


def encode_json(value: Any, finite: Collection[str] = ()) -> bytes:
    """Encode as compact UTF-8 JSON, key order kept; raises ValueError or TypeError for what JSON cannot say.

    `finite` are keys of an object whose values were looked at already: there is no number in them that is not finite.
    """
    content = encode_lenient(value)
    # msgspec writes null where the number is not finite; such a null must not reach a provider unseen.
    doubtful = {key: item for key, item in value.items() if key not in finite} if finite else value
    if not is_finite(doubtful):
        _refuse_infinite(doubtful, "")
    return content


def encode_lenient(value: Any) -> bytes:
    """`encode_json` for what providers sent: a number that JSON cannot say (a logprob, say) becomes null."""
    try:
        return _encode(value)
    except (OverflowError, UnicodeEncodeError, msgspec.EncodeError):
        return json.dumps(_finite(value), separators=(",", ":")).encode()


def is_finite(value: Any) -> bool:
    """Whether all numbers in it are certainly finite.

    To pack it all again takes less time than to look for a null in JSON, which may stand in any text, too.
    """
    try:
        packed = _pack(value)
    except (OverflowError, UnicodeEncodeError, msgspec.EncodeError):
        return False
    return _FLOAT not in packed or _NOT_FINITE.search(packed) is None


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
