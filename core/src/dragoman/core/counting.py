"""Counting a prompt's tokens before it is sent, in the SDK's own style.

`client.chat.completions.input_tokens.count(model=…, messages=…, tools=…)` is to chat completions what the SDK's
`client.responses.input_tokens.count(…)` is to responses. The provider counts; nothing is estimated here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.core.arguments import check_arguments

if TYPE_CHECKING:
    from dragoman.core.provider import Json

COUNT_TOKENS = "chat/completions/count_tokens"


class InputTokens:
    """Asks the provider of a synchronous client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def count(self, *, messages: Any, model: str, **params: Any) -> int:
        """Return how many tokens the prompt of this request has, by the provider's own count.

        The arguments are those of `create`; what is no part of the prompt has no effect. Raises
        `openai.NotFoundError` where the provider has no such endpoint.
        """
        client = self._client
        exchange = client._exchange(_arguments(messages, model, params), COUNT_TOKENS)  # noqa: SLF001 (our own client's)
        body: Json = client._settings.transport.driver.fetch(exchange)  # noqa: SLF001 (as above)
        return int(body["input_tokens"])


class AsyncInputTokens:
    """Asks the provider of an asynchronous client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def count(self, *, messages: Any, model: str, **params: Any) -> int:
        """Return how many tokens the prompt has; see `InputTokens.count`."""
        client = self._client
        exchange = client._exchange(_arguments(messages, model, params), COUNT_TOKENS)  # noqa: SLF001 (our own client's)
        body: Json = await client._settings.transport.driver.fetch(exchange)  # noqa: SLF001 (as above)
        return int(body["input_tokens"])


def _arguments(messages: Any, model: str, params: Json) -> Json:
    check_arguments(params)
    return {"messages": messages, "model": model, **params}
