"""Who puts a wire on the network.

The official SDKs of OpenAI, Anthropic and Together share one low-level verb, documented for requests they do
not know: `client.post(path, content=…, cast_to=Response)`. It gives the raw reply and keeps the SDK's
credentials, base URL, pool, time-outs and its retry loop, which is the only one: dragoman never retries.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import openai

from dragoman.core import errors
from dragoman.core.headerlists import LISTS, join_values, merge_headers
from dragoman.core.leanclients import PIECES, async_lean_client, lean_client
from dragoman.core.offline import offline, refuse_offline
from dragoman.core.provider import AsyncReply, AsyncSender, Call, Provider, Reply, Sender, Timeout, Wire

if TYPE_CHECKING:
    from collections.abc import Mapping


_FORM = "multipart/form-data"
#: Clients that send a path to their own address. Their subclasses (Azure's, Bedrock's) look at the path, and change it.
_PLAIN = ("OpenAI", "AsyncOpenAI", "Anthropic", "AsyncAnthropic", "Together", "AsyncTogether")
#: Other ways than a key to say to the openai SDK who is calling.
_CREDENTIALS = frozenset({"admin_api_key", "api_key", "workload_identity"})


def sdk_sender(client: Any) -> Sender:
    """Send through the client of a Stainless SDK (`openai.OpenAI`, `anthropic.Anthropic`, `together.Together`)."""
    return _SdkSender(client)


def async_sdk_sender(client: Any) -> AsyncSender:
    """Send through the asynchronous client of a Stainless SDK."""
    return _AsyncSdkSender(client)


class _Sdk:
    """What both colours share: which request to make of a wire, and what a failure means."""

    def __init__(self, client: Any, *, keyless: bool = False, lacking: str = "") -> None:
        self.client = client
        #: Whether the client was made without a key, and what to say of it if it needs one.
        self.keyless = keyless
        self.lacking = lacking
        self.module = errors.sdk_module(client)
        self.httpx = errors.http_library(self.module)
        self._plain = {getattr(self.module, name, None) for name in _PLAIN}
        self._base: tuple[Any, str] = (None, "")

    def request(self, call: Call, wire: Wire, stream_class: Any) -> tuple[Any, str, dict[str, Any]]:
        """Choose the client (a copy, if the call has a key of its own), the path and the arguments."""
        if offline():
            refuse_offline(str(self.client.base_url))
        client = self.client
        if call.api_key:
            check_headers({"authorization": call.api_key}, call.provider)
            if call.api_key != client.api_key:
                client = client.with_options(api_key=call.api_key)
        options: dict[str, Any] = {"headers": self.headers(call, wire), "timeout": self.timeout(call.timeout)}
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
        return client, self.address(client, wire.path), arguments

    def address(self, client: Any, path: str) -> str:
        """Return the whole address of a path, where nobody else has a say in it; else the path.

        Of a path, the SDK parses itself and its own address together with it, in each call.
        """
        base = client.base_url
        known, text = self._base
        if base is not known:
            alone = type(client) in self._plain and isinstance(client.api_key, str) and client.api_key
            text = str(base).rstrip("/")
            text = text if alone and "?" not in text else ""
            self._base = (base, text)
        return f"{text}/{path.lstrip('/')}"

    def headers(self, call: Call, wire: Wire) -> dict[str, Any]:
        """Write the headers in the SDK's own spelling: with another one, some versions send a header twice."""
        given = merge_headers(wire.headers, call.extra_headers)
        headers: dict[str, Any] = {}
        if given:
            check_headers(given, call.provider)
            own = self.client.default_headers
            known = {name.lower(): name for name in (*own, "Authorization", "Content-Type")}
            headers = {known.get(name.lower(), name): value for name, value in given.items()}
            for name in own.keys() & headers.keys():
                if name.lower() in LISTS:
                    headers[name] = join_values(own[name], headers[name])
        if self.keyless and not call.api_key and "Authorization" not in headers:
            if self.lacking:
                raise errors.MissingKey(self.lacking)
            headers["Authorization"] = self.module.Omit()
        if headers.get("Content-Type", "").startswith(_FORM):
            # So spelled the SDK takes it for a form that it has to write itself, and refuses one that is written.
            headers["Content-Type"] = headers["Content-Type"].replace(_FORM, _FORM.capitalize(), 1)
        return headers

    def timeout(self, timeout: Timeout) -> Any:
        """Each SDK takes the Timeout of its own HTTP library."""
        if timeout is None or isinstance(timeout, int | float):
            return timeout
        return self.httpx.Timeout(None, **timeout)


class _SdkSender(_Sdk):
    def send(self, call: Call, wire: Wire) -> Reply:
        client, path, arguments = self.request(call, wire, self.module.Stream)
        try:
            result = getattr(client, wire.method.lower())(path, **arguments)
        except self.module.APIStatusError as exception:
            return failed_reply(exception)
        return reply_of(_unwrapped(result), stream=call.stream)

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
        return async_reply_of(_unwrapped(result), stream=call.stream)

    async def close(self) -> None:
        await self.client.close()


