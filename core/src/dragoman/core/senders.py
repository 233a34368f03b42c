"""Who puts a wire on the network.

The official SDKs of OpenAI, Anthropic and Together share one low-level verb, documented for requests they do
not know: `client.post(path, content=…, cast_to=Response)`. It gives the raw reply and keeps the SDK's
credentials, base URL, pool, time-outs and its retry loop, which is the only one: dragoman never retries.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from dragoman.core import errors
from dragoman.core.codec import encode_json
from dragoman.core.provider import AsyncReply, AsyncSender, Call, Json, Provider, Reply, Sender, Timeout, Wire


def sdk_sender(client: Any) -> Sender:
    """Send through the client of a Stainless SDK (`openai.OpenAI`, `anthropic.Anthropic`, `together.Together`)."""
    return _SdkSender(client)


def async_sdk_sender(client: Any) -> AsyncSender:
    """Send through the asynchronous client of a Stainless SDK."""
    return _AsyncSdkSender(client)


class _Sdk:
    """What both colours share: which request to make of a wire, and what a failure means."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.module = errors.sdk_module(client)
        self.httpx = errors.http_library(self.module)

    def request(self, call: Call, wire: Wire, stream_class: Any) -> tuple[Any, str, dict[str, Any]]:
        """Choose the client (a copy, if the call has a key of its own), the path and the arguments."""
        refuse_offline(str(self.client.base_url))
        client = self.client
        if call.api_key and call.api_key != client.api_key:
            client = client.with_options(api_key=call.api_key)
        options: dict[str, Any] = {"headers": {**wire.headers, **call.extra_headers}}
        options["timeout"] = self.timeout(call.timeout)
        if call.extra_query:
            options["params"] = dict(call.extra_query)
        if call.max_retries is not None:
            options["max_retries"] = call.max_retries
        if offline():
            options["follow_redirects"] = False
        arguments: dict[str, Any] = {"cast_to": self.httpx.Response, "options": options}
        if wire.method != "GET":
            arguments["content"] = wire.content
        if call.stream:
            arguments.update(stream=True, stream_cls=stream_class)
        return client, wire.path, arguments

    def timeout(self, timeout: Timeout) -> Any:
        """Each SDK takes the Timeout of its own HTTP library."""
        if timeout is None or isinstance(timeout, int | float):
            return timeout
        return self.httpx.Timeout(**timeout)


class _SdkSender(_Sdk):
    def send(self, call: Call, wire: Wire) -> Reply:
        client, path, arguments = self.request(call, wire, self.module.Stream)
        try:
            result = getattr(client, wire.method.lower())(path, **arguments)
        except self.module.APIStatusError as exception:
            return failed_reply(exception)
        if not call.stream:
            return Reply(result.status_code, result.headers, result.content, response=result)
        response = _raw(result)
        return Reply(
            response.status_code,
            response.headers,
            pieces=response.iter_bytes(),
            close=response.close,
            response=response,
        )

    def close(self) -> None:
        self.client.close()


class _AsyncSdkSender(_Sdk):
    async def send(self, call: Call, wire: Wire) -> AsyncReply:
        client, path, arguments = self.request(call, wire, self.module.AsyncStream)
        try:
            result = await getattr(client, wire.method.lower())(path, **arguments)
        except self.module.APIStatusError as exception:
            reply = failed_reply(exception)
            return AsyncReply(reply.status, reply.headers, reply.content, response=reply.response, cause=exception)
        if not call.stream:
            return AsyncReply(result.status_code, result.headers, result.content, response=result)
        response = _raw(result)
        return AsyncReply(
            response.status_code,
            response.headers,
            pieces=response.aiter_bytes(),
            close=response.aclose,
            response=response,
        )

    async def close(self) -> None:
        await self.client.close()


def _raw(result: Any) -> Any:
    """Some SDKs wrap a streamed response in their stream class, some return it bare."""
    return getattr(result, "response", result)


def failed_reply(exception: Any) -> Reply:
    """Read the reply out of an SDK's status error."""
    response = exception.response
    return Reply(response.status_code, response.headers, response.content, response=response, cause=exception)


def offline() -> bool:
    """Whether `DRAGOMAN_OFFLINE` forbids connections outside loopback."""
    return os.environ.get("DRAGOMAN_OFFLINE", "") not in {"", "0"}


def refuse_offline(url: str) -> None:
    """Raise for an address outside loopback if the process is to stay offline."""
    if not offline():
        return
    host = urlsplit(url).hostname or ""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    if not local:
        message = f"DRAGOMAN_OFFLINE is set and {host} is not on this machine; unset it to connect"
        raise errors.connection_error(message)


def _openai_options(provider: Provider) -> dict[str, Any]:
    """Arguments of the openai SDK's constructor for an OpenAI-compatible provider."""
    import openai

    options = dict(provider.sdk_options)
    if provider.api_key:
        options.setdefault("api_key", provider.api_key)
    elif "provider" not in options:
        if provider.key_env and provider.base_url == type(provider).base_url:
            message = f"{provider.name} needs a key: set {provider.key_env[0]} or pass api_key="
            raise errors.MissingKey(message)
        options["api_key"] = "none"
        options["default_headers"] = {"Authorization": openai.Omit(), **(options.get("default_headers") or {})}
    if "provider" not in options:
        options["base_url"] = provider.base_url
    return options


def default_sender(provider: Provider) -> Sender:
    """Make the sender of an OpenAI-compatible provider that has none of its own."""
    import openai

    return sdk_sender(provider.client or openai.OpenAI(**_openai_options(provider)))


def default_async_sender(provider: Provider) -> AsyncSender:
    """`default_sender` for the asynchronous side."""
    import openai

    return async_sdk_sender(provider.async_client or openai.AsyncOpenAI(**_openai_options(provider)))


def function_sender(function: Callable[[Call, Wire], Json]) -> Sender:
    """Send to a Python function, which returns the vendor's JSON: for in-process engines and tests."""
    return _FunctionSender(function)


class _FunctionSender:
    def __init__(self, function: Callable[[Call, Wire], Json]) -> None:
        self.function = function

    def send(self, call: Call, wire: Wire) -> Reply:
        return Reply(200, {"content-type": "application/json"}, encode_json(self.function(call, wire)))

    def close(self) -> None:
        """A function holds nothing."""
