"""dragoman's OpenAI provider: `openai/gpt-…`, and the default for any OpenAI-compatible base URL."""

from dragoman.openai.provider import OpenAI

__all__ = ["OpenAI"]
