"""What can be set about the engine, in plain words; the defaults suit a laptop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

ReasoningFormat = Literal["auto", "none", "deepseek", "deepseek-legacy"]
Pooling = Literal["mean", "cls", "last"]


@dataclass(frozen=True)
class EngineOptions:
    """Options of one engine; engines are shared in the process by model and options.

    `context_size`: tokens that all running conversations share; 0: as many as the model was made for.
    `threads`: CPU threads; None: the engine decides. `gpu_layers`: layers on the GPU; None: as many as fit.
    `parallel`: conversations answered at the same time; further ones wait. `chat_template`: a Jinja template
    that replaces the model's own. `reasoning_format`: where thoughts go; all but "none" fill
    `reasoning_content`. `pooling`: how token vectors become one embedding; without it there are no embeddings.

    The names of llama.cpp's own options: https://github.com/ggml-org/llama.cpp/tree/master/tools/server
    """

    context_size: int = 8192
    threads: int | None = None
    gpu_layers: int | None = None
    parallel: int = 4
    chat_template: str | None = None
    reasoning_format: ReasoningFormat = "auto"
    pooling: Pooling | None = None


def encode_params(xllamacpp: Any, options: EngineOptions, *, alias: str, door_key: str) -> Any:
    """Write the options into the engine's own parameter object; the model is still to be named in it.

    The engine always opens a loopback port; `door_key` locks it, "" leaves it open.
    """
    params = xllamacpp.CommonParams()
    params.model_alias = {alias}
    params.n_ctx = options.context_size
    params.n_parallel = options.parallel
    # One pool for all conversations: a single long one may use the whole context.
    params.kv_unified = True
    if options.threads is not None:
        params.cpuparams.n_threads = options.threads
        params.cpuparams_batch.n_threads = options.threads
    if options.gpu_layers is not None:
        params.n_gpu_layers = options.gpu_layers
    if options.chat_template is not None:
        params.chat_template = options.chat_template
    name = options.reasoning_format.replace("-", "_").upper()
    params.reasoning_format = getattr(xllamacpp.common_reasoning_format, f"COMMON_REASONING_FORMAT_{name}")
    if options.pooling is not None:
        params.embedding = True
        params.pooling_type = getattr(xllamacpp.llama_pooling_type, f"LLAMA_POOLING_TYPE_{options.pooling.upper()}")
    params.use_jinja = True
    params.warmup = False
    # Nothing is printed: what goes wrong is in the answer.
    params.verbosity = -1
    # The engine would keep up to 8 GiB of old prompts.
    params.cache_ram_mib = 512
    params.n_threads_http = options.parallel + 2
    params.ui = False
    params.endpoint_slots = False
    params.endpoint_metrics = True
    if door_key:
        params.api_keys = [door_key]
    return params
