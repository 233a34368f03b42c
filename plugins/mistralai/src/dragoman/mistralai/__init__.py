"""dragoman's Mistral provider."""

from dragoman.mistralai.provider import Mistral

__all__ = ["Mistral"]
