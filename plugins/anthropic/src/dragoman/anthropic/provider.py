"""Anthropic's Messages API as a dragoman provider, sent by the official `anthropic` SDK."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, unquote

from dragoman.anthropic.catalog import decode_model, decode_models
from dragoman.anthropic.failures import decode_error, vendor_error
from dragoman.anthropic.models import facts_of, merge_capabilities
from dragoman.anthropic.request import encode_count_tokens, encode_request
from dragoman.anthropic.response import decode_message
from dragoman.anthropic.stream import MessageDecoder
from dragoman.core import (
    InvalidRequest,
    MissingKey,
    Provider,
    Wire,
    async_lean_client,
    async_sdk_sender,
    lean_client,
    sdk_sender,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.anthropic.models import ModelFacts
    from dragoman.core import AsyncReply, AsyncSender, Batches, Call, Json, Reply, Sender

CHAT = "chat/completions"
COUNT_TOKENS = "chat/completions/count_tokens"
MESSAGES = "messages"

#: Arguments of the SDK's constructor that name a credential; it refuses more than one of them.
_CREDENTIALS = frozenset({"auth_token", "config", "credentials", "profile"})

#: Every server of this wire knows it; the newer one, which SDKs send from their version 2 on, only takes less.
_VERSION = "2023-06-01"

_NO_KEY = (
    "there is no usable credential for Anthropic: set ANTHROPIC_API_KEY (or ANTHROPIC_AUTH_TOKEN), or pass api_key="
)


class Anthropic(Provider):
    """Claude. `base_url` has no `/v1`; `sdk_options` are arguments of `anthropic.Anthropic`.

    Without a key the SDK looks for its other credentials: ANTHROPIC_AUTH_TOKEN, a profile, a workload identity.
    `model_facts` maps a model's id to fields of `ModelFacts` that win over everything else that is known about it:
    what the Models API said, if it was asked through this provider, and the table that comes with this package.
    """

    name = "anthropic"
    base_url = "https://api.anthropic.com"
    base_url_env: ClassVar[tuple[str, ...]] = ("ANTHROPIC_BASE_URL",)
    key_env: ClassVar[tuple[str, ...]] = ("ANTHROPIC_API_KEY",)
    endpoints: ClassVar[frozenset[str] | None] = frozenset({"chat", "messages", "models"})

    def __init__(self, *, model_facts: Mapping[str, Mapping[str, Any]] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._model_facts = dict(model_facts or {})
        self._asked: dict[str, Json] = {}

    def facts_of(self, model: str) -> ModelFacts:
        """What is known about a model: from the caller, from the Models API, from the table, in this order."""
        facts = facts_of(model)
        if model in self._asked:
            facts = merge_capabilities(facts, self._asked[model])
        given = self._model_facts.get(model)
        return replace(facts, **given) if given else facts

    def normalise_base_url(self, url: str) -> str:
        """Drop the last slash, and the `/v1` that other vendors' addresses end with."""
        return url.rstrip("/").removesuffix("/v1").rstrip("/")

    def encode(self, call: Call) -> Wire:
        """OpenAI's request -> Anthropic's; one to `messages` is Anthropic's already, and goes as it is.

        Raises `InvalidRequest` for an endpoint that Anthropic does not have.
        """
        kind, _, rest = call.endpoint.partition("/")
        if kind == MESSAGES and call.method == "POST":
            return Wire(path=f"/v1/{call.endpoint}", body=call.request)
        if call.endpoint == CHAT and call.method == "POST":
            return encode_request(call, self.facts_of)
        if call.endpoint == COUNT_TOKENS and call.method == "POST":
            return encode_count_tokens(call, self.facts_of)
        if kind == "models" and call.method == "GET":
            # A model's own id may contain what a path may not.
            path = f"/v1/models/{quote(unquote(rest), safe='')}" if rest else "/v1/models?limit=1000"
            return Wire(path=path, method="GET")
        message = f"{call.provider} has nothing like {call.method} {call.endpoint}; it has chat completions and models"
        raise InvalidRequest(message)

    def decode(self, call: Call, body: Json) -> Json:
        """Anthropic's answer -> OpenAI's. Raises `VendorError` for an error that came with status 200."""
        if body.get("type") == "error":
            raise vendor_error(body)
        if call.endpoint.partition("/")[0] == MESSAGES:
            return body
        if call.endpoint == COUNT_TOKENS:
            return {"object": "chat.completion.token_count", "input_tokens": body["input_tokens"]}
        if call.endpoint == "models":
            self._asked |= {entry["id"]: entry for entry in body["data"]}
            return decode_models(call, body)
        if call.endpoint.startswith("models/"):
            self._asked[body["id"]] = body
            return decode_model(body)
        return decode_message(call, body, self.facts_of)

    def decode_stream(self, call: Call) -> MessageDecoder:
        """Make the decoder of one stream."""
        return MessageDecoder(call, self.facts_of)

    def decode_error(self, status: int, body: Any) -> Json:
        """The body of a failure -> OpenAI's error object."""
        return decode_error(status, body)

    def sender(self) -> Sender:
        """Send through `client`, or through an `anthropic.Anthropic` made from the settings."""
        if self.client is not None:
            return sdk_sender(self.client)
        import anthropic

        return _Keyed(self._make(anthropic, anthropic.Anthropic, lean_client, anthropic.DefaultHttpxClient))

    def async_sender(self) -> AsyncSender:
        """Send through `async_client`, or through an `anthropic.AsyncAnthropic` made from the settings."""
        if self.async_client is not None:
            return async_sdk_sender(self.async_client)
        import anthropic

        http_class = anthropic.DefaultAsyncHttpxClient
        return _AsyncKeyed(self._make(anthropic, anthropic.AsyncAnthropic, async_lean_client, http_class))

    def batches(self) -> Batches:
        """Make what runs files of requests as message batches."""
        from dragoman.anthropic.batches import AnthropicBatches

        return AnthropicBatches(self)

    def headers(self, key: str) -> dict[str, str]:
        """The key in a header of Anthropic's own, and the version of the API: https://docs.claude.com/en/api/versioning."""
        return {"anthropic-version": _VERSION, **({"x-api-key": key} if key else {})}

    def _make(self, sdk: Any, client_class: Any, lean: Any, http_class: Any) -> Any:
        options = dict(self.sdk_options)
        options["http_client"] = options.get("http_client") or lean(http_class)
        if self.api_key and _CREDENTIALS.isdisjoint(options):
            options["api_key"] = self.api_key
        # A profile may have an address of its own, which the SDK takes only if none is given.
        if self.base_url != type(self).base_url or any(os.environ.get(name) for name in self.base_url_env):
            options["base_url"] = self.base_url
        try:
            return client_class(**options)
        except getattr(sdk, "CredentialsError", ()) as exception:
            raise MissingKey(_NO_KEY) from exception


def _lacks_key(client: Any, exception: Exception) -> bool:
    """Whether the SDK failed for want of a credential; before its version 1 it has one error for that only."""
    if type(exception).__name__ == "CredentialsError":
        return True
    held = (getattr(client, name, None) for name in ("api_key", "auth_token", "credentials"))
    return isinstance(exception, TypeError) and not any(held)


class _Keyed:
    """A sender that says in our words that there is no key: the SDK notices when it sends."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._sender = sdk_sender(client)

    def send(self, call: Call, wire: Wire) -> Reply:
        try:
            return self._sender.send(call, wire)
        except Exception as exception:
            if _lacks_key(self._client, exception):
                raise MissingKey(_NO_KEY) from exception
            raise

    def close(self) -> None:
        self._sender.close()


class _AsyncKeyed:
    """`_Keyed` for the asynchronous side."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._sender = async_sdk_sender(client)

    async def send(self, call: Call, wire: Wire) -> AsyncReply:
        try:
            return await self._sender.send(call, wire)
        except Exception as exception:
            if _lacks_key(self._client, exception):
                raise MissingKey(_NO_KEY) from exception
            raise

    async def close(self) -> None:
        await self._sender.close()
