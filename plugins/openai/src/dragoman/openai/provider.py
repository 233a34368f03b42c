"""OpenAI itself: the contract's defaults, sent through the official SDK."""

from __future__ import annotations

from typing import ClassVar

from dragoman.core import Provider


class OpenAI(Provider):
    """https://platform.openai.com/docs/api-reference, and whatever speaks the same at another `base_url`."""

    name = "openai"
    base_url = "https://api.openai.com/v1"
    base_url_env: ClassVar = ("OPENAI_BASE_URL",)
    key_env: ClassVar = ("OPENAI_API_KEY",)
