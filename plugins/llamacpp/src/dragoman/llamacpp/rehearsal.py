"""The rehearsal model: a real GGUF whose answers are written by its chat template.

The template (`rehearsal.jinja`) looks at the conversation and writes a script into the prompt, padded to
exactly `REACH` tokens. The network is one transformer layer with one attention head that looks exactly
`REACH` tokens back and repeats what it finds there, so the generated text is the script. Tokenizer,
template engine, sampler, tool-call parser and streaming are the engine's own: only the intelligence is
missing.

How the head looks back: query and key are constant vectors, so after the rotary embedding their product
depends on the distance alone; the query is turned beforehand by `REACH` positions, which puts the peak
there. A token's value is a two-hot code (high and low half of its number), written to channels that only
the output matrix reads.
"""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.llamacpp.gguf import encode_gguf

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dragoman.llamacpp.gguf import Tensor, Value

#: How many tokens the model looks back; also the longest script, in bytes.
REACH = 1024
#: Size of the context that the file claims to be made for.
CONTEXT = 65536

_WIDTH = 128
_FFN_WIDTH = 32
_ROPE_BASE = 10000.0
# Slow rotations do not tell neighbours apart, so only the quick half of the pairs takes part.
_ROPE_PAIRS = 32
# Large enough that softmax gives the peak everything, small enough for 16-bit keys.
_QUERY_SIZE = 24.0
_KEY_SIZE = 8.0
# Far above what temperature, penalties and logit_bias can add up to.
_LOGIT_SIZE = 200.0

# Channels: one constant, the code of the token that was read, the code of the token to write.
_COLUMNS = 16
_ROWS = 24
_READ = 1
_WRITE = _READ + _ROWS + _COLUMNS

_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|script|>", "<|pad|>")
# Whole tokens, as in real models: an answer that is cut ends before or behind a marker.
_MARKERS = ("<think>", "</think>", "<tool_call>", "</tool_call>")
_NORMAL_TOKEN, _CONTROL_TOKEN, _OWN_TOKEN = 1, 3, 4


def demo_model_path() -> Path:
    """Return the rehearsal model's file, written on first use (0.6 MB, a few milliseconds).

    It lies in `$XDG_CACHE_HOME/dragoman` or `~/.cache/dragoman`, or in the temporary folder where that
    cannot be written. Its name holds a hash of its bytes, so a changed model never meets an old file.
    """
    raw = build()
    name = f"rehearsal-{hashlib.sha256(raw).hexdigest()[:16]}.gguf"
    for folder in _folders():
        path = folder / name
        try:
            if not (path.is_file() and path.stat().st_size == len(raw)):
                _write(path, raw)
        except OSError:
            continue
        return path
    msg = "The rehearsal model cannot be written: set XDG_CACHE_HOME to a folder that can be written."
    raise OSError(msg)


def _folders() -> Iterator[Path]:
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    yield Path(home) / "dragoman"
    yield Path(tempfile.gettempdir()) / f"dragoman-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


