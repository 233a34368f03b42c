"""The four ways to make one call: either client, by the plain road and by the HTTP road."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import openai

if TYPE_CHECKING:
    import asyncio

Json = dict[str, Any]


@dataclass
class Got:
    """What one call gave: `completion`, or `chunks` and the exception that ended them."""

    completion: Any = None
    chunks: list[Any] | None = None
    error: openai.OpenAIError | None = None


@dataclass
class Road:
    """One way to make a call; `name` stands in the failure's text."""

    name: str
    http: bool

    def call(self, **request: Any) -> Got:
        """Make the call. Only failures inside a stream are part of what it gives."""
        raise NotImplementedError


@dataclass
class SyncRoad(Road):
    """`Client`."""

    client: openai.OpenAI

    def call(self, **request: Any) -> Got:
        """Make the call."""
        completions: Any = self.client.chat.completions
        if not request.get("stream"):
            if self.http:
                return Got(completions.with_raw_response.create(**request).parse())
            return Got(completions.create(**request))
        if self.http:
            with completions.with_streaming_response.create(**request) as response:
                return self._read(response.parse())
        with completions.create(**request) as stream:
            return self._read(stream)

    @staticmethod
    def _read(stream: Any) -> Got:
        chunks: list[Any] = []
        try:
            for chunk in stream:
                chunks.append(chunk)  # noqa: PERF402 (what came before an error counts)
        except openai.OpenAIError as error:
            return Got(chunks=chunks, error=error)
        return Got(chunks=chunks)


@dataclass
class AsyncRoad(Road):
    """`AsyncClient`, in a loop that outlives the call."""

    client: openai.AsyncOpenAI
    runner: asyncio.Runner

    def call(self, **request: Any) -> Got:
        """Make the call."""
        return self.runner.run(self._call(request))

    async def _call(self, request: Json) -> Got:
        completions: Any = self.client.chat.completions
        if not request.get("stream"):
            if self.http:
                return Got((await completions.with_raw_response.create(**request)).parse())
            return Got(await completions.create(**request))
        if self.http:
            async with completions.with_streaming_response.create(**request) as response:
                return await self._read(await response.parse())
        async with await completions.create(**request) as stream:
            return await self._read(stream)

    @staticmethod
    async def _read(stream: Any) -> Got:
        chunks: list[Any] = []
        try:
            async for chunk in stream:
                chunks.append(chunk)  # noqa: PERF401 (what came before an error counts)
        except openai.OpenAIError as error:
            return Got(chunks=chunks, error=error)
        return Got(chunks=chunks)
