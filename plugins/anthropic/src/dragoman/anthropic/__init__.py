"""dragoman's Anthropic provider."""

from dragoman.anthropic.provider import Anthropic

__all__ = ["Anthropic"]
