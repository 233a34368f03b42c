"""Together AI as a dragoman provider, sent by the official `together` SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dragoman.core import CompatibleProvider, InvalidRequest, async_lean_client, lean_client, unsupported
from dragoman.together.embeddings import decode_embeddings, encode_embeddings
from dragoman.together.request import ABSENT, fit_chat, fit_stop
from dragoman.together.response import decode_choice, decode_completion, decode_models, name_error
from dragoman.together.senders import NO_KEY, AsyncTogetherSender, TogetherSender, root_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.core import AsyncSender, Batches, Call, Json, Sender, Wire


class Together(CompatibleProvider):
    """https://docs.together.ai/docs/inference/openai-compatibility; `sdk_options` are arguments of `together.Together`.

    `Together(client=…)` takes a ready client of the SDK. Images are left out of the endpoints: sizes, formats and
    answers are not OpenAI's there.
    """

    name = "together"
    base_url = "https://api.together.ai/v1"
    base_url_env: ClassVar[tuple[str, ...]] = ("TOGETHER_BASE_URL",)
    key_env: ClassVar[tuple[str, ...]] = ("TOGETHER_API_KEY",)
    endpoints: ClassVar[frozenset[str] | None] = frozenset(
        {"audio", "chat", "completions", "embeddings", "models", "responses"}
    )
    absent: ClassVar[Mapping[str, str]] = ABSENT
    renamed: ClassVar[Mapping[str, str]] = {"max_completion_tokens": "max_tokens"}
    # Which of the two a model's template reads is not documented; both are in the reference.
    reasoning_keys: ClassVar[tuple[str, ...]] = ("reasoning", "reasoning_content")
    own_parameters: ClassVar[frozenset[str]] = frozenset({"top_k"})

    def encode(self, call: Call) -> Wire:
        """OpenAI's request -> Together's; audio, models and responses are OpenAI's own."""
        wire = super().encode(call)
        if call.endpoint == "embeddings":
            wire.body = encode_embeddings(call)
        elif call.endpoint == "completions":
            wire.body = self.encode_completion(call)
        return wire

    def encode_chat(self, call: Call) -> Json:
        """Return the body of a chat request."""
        return fit_chat(call, super().encode_chat(call))

    def encode_completion(self, call: Call) -> Json:
        """Return the body of a request for a text completion."""
        body = {key: value for key, value in call.request.items() if value is not None}
        fit_stop(body)
        for param, default in (("best_of", 1), ("suffix", "")):
            if body.get(param, default) != default:
                unsupported(call, param, body[param], reason="Together's completions have no such parameter")
            body.pop(param, None)
        return body

    def decode(self, call: Call, body: Json) -> Json:
        """Together's answer -> OpenAI's."""
        if call.endpoint == "embeddings":
            return decode_embeddings(call, body)
        if call.endpoint == "models":
            return decode_models(body)
        if call.endpoint == "completions":
            found = decode_completion(call, body, self.finish_reasons)
            return {**found, "usage": self.decode_usage(body["usage"])} if body.get("usage") else found
        return super().decode(call, body)

    def decode_choice(self, call: Call, choice: Json) -> Json:
        """Put log probabilities in OpenAI's words, and leave out copies of the text."""
        return decode_choice(call, choice)

    def decode_error(self, status: int, body: Any) -> Json:
        """The body of a failure -> OpenAI's error object, with OpenAI's codes."""
        return name_error(status, super().decode_error(status, body))

    def sender(self) -> Sender:
        """Send through `client`, or through a `together.Together` made from the settings."""
        import together

        if self.client is not None:
            return TogetherSender(self.client, root_of(self.client, together))
        client, keyless = self._make(together, together.Together, lean_client, together.DefaultHttpxClient)
        return TogetherSender(client, keyless=keyless)

    def async_sender(self) -> AsyncSender:
        """Send through `async_client`, or through a `together.AsyncTogether` made from the settings."""
        import together

        if self.async_client is not None:
            return AsyncTogetherSender(self.async_client, root_of(self.async_client, together))
        http_class = together.DefaultAsyncHttpxClient
        client, keyless = self._make(together, together.AsyncTogether, async_lean_client, http_class)
        return AsyncTogetherSender(client, keyless=keyless)

    def batches(self) -> Batches:
        """Make what runs files of requests through Together's batch API."""
        from dragoman.together.batches import TogetherBatches

        return TogetherBatches(self)

    def headers(self, key: str) -> dict[str, str]:
        """The key is a bearer token."""
        return super().headers(key)

    def _make(self, sdk: Any, client_class: Any, lean: Any, http_class: Any) -> tuple[Any, bool]:
        """Return a client of the SDK, and whether it has to do without a key of its own."""
        options = {**self.sdk_options, "base_url": self.base_url}
        options["http_client"] = options.get("http_client") or lean(http_class)
        try:
            # Without a key of ours the SDK looks for one in places of its own.
            client = client_class(api_key=self.api_key, **options)
        except sdk.TogetherError:
            return client_class(api_key=NO_KEY, **options), True
        if not (client.api_key.isascii() and client.api_key.isprintable()):
            # The HTTP library's own error would quote the key.
            message = "the key for Together has a character that HTTP does not allow (a line break?)"
            raise InvalidRequest(message)
        return client, not client.api_key.strip()
