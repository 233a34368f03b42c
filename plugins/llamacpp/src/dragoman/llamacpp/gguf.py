"""Write GGUF files: the header, metadata and 32-bit float tensors, with the standard library alone.

Source: the format's specification, https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence

#: A metadata value: text, a whole number (32 bits), a float (32 bits), a truth value, or a list of one of these.
Value = str | int | float | bool | Sequence[str] | Sequence[int]
#: A tensor: its shape, fastest dimension first as GGUF counts, and its numbers.
Tensor = tuple[tuple[int, ...], Iterable[float]]

_VERSION = 3
_ALIGNMENT = 32
_FLOAT32_TENSOR = 0
# The specification's numbers for the types of metadata values.
_UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9


def encode_gguf(metadata: Mapping[str, Value], tensors: Mapping[str, Tensor]) -> bytes:
    """Return a whole GGUF file (version 3, little-endian, all tensors F32)."""
    head = [b"GGUF", struct.pack("<IQQ", _VERSION, len(tensors), len(metadata))]
    head += [_string(key) + _typed(value) for key, value in metadata.items()]
    data: list[bytes] = []
    offset = 0
    for name, (shape, numbers) in tensors.items():
        raw = _padded(_floats(numbers))
        head.append(_string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, _FLOAT32_TENSOR, offset))
        data.append(raw)
        offset += len(raw)
    return _padded(b"".join(head)) + b"".join(data)


def _string(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _typed(value: Value) -> bytes:
    if isinstance(value, Sequence) and not isinstance(value, str):
        kind = _STRING if value and isinstance(value[0], str) else _INT32
        items = b"".join(_string(item) if isinstance(item, str) else struct.pack("<i", item) for item in value)
        return struct.pack("<IIQ", _ARRAY, kind, len(value)) + items
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + _string(value)
    # A bool is an int in Python, so it is asked for first.
    if isinstance(value, bool):
        return struct.pack("<I?", _BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", _UINT32, value)
    return struct.pack("<If", _FLOAT32, value)


def _floats(numbers: Iterable[float]) -> bytes:
    values = array("f", numbers)
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def _padded(raw: bytes) -> bytes:
    return raw + bytes(-len(raw) % _ALIGNMENT)
