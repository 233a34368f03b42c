"""httpx for plain HTTP, asynchronously: slower than aiohttp, but always there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.core.errors import httpx
from dragoman.core.outgoing import Outgoing, read_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class HttpxClient:
    """Opens requests with the HTTP library of the installed openai, which finds proxies by itself."""

    def __init__(self) -> None:
        self._client = httpx.AsyncClient()

    async def open(self, sent: Outgoing) -> HttpxAnswer:
        """Send a request and read the head of its answer. Raises the HTTP library's `TransportError`."""
        request = self._client.build_request(
            sent.method,
            sent.url,
            content=sent.content,
            headers=sent.headers,
            timeout=httpx.Timeout(None, **sent.timeout._asdict()),
        )
        return HttpxAnswer(await self._client.send(request, stream=True), sent)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()


class HttpxAnswer:
    """An answer whose body is still to be read."""

    def __init__(self, response: Any, sent: Outgoing) -> None:
        self.status: int = response.status_code
        self.headers = response.headers
        self._response = response
        self._sent = sent

    async def read(self) -> bytes:
        """Read the body to its end, or as much of a failure's as is of use."""
        try:
            return await read_all(self.pieces(), self.status, self._sent)
        finally:
            await self.close()

    def pieces(self) -> AsyncIterator[bytes]:
        """Give the body as it comes."""
        pieces: AsyncIterator[bytes] = self._response.aiter_bytes()
        return pieces

    async def close(self) -> None:
        """Give the connection back, or close it."""
        await self._response.aclose()
