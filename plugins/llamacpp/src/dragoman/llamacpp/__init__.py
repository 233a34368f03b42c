"""llama.cpp for dragoman: GGUF models in this process, or a llama.cpp server when a base URL is given."""

from __future__ import annotations

from dragoman.llamacpp.options import EngineOptions
from dragoman.llamacpp.provider import LlamaCpp
from dragoman.llamacpp.rehearsal import demo_model_path
from dragoman.llamacpp.serving import serve
from dragoman.llamacpp.source import EngineError

__all__ = ["EngineError", "EngineOptions", "LlamaCpp", "demo_model_path", "serve"]
