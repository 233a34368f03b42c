"""OpenAI itself, and whatever speaks the same at another base URL; sent through the official SDK."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from dragoman.core import Call, Capabilities, Json, Provider, Wire
from dragoman.openai.request import encode_chat

if TYPE_CHECKING:
    from dragoman.core import Batches

_OWN_HOST = re.compile(r"(?:[\w-]+\.)?api\.openai\.com")
#: Endpoints that Azure serves per deployment: https://learn.microsoft.com/azure/ai-services/openai/reference
_AZURE_DEPLOYMENTS = frozenset({"audio/speech", "chat/completions", "completions", "embeddings", "images/generations"})
_TOOLS_NEED_NO_REASONING = re.compile(r"function tools.*reasoning|reasoning.*function tools", re.IGNORECASE)


class OpenAI(Provider):
    """https://platform.openai.com/docs/api-reference; requests and answers pass through as they are.

    `OpenAI(client=…)` takes a ready client of the SDK, `openai.AzureOpenAI` included.
    """

    name = "openai"
    base_url = "https://api.openai.com/v1"
    base_url_env: ClassVar = ("OPENAI_BASE_URL",)
    key_env: ClassVar = ("OPENAI_API_KEY",)

    def normalise_base_url(self, url: str) -> str:
        """Add the `/v1` that people leave out, where the server is OpenAI's or on this machine.

        Elsewhere a bare host may be meant as it is (some vendors have no `/v1`).
        """
        url = super().normalise_base_url(url)
        parts = urlsplit(url)
        if not parts.path and (_OWN_HOST.fullmatch(parts.hostname or "") or _is_local(parts.hostname or "")):
            return f"{url}/v1"
        return url

    def encode(self, call: Call) -> Wire:
        """Pass everything through, but for what OpenAI's models are known to refuse."""
        wire = super().encode(call)
        if call.endpoint == "chat/completions":
            wire.body = encode_chat(call, own_address=self._is_openai_itself())
        if call.endpoint in _AZURE_DEPLOYMENTS and self._is_azure():
            # Azure's client reads the deployment's name in the body, which reaches it as bytes only.
            wire.path = f"/deployments/{call.model}{wire.path}"
        return wire

    def decode_error(self, status: int, body: Any) -> Json:
        """OpenAI's own error object, with advice where its message leaves the reader alone."""
        error = super().decode_error(status, body)
        if _TOOLS_NEED_NO_REASONING.search(error["message"]):
            error["message"] += ' (pass reasoning_effort="none", or use client.responses)'
        return error

    def batches(self) -> Batches:
        """Make what runs files of requests through the batch API."""
        from dragoman.openai.batches import OpenAIBatches

        return OpenAIBatches(self)

    def narrow_capabilities(self, shown: Capabilities) -> Capabilities:
        """At another address may be anything: nothing is known of it."""
        return shown if self._is_openai_itself() else Capabilities()

    def _is_openai_itself(self) -> bool:
        if self.client is not None or self.async_client is not None or "provider" in self.sdk_options:
            return False
        return _OWN_HOST.fullmatch(urlsplit(self.base_url).hostname or "") is not None

    def _is_azure(self) -> bool:
        client = self.client or self.async_client
        azure = any(cls.__name__ == "BaseAzureClient" for cls in type(client).__mro__)
        return azure and "/deployments/" not in str(client.base_url)


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
