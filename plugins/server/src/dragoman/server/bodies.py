"""A request's headers and body, each within its bounds."""

from __future__ import annotations

import asyncio
import re
import secrets
from typing import TYPE_CHECKING, Any

from dragoman.server.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

#: An id that a proxy before this server has given.
_ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)
#: Headers of a client's that go to the provider: what they say, no key can say.
_FORWARDED = ("anthropic-beta", "openai-beta", "traceparent", "tracestate")


class ClientGoneError(Exception):
    """The client hung up before it had its answer."""


def headers_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """Return a request's headers; of a repeated one the last counts."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def id_of(headers: Mapping[str, str]) -> str:
    """Return the request's id: the one it came with, or a new one."""
    given = headers.get("x-request-id")
    return given if given and _ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"


def forwarded(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that the provider is to see."""
    return {name: headers[name] for name in _FORWARDED if name in headers}


async def read_body(
    receive: Callable[[], Awaitable[Any]], headers: Mapping[str, str], most: int, seconds: float
) -> bytes:
    """Read the body. Raises `Refusal`: 413 for more than `most` bytes, 408 after `seconds`; and `ClientGoneError`."""
    if headers.get("content-encoding", "identity") != "identity":
        raise Refusal(415, "the body must not be compressed", code="unsupported_encoding")
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise _too_large(most)
    try:
        async with asyncio.timeout(seconds):
            return await _read(receive, most)
    except TimeoutError as exception:
        message = f"the request's body did not come within {seconds:g} seconds"
        raise Refusal(408, message, code="request_timeout", headers={"connection": "close"}) from exception


async def _read(receive: Callable[[], Awaitable[Any]], most: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGoneError
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            raise _too_large(most)
        if not message.get("more_body", False):
            return b"".join([*parts, part]) if parts else part
        parts.append(part)


def _too_large(most: int) -> Refusal:
    message = f"the request's body is larger than {most} bytes"
    return Refusal(413, message, code="request_too_large")
