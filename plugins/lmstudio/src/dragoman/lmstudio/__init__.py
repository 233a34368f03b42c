"""dragoman's LM Studio provider: `lmstudio/<model>`, at LM Studio's local server."""

from dragoman.lmstudio.provider import LMStudio

__all__ = ["LMStudio"]