def _write(path: Path, raw: bytes) -> None:
    """Write beside the target and rename: another process sees the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


@cache
def build() -> bytes:
    """Return the model as the bytes of a GGUF file; always the same bytes."""
    return encode_gguf(_metadata(), _tensors())


def _metadata() -> dict[str, Value]:
    tokens = [*_byte_tokens(), *_SPECIAL, *_MARKERS]
    kinds = [_NORMAL_TOKEN] * 256 + [_CONTROL_TOKEN] * len(_SPECIAL) + [_OWN_TOKEN] * len(_MARKERS)
    template = Path(__file__).with_name("rehearsal.jinja").read_text(encoding="utf-8")
    return {
        "general.architecture": "llama",
        "general.name": "dragoman rehearsal",
        "general.file_type": 0,
        "llama.context_length": CONTEXT,
        "llama.embedding_length": _WIDTH,
        "llama.block_count": 1,
        "llama.feed_forward_length": _FFN_WIDTH,
        "llama.attention.head_count": 1,
        "llama.attention.head_count_kv": 1,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.dimension_count": _WIDTH,
        "llama.rope.freq_base": _ROPE_BASE,
        "llama.vocab_size": len(tokens),
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds,
        # The engine wants at least one merge; this one has no token, so each byte stays one token.
        "tokenizer.ggml.merges": [f"{tokens[0]} {tokens[0]}"],
        "tokenizer.ggml.bos_token_id": tokens.index("<|endoftext|>"),
        "tokenizer.ggml.eos_token_id": tokens.index("<|im_end|>"),
        "tokenizer.ggml.padding_token_id": tokens.index("<|pad|>"),
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.chat_template": template.replace("@REACH@", str(REACH)),
    }


def _byte_tokens() -> list[str]:
    """GPT-2's printable stand-ins for the 256 bytes, in the order of the bytes."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    hidden = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(hidden)) for byte in range(256)]


def _tensors() -> dict[str, Tensor]:
    vocabulary = 256 + len(_SPECIAL) + len(_MARKERS)
    ones = [1.0] * _WIDTH
    idle = [0.0] * (_WIDTH * _FFN_WIDTH)
    return {
        "token_embd.weight": ((_WIDTH, vocabulary), _code_rows(vocabulary, _READ, 1.0, constant=1.0)),
        "output_norm.weight": ((_WIDTH,), ones),
        "output.weight": ((_WIDTH, vocabulary), _code_rows(vocabulary, _WRITE, _LOGIT_SIZE)),
        "blk.0.attn_norm.weight": ((_WIDTH,), ones),
        "blk.0.attn_q.weight": ((_WIDTH, _WIDTH), _constant_vector(_QUERY_SIZE, REACH)),
        "blk.0.attn_k.weight": ((_WIDTH, _WIDTH), _constant_vector(_KEY_SIZE, 0)),
        "blk.0.attn_v.weight": ((_WIDTH, _WIDTH), _shift(_READ, _READ)),
        "blk.0.attn_output.weight": ((_WIDTH, _WIDTH), _shift(_WRITE, _READ)),
        "blk.0.ffn_norm.weight": ((_WIDTH,), ones),
        "blk.0.ffn_gate.weight": ((_WIDTH, _FFN_WIDTH), idle),
        "blk.0.ffn_up.weight": ((_WIDTH, _FFN_WIDTH), idle),
        "blk.0.ffn_down.weight": ((_FFN_WIDTH, _WIDTH), idle),
    }


def _code_rows(vocabulary: int, start: int, size: float, constant: float = 0.0) -> list[float]:
    """One row for each token: its two-hot code, from channel `start` on."""
    weights = [0.0] * (vocabulary * _WIDTH)
    for token in range(vocabulary):
        row = token * _WIDTH
        weights[row] = constant
        weights[row + start + token // _COLUMNS] = size
        weights[row + start + _ROWS + token % _COLUMNS] = size
    return weights


def _constant_vector(size: float, turned_back: int) -> list[float]:
    """Make a matrix that maps the constant channel to a vector, turned back by so many positions."""
    weights = [0.0] * (_WIDTH * _WIDTH)
    for pair in range(_ROPE_PAIRS):
        angle = -turned_back * _ROPE_BASE ** (-2 * pair / _WIDTH)
        weights[2 * pair * _WIDTH] = size * math.cos(angle)
        weights[(2 * pair + 1) * _WIDTH] = size * math.sin(angle)
    return weights


def _shift(to: int, source: int) -> list[float]:
    """Make a matrix that copies a code from the channels at `source` to those at `to`."""
    weights = [0.0] * (_WIDTH * _WIDTH)
    for channel in range(_ROWS + _COLUMNS):
        weights[(to + channel) * _WIDTH + source + channel] = 1.0
    return weights
