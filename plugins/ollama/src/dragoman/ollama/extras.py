"""Ollama's own parameters, as the caller writes them in `extra_body`.

Ollama takes some at the top of the request and most in its `options`, and passes over a key in the wrong place without
a word. So each may be written by its own name, and lands where Ollama looks for it.
Source: https://docs.ollama.com/modelfile#valid-parameters-and-values, and `Options` in Ollama's api/types.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core import InvalidRequest

if TYPE_CHECKING:
    from dragoman.core import Json

#: Names that belong in `options`. Others stay where the caller wrote them: `options` itself takes any.
OPTIONS = frozenset(
    {
        "draft_num_predict",
        "frequency_penalty",
        "low_vram",
        "main_gpu",
        "min_p",
        "mirostat",
        "mirostat_eta",
        "mirostat_tau",
        "num_batch",
        "num_ctx",
        "num_gpu",
        "num_keep",
        "num_predict",
        "num_thread",
        "numa",
        "penalize_newline",
        "presence_penalty",
        "repeat_last_n",
        "repeat_penalty",
        "seed",
        "stop",
        "temperature",
        "tfs_z",
        "top_k",
        "top_p",
        "typical_p",
        "use_mlock",
        "use_mmap",
        "vocab_only",
    }
)


def merge_extras(body: Json, extras: Json) -> Json:
    """Return the body with the caller's own keys in their places; neither argument is changed.

    The caller's keys win over the translation, and `options` wins over a bare name. Raises `InvalidRequest` for
    `options` that are no object.
    """
    given = extras.get("options") or {}
    if not isinstance(given, dict):
        msg = f"options is a {type(given).__name__}. Send an object, such as {{'num_ctx': 8192}}."
        raise InvalidRequest(msg)
    bare = {name: value for name, value in extras.items() if name in OPTIONS}
    rest = {name: value for name, value in extras.items() if name not in OPTIONS and name != "options"}
    options = {**(body.get("options") or {}), **bare, **given}
    merged = {**body, **rest}
    return {**merged, "options": options} if options else merged
