"""What is sent and what comes in aiohttp's own classes, as `sessions` needs them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator

#: Bytes of a request that are written at once. In smaller pieces each is a copy, and a call of the system's.
_AT_ONCE = 524288
_NO_HEADERS: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())


class Response(aiohttp.ClientResponse):
    """A response with its headers once, as they came.

    aiohttp keeps them twice, and the request's own besides: a quarter of all that an open stream holds.
    """

    fields: tuple[tuple[bytes, bytes], ...] = ()

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        """Read the head."""
        await super().start(connection)
        self.fields, self._raw_headers = self._raw_headers, ()
        self._headers = _NO_HEADERS
        self._cache.clear()
        self._request_info = self._request_info._replace(headers=_NO_HEADERS)
        return self


class Body(aiohttp.Payload):
    """A long request, or one that is made as it is sent: written piece by piece, each in so many seconds."""

    def __init__(self, content: bytes | AsyncIterable[bytes], seconds: float | None) -> None:
        super().__init__(content)
        self._size = len(content) if isinstance(content, bytes) else None
        self._content = content
        self._seconds = seconds

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return it as text. Raises `TypeError` for what is made as it is sent."""
        if isinstance(self._content, bytes):
            return self._content.decode(encoding, errors)
        message = "it is made as it is sent"
        raise TypeError(message)

    async def write(self, writer: Any) -> None:
        """Write it. Raises `TimeoutError`."""
        async for piece in _cut(self._content) if isinstance(self._content, bytes) else self._content:
            async with asyncio.timeout(self._seconds):
                await writer.write(piece)


async def _cut(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), _AT_ONCE):
        yield content[start : start + _AT_ONCE]
