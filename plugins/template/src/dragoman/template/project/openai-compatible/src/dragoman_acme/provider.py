"""Acme speaks OpenAI's wire, with an accent: what differs stands in tables."""

from typing import ClassVar

from dragoman.core import CompatibleProvider


class Acme(CompatibleProvider):
    """Acme's chat API, as its documentation has it (put the address of yours here)."""

    name = "acme"
    base_url = "https://api.acme.example/v1"
    base_url_env: ClassVar = ("ACME_BASE_URL",)
    key_env: ClassVar = ("ACME_API_KEY",)
    #: What Acme refuses, or takes without any effect -> why, in words for the user.
    absent: ClassVar = {"logit_bias": "Acme takes it without any effect"}
    #: Acme's finish reasons -> OpenAI's, where they differ.
    finish_reasons: ClassVar = {"finished": "stop", "out_of_tokens": "length"}
