"""Mistral's SDK as a sender.

Its typed methods would lose data: unknown content becomes a chunk of type UNKNOWN, a missing tool call id the text
"null". Below them, `do_request` sends a request that is already made, through the SDK's HTTP client, with its
credentials and hooks, and returns the raw response.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import time
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dragoman.core import (
    AsyncReply,
    MissingKey,
    Reply,
    async_reply_of,
    check_headers,
    refuse_offline,
    reply_of,
    retry_pauses,
    retry_wait,
)

if TYPE_CHECKING:
    from dragoman.core import Call, Wire

_PHASES = ("connect", "read", "write", "pool")
_SUCCESS = range(200, 400)
#: What the SDK's hooks call the operations; tracing goes by these names.
_OPERATIONS = {
    "chat/completions": "chat_completion_v1_chat_completions_post",
    "embeddings": "embeddings_v1_embeddings_post",
    "models": "list_models_v1_models_get",
}
#: How the SDK's user agent begins.
_AGENT = "mistral-client-python/"
_NO_KEY = "mistralai needs a key: set MISTRAL_API_KEY or pass api_key="


class _Failures(list[str]):
    """Which statuses are failures: early versions of the SDK want them listed, later ones ask."""

    def __call__(self, status: int) -> bool:
        return status not in _SUCCESS


_FAILURES = _Failures(["4XX", "5XX"])


class _Whole:
    """A hook of the SDK's that reads the body, kept away from bodies that are still to be read piece by piece."""

    def __init__(self, hook: Any) -> None:
        self.hook = hook

    def after_success(self, context: Any, response: Any) -> Any:
        return self.hook.after_success(context, response) if response.is_stream_consumed else response


def _spare_streams(client: Any) -> None:
    """Keep the SDK's hook that warns of a deprecated model from failing on streams."""
    hooks = client.sdk_configuration.__dict__["_hooks"]
    found = [
        _Whole(hook) if type(hook).__name__ == "DeprecationWarningHook" else hook for hook in hooks.after_success_hooks
    ]
    hooks.after_success_hooks = found


class _Mistral:
    """What both colours share: which request to make of a wire. `owned`: the client was made for this sender."""

    def __init__(self, client: Any, *, owned: bool, name: str) -> None:
        if not hasattr(client, "sdk_configuration"):
            msg = f"{name}: client= takes a mistralai.client.Mistral, and not a {type(client).__name__}"
            raise TypeError(msg)
        if owned:
            _spare_streams(client)
        self.client = client
        self.owned = owned
        self.name = name
        self.configuration = client.sdk_configuration

    def request(self, call: Call, wire: Wire, http: Any) -> Any:
        """Make the request with `http`, the SDK's HTTP client. Raises `MissingKey`, `InvalidRequest`."""
        address, _ = self.configuration.get_server_details()
        credentials, query = self._credentials(call)
        headers = {
            "accept": "text/event-stream" if call.stream else "application/json",
            "user-agent": self.configuration.user_agent,
            **({"content-type": "application/json"} if wire.content is not None else {}),
        }
        for more in (credentials, wire.headers, call.extra_headers):
            headers.update({name.lower(): value for name, value in more.items()})
        if headers["user-agent"] != self.configuration.user_agent:
            # One of the SDK's hooks takes every other user agent to pieces.
            headers["user-agent"] = f"{_AGENT}{self.configuration.sdk_version} {headers['user-agent']}"
        self._check(headers, address)
        return http.build_request(
            wire.method,
            address.rstrip("/") + wire.path,
            content=wire.content,
            headers=headers,
            params={**query, **call.extra_query} or None,
            # The HTTP library reads four numbers as one for each phase.
            timeout=tuple(map(call.timeout.get, _PHASES)) if isinstance(call.timeout, Mapping) else call.timeout,
        )

    def _credentials(self, call: Call) -> tuple[Mapping[str, str], Mapping[str, Any]]:
        from mistralai.client import models, utils

        security = self.configuration.security
        if call.api_key:
            security = models.Security(api_key=call.api_key)
        elif callable(security):
            security = security()
        found: tuple[Mapping[str, str], Mapping[str, Any]] = utils.get_security(
            utils.get_security_from_env(security, models.Security)
        )
        return found

    def _check(self, headers: Mapping[str, str], address: str) -> None:
        refuse_offline(address)
        check_headers(headers, self.name)
        host = urlsplit(address).hostname or ""
        # A service account's token is the SDK's business: one of its hooks writes the header.
        if (
            "authorization" not in headers
            and host.endswith("mistral.ai")
            and not os.environ.get("MISTRAL_SA_TOKEN_PATH")
        ):
            raise MissingKey(_NO_KEY)

    def context(self, call: Call) -> Any:
        """Tell the SDK's hooks what is sent; what they want to know differs from version to version."""
        from mistralai.client import _hooks

        context_class: Any = _hooks.HookContext
        facts = {
            "config": self.configuration,
            "base_url": self.configuration.get_server_details()[0],
            "operation_id": "stream_chat" if call.stream else _OPERATIONS.get(call.endpoint, call.endpoint),
            "security_source": self.configuration.security,
        }
        return context_class(**{name: facts.get(name) for name in _parameters(context_class)})


