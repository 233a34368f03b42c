"""dragoman's Ollama provider: `ollama/llama3.2` and whatever else the server has pulled."""

from dragoman.ollama.provider import Ollama

__all__ = ["Ollama"]