def _unwrapped(result: Any) -> Any:
    """Take a response out of the stream class that some SDKs wrap it in."""
    return getattr(result, "response", result)


def reply_of(response: Any, *, stream: bool) -> Reply:
    """Make the reply of a response of httpx's or httpx2's: read already, or to be read piece by piece."""
    if not stream:
        return Reply(response.status_code, response.headers, response.content, response=response)
    _forget_request(response)
    return Reply(
        response.status_code,
        response.headers,
        pieces=response.iter_bytes() if _is_packed(response) else iter(_below(response) or response.iter_raw()),
        close=response.close,
        response=response,
    )


def async_reply_of(response: Any, *, stream: bool) -> AsyncReply:
    """`reply_of` for the asynchronous side."""
    if not stream:
        return AsyncReply(response.status_code, response.headers, response.content, response=response)
    _forget_request(response)
    return AsyncReply(
        response.status_code,
        response.headers,
        pieces=response.aiter_bytes() if _is_packed(response) else _below(response) or response.aiter_raw(),
        close=response.aclose,
        response=response,
    )


def _forget_request(response: Any) -> None:
    """Let a stream, which may stay open for long, keep where its request went, without headers (a key) and body."""
    asked = response.request
    response.request = type(asked)(asked.method, asked.url)


def _is_packed(response: Any) -> bool:
    """Whether the body has to be unpacked; bytes that need not be are handed on as they come."""
    return "content-encoding" in response.headers


def _below(response: Any) -> Any:
    """Return the body as our own connections give it; the HTTP library's layers only hand it on. None: not ours."""
    return response.extensions.get(PIECES)


def failed_reply(exception: Any) -> Reply:
    """Read the reply out of an SDK's status error."""
    response = exception.response
    return Reply(response.status_code, response.headers, response.content, response=response, cause=exception)


def check_headers(headers: Mapping[str, Any], provider: str) -> None:
    """Refuse what HTTP cannot carry here: the libraries' own errors would quote the value, which may be a key."""
    for name, value in headers.items():
        if isinstance(value, str) and not (value.isascii() and value.isprintable()):
            message = f"the header {name!r} for {provider} has a character that HTTP does not allow (a line break?)"
            raise errors.InvalidRequest(message)


def default_sender(provider: Provider) -> Sender:
    """Make the sender of an OpenAI-compatible provider that has none of its own."""
    if provider.client is not None:
        return sdk_sender(provider.client)
    options, keyless, lacking = _openai_options(provider)
    options["http_client"] = options.get("http_client") or lean_client(openai.DefaultHttpxClient)
    return _SdkSender(_own(openai.OpenAI(**options), provider), keyless=keyless, lacking=lacking)


def default_async_sender(provider: Provider) -> AsyncSender:
    """`default_sender` for the asynchronous side."""
    if provider.async_client is not None:
        return async_sdk_sender(provider.async_client)
    options, keyless, lacking = _openai_options(provider)
    options["http_client"] = options.get("http_client") or async_lean_client(openai.DefaultAsyncHttpxClient)
    return _AsyncSdkSender(_own(openai.AsyncOpenAI(**options), provider), keyless=keyless, lacking=lacking)


def _openai_options(provider: Provider) -> tuple[dict[str, Any], bool, str]:
    """Arguments of the openai SDK's constructor; whether they lack a key, and what to say if one is needed."""
    options = dict(provider.sdk_options)
    if "provider" in options:
        return options, False, ""
    options["base_url"] = provider.base_url
    keyless = not (provider.api_key or options.keys() & _CREDENTIALS)
    lacking = ""
    if keyless:
        # The SDK insists on a key; this one is never sent.
        options["api_key"] = "none"
        lacking = lacking_key(provider)
    elif provider.api_key:
        check_headers({"authorization": provider.api_key}, provider.name)
        options["api_key"] = provider.api_key
    if not is_openai(provider):
        # What the environment says about OpenAI is no other provider's business.
        lines = os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")
        strange = [line.partition(":")[0].strip() for line in lines if ":" in line]
        options["default_headers"] = {**dict.fromkeys(strange, openai.Omit()), **(options.get("default_headers") or {})}
        options["admin_api_key"] = ""
    return options, keyless, lacking


def is_openai(provider: Provider) -> bool:
    """Whether what the environment says about OpenAI is said about this provider."""
    return type(provider).name == "openai"


def lacking_key(provider: Provider) -> str:
    """What to say where a provider has no key; empty: the server may not need one (another's, or one of one's own)."""
    if provider.key_env and not provider.start and provider.base_url == type(provider).base_url:
        return f"{provider.name} needs a key: set {provider.key_env[0]} or pass api_key="
    return ""


def _own(client: Any, provider: Provider) -> Any:
    """Take from the client what the SDK read in OpenAI's environment variables for another provider."""
    if not is_openai(provider):
        client.organization = provider.sdk_options.get("organization")
        client.project = provider.sdk_options.get("project")
    return client
