"""What is sent and what comes in aiohttp's own classes, as `sessions` needs them."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy

#: Bytes of a request that are written at once.
AT_ONCE = 65536
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
    """A long request, written piece by piece, in so many seconds."""

    def __init__(self, content: bytes, seconds: float | None) -> None:
        super().__init__(content)
        self._size = len(content)
        self._content = content
        self._seconds = seconds

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return it as text."""
        return self._content.decode(encoding, errors)

    async def write(self, writer: Any) -> None:
        """Write it. Raises `TimeoutError`."""
        for start in range(0, len(self._content), AT_ONCE):
            async with asyncio.timeout(self._seconds):
                await writer.write(self._content[start : start + AT_ONCE])
