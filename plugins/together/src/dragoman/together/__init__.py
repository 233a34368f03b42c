"""dragoman's Together provider: `together/moonshotai/Kimi-K2.6`, and whatever else Together AI serves."""

from dragoman.together.provider import Together

__all__ = ["Together"]