@cache
def _parameters(context_class: Any) -> tuple[str, ...]:
    return tuple(inspect.signature(context_class).parameters)


def _is_transport_error(exception: BaseException) -> bool:
    """Whether the connection failed or timed out, in `httpx` or `httpx2`, whichever the SDK is built on."""
    return any(cls.__name__ == "TransportError" for cls in type(exception).__mro__)


def _failure(response: Any) -> Exception:
    """What the SDK's typed methods raise for such a response."""
    from mistralai.client.errors import SDKError

    return SDKError("API error occurred", response)


class MistralSender(_Mistral):
    """Sends through a `mistralai.client.Mistral`; retries connection errors, 408, 409, 429 and 5xx."""

    def send(self, call: Call, wire: Wire) -> Reply:
        """Send, and send again up to `call.max_retries` times."""
        for pause in retry_pauses(call):
            try:
                response = self._try(call, wire)
            except Exception as exception:
                if pause is None or not _is_transport_error(exception):
                    raise
                time.sleep(pause)
                continue
            wait = retry_wait(response.status_code, response.headers, pause)
            if wait is None:
                break
            response.close()
            time.sleep(wait)
        return _reply(call, response)

    def _try(self, call: Call, wire: Wire) -> Any:
        request = self.request(call, wire, self.configuration.client)
        return self.client.do_request(self.context(call), request, _FAILURES, call.stream)

    def close(self) -> None:
        """Close the connections of the client that was made here; a ready client is its maker's to close."""
        if self.owned and self.configuration.client is not None:
            self.configuration.client.close()


def _reply(call: Call, response: Any) -> Reply:
    status, headers = response.status_code, response.headers
    if status not in _SUCCESS:
        try:
            content = response.read()
        finally:
            response.close()
        return Reply(status, headers, content, response=response, cause=_failure(response))
    return reply_of(response, stream=call.stream)


class AsyncMistralSender(_Mistral):
    """`MistralSender` for the asynchronous side."""

    async def send(self, call: Call, wire: Wire) -> AsyncReply:
        """Send, and send again up to `call.max_retries` times."""
        for pause in retry_pauses(call):
            try:
                response = await self._try(call, wire)
            except Exception as exception:
                if pause is None or not _is_transport_error(exception):
                    raise
                await asyncio.sleep(pause)
                continue
            wait = retry_wait(response.status_code, response.headers, pause)
            if wait is None:
                break
            await response.aclose()
            await asyncio.sleep(wait)
        return await _async_reply(call, response)

    async def _try(self, call: Call, wire: Wire) -> Any:
        request = self.request(call, wire, self.configuration.async_client)
        return await self.client.do_request_async(self.context(call), request, _FAILURES, call.stream)

    async def close(self) -> None:
        """Close the connections of the client that was made here; a ready client is its maker's to close."""
        if self.owned and self.configuration.async_client is not None:
            await self.configuration.async_client.aclose()


async def _async_reply(call: Call, response: Any) -> AsyncReply:
    status, headers = response.status_code, response.headers
    if status not in _SUCCESS:
        try:
            content = await response.aread()
        finally:
            await response.aclose()
        return AsyncReply(status, headers, content, response=response, cause=_failure(response))
    return async_reply_of(response, stream=call.stream)
