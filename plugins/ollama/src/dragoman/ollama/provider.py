"""Ollama: the native API, or its own OpenAI endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal
from urllib.parse import unquote

from dragoman.core import Wire, async_http_sender, http_sender
from dragoman.ollama.address import read_host
from dragoman.ollama.catalog import decode_model, decode_models
from dragoman.ollama.compatible import OpenAIEndpoint
from dragoman.ollama.embeddings import decode_embeddings, encode_embeddings
from dragoman.ollama.extras import merge_extras
from dragoman.ollama.failures import advise
from dragoman.ollama.request import encode_chat
from dragoman.ollama.response import decode_chat
from dragoman.ollama.stream import ChatStream

if TYPE_CHECKING:
    from dragoman.core import AsyncSender, Call, Json, Sender, StreamDecoder

_CHAT = "chat/completions"


class Ollama(OpenAIEndpoint):
    """A server of Ollama's, on this machine or elsewhere: https://docs.ollama.com/api.

    `base_url` is the root of the server in any form that `OLLAMA_HOST` has, without `/v1` or `/api`. A key is for
    ollama.com, or for a gateway. With `openai_endpoint`, chats, embeddings and models go to Ollama's `/v1` instead of
    the native API; what neither has a translation for (`completions`, `responses`, `images`, …) goes there always.
    """

    name = "ollama"
    base_url = "http://127.0.0.1:11434"
    base_url_env: ClassVar[tuple[str, ...]] = ("OLLAMA_HOST",)
    key_env: ClassVar[tuple[str, ...]] = ("OLLAMA_API_KEY",)
    start: ClassVar[str] = "start it with `ollama serve`, or set OLLAMA_HOST"
    framing: Literal["sse", "ndjson"] = "ndjson"

    def __init__(
        self,
        *,
        name: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        openai_endpoint: bool = False,
        sender: Literal["sdk", "direct"] | None = None,
    ) -> None:
        super().__init__(name=name, base_url=base_url, api_key=api_key, sender=sender)
        self.openai_endpoint = openai_endpoint
        if openai_endpoint:
            self.framing = "sse"

    def normalise_base_url(self, url: str) -> str:
        """Read any form of `OLLAMA_HOST`; raises `InvalidRequest` for a port that is none."""
        return read_host(url)

    def encode(self, call: Call) -> Wire:
        """OpenAI's request -> Ollama's, in the interface that was chosen."""
        kind = self._native(call)
        if kind == "models":
            return Wire(path="/api/tags", method="GET")
        if kind == "model":
            return Wire(path="/api/show", body={"model": _model_of(call)})
        if kind == "chat":
            return Wire(path="/api/chat", body=encode_chat(call))
        if kind == "embeddings":
            return Wire(path="/api/embed", body=encode_embeddings(call))
        return super().encode(call)

    def merge_extra_body(self, body: Json, extra_body: Json) -> Json:
        """Put the caller's own parameters where Ollama looks for them: it passes over an option at the top."""
        return super().merge_extra_body(body, extra_body) if self.openai_endpoint else merge_extras(body, extra_body)

    def decode(self, call: Call, body: Json) -> Json:
        """Ollama's answer -> OpenAI's."""
        kind = self._native(call)
        if kind == "models":
            return decode_models(body)
        if kind == "model":
            return decode_model(_model_of(call), body)
        if kind == "chat":
            return decode_chat(call, body)
        if kind == "embeddings":
            return decode_embeddings(call, body)
        return super().decode(call, body)

    def decode_stream(self, call: Call) -> StreamDecoder | None:
        """Make the decoder of one stream."""
        return super().decode_stream(call) if self.openai_endpoint else ChatStream(call, self.decode_error)

    def decode_error(self, status: int, body: Any) -> Json:
        """OpenAI's error object, with advice."""
        return advise(status, super().decode_error(status, body))

    def sender(self) -> Sender:
        """Send over plain HTTP: there is no SDK in between."""
        return http_sender(self.base_url, self._headers)

    def async_sender(self) -> AsyncSender:
        """`sender` for the asynchronous side."""
        return async_http_sender(self.base_url, self._headers)

    def headers(self, key: str) -> dict[str, str]:
        """The key is a bearer token."""
        return super().headers(key)

    def _headers(self, call: Call) -> dict[str, str]:
        return self.headers(call.api_key or self.api_key or "")

    def _native(self, call: Call) -> Literal["chat", "embeddings", "model", "models"] | None:
        """Which part of the native API answers the call; None: the OpenAI endpoint does."""
        asked = None if self.openai_endpoint else (call.method, call.endpoint)
        if asked == ("POST", _CHAT):
            return "chat"
        if asked == ("POST", "embeddings"):
            return "embeddings"
        if asked == ("GET", "models"):
            return "models"
        return "model" if asked and call.method == "GET" and call.endpoint.startswith("models/") else None


def _model_of(call: Call) -> str:
    return unquote(call.endpoint.removeprefix("models/"))
