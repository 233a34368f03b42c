"""What can be set about the engine, in plain words; the defaults suit a laptop."""

from __future__ import annotations

import difflib
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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

    def __post_init__(self) -> None:
        """Raise `ConfigError` for what the engine could not take."""
        _check_number("context_size", self.context_size, least=0)
        _check_number("parallel", self.parallel, least=1)
        if self.threads is not None:
            _check_number("threads", self.threads, least=1)
        if self.gpu_layers is not None:
            _check_number("gpu_layers", self.gpu_layers)
        if self.chat_template is not None and not isinstance(self.chat_template, str):
            _refuse("chat_template", "must be a text, or None", self.chat_template)
        _check_word("reasoning_format", self.reasoning_format, get_args(ReasoningFormat))
        _check_word("pooling", self.pooling, (*get_args(Pooling), None))


def check_names(given: Iterable[str], *takers: Callable[..., Any]) -> None:
    """Raise `ConfigError` for options that are no parameters of the functions that take them."""
    from dragoman.core import ConfigError

    names = {name for taker in takers for name in inspect.signature(taker).parameters} - {"self", "options"}
    for name in given:
        if name not in names:
            close = difflib.get_close_matches(name, names, 1)
            advice = f"did you mean {close[0]}?" if close else "see EngineOptions for the engine's"
            message = f"llamacpp has no option {name}; {advice}"
            raise ConfigError(message, key=name)


def _check_number(name: str, value: Any, *, least: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or (least is not None and value < least):
        _refuse(name, "must be a whole number" + (f", {least} or more" if least is not None else ""), value)


def _check_word(name: str, value: Any, words: tuple[str | None, ...]) -> None:
    if value not in words:
        _refuse(name, f"must be one of {', '.join(map(repr, words))}", value)


def _refuse(name: str, must: str, value: Any) -> NoReturn:
    from dragoman.core import ConfigError

    message = f"llamacpp: {name} {must}, not {value!r}"
    raise ConfigError(message, key=name)


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
