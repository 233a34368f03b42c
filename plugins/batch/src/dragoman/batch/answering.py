"""One request -> its result, through one client's providers: what every engine of ours that asks by itself uses."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from dragoman.batch.counts import counted
from dragoman.batch.failures import failed, timed_out
from dragoman.batch.records import Result
from dragoman.core import AsyncService, make_ask, make_dispatcher

if TYPE_CHECKING:
    from dragoman.batch.engines import Settings
    from dragoman.batch.records import Request
    from dragoman.core import Call


class Answerer:
    """Answers requests, any number at the same time, on the event loop that it was first used on.

    It makes one attempt: a provider's 429 is a `Result`, for whoever knows when to ask again. Only models of a
    configuration list keep their retries, since another entry would step in at once. Raises `DragomanError` for a
    configuration that no client can be made of.
    """

    def __init__(self, settings: Settings) -> None:
        # Three to five times cheaper than a vendor's SDK, wherever a plain key is all that its provider needs.
        self._dispatcher = make_dispatcher(**{"default_provider": "openai", "sender": "auto", **settings.client})
        # What a batch counts stands in its summary.
        self._dispatcher.hooks.metering = False
        self._service = AsyncService(self._dispatcher)
        self._listed = replace(settings.options, count_usage=True)
        self._once = replace(self._listed, max_retries=0)
        self._timeout = settings.timeout

    async def answer(self, request: Request) -> Result:
        """Ask once. Whatever goes wrong is a result too; only cancellation is raised."""
        begun = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout) as limit:
                result = await self._ask(request)
        except Exception as exception:  # noqa: BLE001 (every failure is a result)
            if self._timeout is not None and limit.expired():
                result = timed_out(request, self._timeout)
            else:
                result = failed(exception, request, self._dispatcher.redacted)
        result.seconds = time.perf_counter() - begun
        return result

    async def close(self) -> None:
        """Give back all connections."""
        await self._service.aclose()

    async def _ask(self, request: Request) -> Result:
        config = self._dispatcher.config
        listed = config is not None and bool(config.named(request.model))
        ask = make_ask(dict(request.body), request.endpoint)
        answer = await self._service.answer(ask, self._listed if listed else self._once)
        call = answer.call
        assert call is not None  # noqa: S101 (only lists of models have none)
        return Result(
            custom_id=request.custom_id,
            line=request.line,
            status=answer.status,
            content=one_line(answer.content),
            request_id=answer.headers.get("x-request-id", ""),
            usage=call.usage,
            cost=self._cost(call),
            provider=call.provider,
            cached=call.answered,
        )

    def _cost(self, call: Call) -> Decimal | None:
        """What the answer cost: by the entry's own price, else by whoever knows prices; nothing, from a cache."""
        usage = counted(call.usage)
        if call.answered:
            return Decimal(0)
        if usage is None:
            return None
        if call.price is not None:
            prompt, completion = call.price
            cost: Decimal = (prompt * usage["prompt_tokens"] + completion * usage["completion_tokens"]) / 1000
            return cost
        call.usage = usage
        return self._dispatcher.hooks.price_of(call)


def one_line(content: bytes) -> bytes:
    """Return JSON without the newlines between its parts; inside its strings there are none."""
    return content.replace(b"\r", b" ").replace(b"\n", b" ") if b"\n" in content or b"\r" in content else content
