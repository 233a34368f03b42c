"""Mistral's API as a dragoman provider, sent by the official `mistralai` SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, unquote

from dragoman.core import CompatibleProvider, async_lean_client, lean_client
from dragoman.mistralai import failures, response
from dragoman.mistralai.catalog import decode_model, decode_models
from dragoman.mistralai.embeddings import decode_embeddings, encode_embeddings
from dragoman.mistralai.messages import encode_messages
from dragoman.mistralai.request import fit_parameters
from dragoman.mistralai.senders import AsyncMistralSender, MistralSender
from dragoman.mistralai.stream import Reader

if TYPE_CHECKING:
    from dragoman.core import AsyncSender, Batches, Call, Json, Sender, StreamDecoder, Wire

_CHAT = "chat/completions"
_EMBEDDINGS = "embeddings"


class Mistral(CompatibleProvider):
    """https://docs.mistral.ai/api. `base_url` has no `/v1`; `sdk_options` are arguments of `mistralai.client.Mistral`.

    A ready client of the SDK serves both colours: given as `client` or as `async_client`, it is taken for both.
    """

    name = "mistralai"
    base_url = "https://api.mistral.ai"
    key_env: ClassVar[tuple[str, ...]] = ("MISTRAL_API_KEY",)
    absent: ClassVar = {
        "audio": "it answers in text",
        "function_call": "it has no such parameter; tool_choice is its successor",
        "functions": "it has no such parameter; tools is its successor",
        "logit_bias": "it has no such parameter",
        "modalities": "it answers in text",
        "moderation": "it has guardrails of its own (extra_body)",
        "prompt_cache_options": "it has prompt_cache_key only",
        "prompt_cache_retention": "it has prompt_cache_key only",
        "safety_identifier": "it asks for no user",
        "store": "it stores nothing",
        # Usage always comes; whether the caller sees it is core's business.
        "stream_options": "it always sends usage",
        "user": "it asks for no user",
        "verbosity": "it has no such parameter",
        "web_search_options": "its chat completions do not search",
    }
    renamed: ClassVar = {"max_completion_tokens": "max_tokens", "seed": "random_seed"}
    finish_reasons: ClassVar = {**CompatibleProvider.finish_reasons, "model_length": "length"}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.client = self.client or self.async_client
        self.async_client = self.async_client or self.client

    def normalise_base_url(self, url: str) -> str:
        """Drop the last slash, and the `/v1` that other vendors' addresses end with."""
        return super().normalise_base_url(url).removesuffix("/v1")

    def encode(self, call: Call) -> Wire:
        """OpenAI's request -> Mistral's; endpoints other than chat, embeddings and models pass as they are."""
        wire = super().encode(call)
        kind, _, rest = call.endpoint.partition("/")
        if call.endpoint == _EMBEDDINGS:
            wire.body = encode_embeddings(call)
        if kind == "models" and rest:
            # A model's own id may contain what a path may not.
            wire.path = f"/models/{quote(unquote(rest), safe='')}"
        wire.path = f"/v1{wire.path}"
        return wire

    def encode_chat(self, call: Call) -> Json:
        """Return the body of a chat request. Raises `InvalidRequest` for conversations that Mistral cannot take."""
        chat = super().encode_chat(call)
        fit_parameters(call, chat)
        chat["messages"] = encode_messages(call, zip(call.request["messages"], chat["messages"], strict=True))
        return chat

    def decode(self, call: Call, body: Json) -> Json:
        """Mistral's answer -> OpenAI's. Raises `VendorError` for an error that came with status 200."""
        failures.in_answer(body, self.decode_error)
        if call.endpoint == _CHAT:
            return response.release(super().decode(call, body))
        if call.endpoint == _EMBEDDINGS:
            return decode_embeddings(call, body)
        if call.endpoint == "moderations":
            return response.decode_moderations(body)
        if call.endpoint == "models":
            return decode_models(body)
        if call.endpoint.startswith("models/") and call.method == "GET":
            return decode_model(body)
        return body

    def decode_stream(self, call: Call) -> StreamDecoder | None:
        """Make the decoder of one stream."""
        inner = super().decode_stream(call)
        return Reader(inner, self.decode_error) if inner is not None else None

    def decode_choice(self, call: Call, choice: Json) -> Json:
        """Make text of content that is a list of chunks."""
        del call
        return response.flatten_choice(choice)

    def decode_usage(self, usage: Json) -> Json:
        """OpenAI's usage; audio counts as prompt."""
        return super().decode_usage(response.decode_usage(usage))

    def decode_error(self, status: int, body: Any) -> Json:
        """The body of a failure -> OpenAI's error object."""
        return failures.finish(super().decode_error(status, body), status)

    def sender(self) -> Sender:
        """Send through `client`, or through a `mistralai.client.Mistral` made from the settings."""
        if self.client is not None:
            return MistralSender(self.client, owned=False, name=self.name)
        lean = lean_client(_http_library().Client, follow_redirects=True)
        return MistralSender(self._make(client=lean), owned=True, name=self.name)

    def async_sender(self) -> AsyncSender:
        """Send through `async_client`, or through a `mistralai.client.Mistral` made from the settings."""
        if self.async_client is not None:
            return AsyncMistralSender(self.async_client, owned=False, name=self.name)
        lean = async_lean_client(_http_library().AsyncClient, follow_redirects=True)
        return AsyncMistralSender(self._make(async_client=lean), owned=True, name=self.name)

    def batches(self) -> Batches:
        """Make what runs files of requests as Mistral's batch jobs."""
        from dragoman.mistralai.batches import MistralBatches

        return MistralBatches(self)

    def headers(self, key: str) -> dict[str, str]:
        """The key is a bearer token."""
        return super().headers(key)

    def _make(self, **http_clients: Any) -> Any:
        from mistralai.client import Mistral as Client

        options = {**http_clients, **self.sdk_options}
        if self.base_url != type(self).base_url or "server" not in options:
            options.setdefault("server_url", self.base_url)
        if self.api_key:
            options.setdefault("api_key", self.api_key)
        return Client(**options)


def _http_library() -> Any:
    """Return the HTTP library that the SDK is built on: `httpx` or `httpx2`."""
    from mistralai.client import httpclient

    return vars(httpclient)["httpx"]
