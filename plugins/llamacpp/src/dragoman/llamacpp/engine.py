"""Engines in this process: loaded once by model and options, and shared."""

from __future__ import annotations

import json
import os
import secrets
import threading
from typing import TYPE_CHECKING, Any

from dragoman.llamacpp.options import EngineOptions, encode_params
from dragoman.llamacpp.source import DEMO, EngineError, find_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.llamacpp.source import Source


class Engine:
    """One loaded model. Calls may come from several threads; the engine queues what exceeds its slots."""

    def __init__(self, model: str, options: EngineOptions, door_key: str = "") -> None:
        self.model = model
        self.options = options
        self._server = _load(model, options, door_key)

    @property
    def address(self) -> str:
        """`http://127.0.0.1:port`, where the engine's own server speaks OpenAI's and Anthropic's wire."""
        return str(self._server.listening_address)

    def answer(self, path: str, body: bytes, deliver: Callable[[bytes], bool]) -> None:
        """Answer one request; `deliver` takes each JSON text and returns whether to stop.

        Blocks until the last one, and raises what the engine raises.
        """
        if path == "/chat/completions":
            self._server.handle_chat_completions(body, deliver)
        elif path == "/completions":
            self._server.handle_completions(body, deliver)
        elif path == "/embeddings":
            deliver(self._embeddings(body))
        else:
            message = f"The engine has no {path} in this process; it has chat/completions, completions, embeddings."
            raise EngineError(404, message)

    def _embeddings(self, body: bytes) -> bytes:
        if self.options.pooling is None:
            message = "The model was loaded without embeddings; load it with LlamaCpp(pooling='mean')."
            raise EngineError(501, message, kind="not_supported_error")
        return json.dumps(self._server.handle_embeddings(json.loads(body))).encode()


def _load(model: str, options: EngineOptions, door_key: str) -> Any:
    source = find_source(model)
    import xllamacpp

    params = encode_params(xllamacpp, options, alias=model, door_key=door_key)
    # The engine checks that there is a path even where it takes the repository.
    params.model.path = source.path or source.repository
    if source.repository:
        params.model.hf_repo = source.repository
        params.hf_token = os.environ.get("HF_TOKEN", "")
    if model == DEMO and options.threads is None:
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as exception:
        raise EngineError(400, _why_not(model, source), code="model_not_found") from exception
    # An engine that is closed before its loop runs never ends; the answer to this shows that it runs.
    server.handle_metrics()
    return server


def _why_not(model: str, source: Source) -> str:
    if source.repository:
        return (
            f"llama.cpp could not load {model!r} from Hugging Face: is the name right, is it a GGUF repository, "
            "and can huggingface.co be reached?"
        )
    return (
        f"llama.cpp could not load {model!r}: the file may be cut short, made for another version, or too large "
        "for the memory (try a smaller context_size); a chat_template of yours may be wrong."
    )


class _Engines:
    """The process's engines, and who uses them."""

    def __init__(self) -> None:
        # Its own thread may enter it again: while a model is loaded, Python may collect a client, which lets go of its.
        self._lock = threading.RLock()
        self._engines: dict[tuple[str, EngineOptions], Engine] = {}
        self._users: dict[tuple[str, EngineOptions], set[int]] = {}

    def get(self, model: str, options: EngineOptions, user: object) -> Engine:
        """Return the engine, loaded if it is not; it stays until all its users have let it go."""
        key = (model, options)
        with self._lock:
            if key not in self._engines:
                self._engines[key] = Engine(model, options, door_key=secrets.token_urlsafe())
            self._users.setdefault(key, set()).add(id(user))
            return self._engines[key]

    def release(self, user: object) -> None:
        """Close the engines that nobody else uses; calls that are running are answered first."""
        with self._lock:
            for key, users in list(self._users.items()):
                users.discard(id(user))
                if not users:
                    self._engines.pop(key, None)
                    self._users.pop(key, None)

    def loaded(self) -> list[str]:
        """The models that are loaded."""
        return sorted({model for model, _ in self._engines})

    def close(self) -> None:
        """Close all engines."""
        with self._lock:
            self._engines.clear()
            self._users.clear()


engines = _Engines()
