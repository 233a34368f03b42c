"""The file format, read back with its makers' own reader where that is installed."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from dragoman.llamacpp.gguf import encode_gguf

if TYPE_CHECKING:
    from pathlib import Path

    from dragoman.llamacpp.gguf import Value


def test_the_head_counts_tensors_and_metadata() -> None:
    raw = encode_gguf({"a": 1, "b": True, "c": "x"}, {"t": ((2,), [1.0, 2.0]), "u": ((1,), [3.0])})
    assert raw[:4] == b"GGUF"
    assert struct.unpack("<IQQ", raw[4:24]) == (3, 2, 3)


def test_data_begin_at_a_multiple_of_32_and_each_tensor_too() -> None:
    raw = encode_gguf({"a": "odd"}, {"t": ((1,), [1.5]), "u": ((1,), [2.5])})
    assert len(raw) % 32 == 0
    assert struct.unpack("<f", raw[-64:-60]) == (1.5,)
    assert struct.unpack("<f", raw[-32:-28]) == (2.5,)


def test_the_makers_reader_reads_it(tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf", reason="the gguf package reads the file back; it is not installed")
    file = tmp_path / "x.gguf"
    metadata: dict[str, Value] = {
        "whole": 7,
        "part": 0.5,
        "no": False,
        "text": "é",
        "words": ["a", "b"],
        "numbers": [1, -2],
    }
    file.write_bytes(encode_gguf(metadata, {"t": ((2, 3), [float(n) for n in range(6)])}))
    reader = gguf.GGUFReader(file)
    assert {name: reader.fields[name].contents() for name in metadata} == metadata
    (tensor,) = reader.tensors
    assert tensor.name == "t"
    assert tensor.data.tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
