"""dragoman's Hugging Face provider: `huggingface/<org>/<model>`, by whichever inference provider serves it."""

from dragoman.huggingface.provider import HuggingFace

__all__ = ["HuggingFace"]
