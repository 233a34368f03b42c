"""dragoman's LiteLLM provider: `litellm/<alias>`, at a LiteLLM proxy."""

from dragoman.litellm.provider import LiteLLM

__all__ = ["LiteLLM"]
