"""The list of models: asked of all providers at once, and kept for a moment."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

from dragoman.core import Ask, CallOptions
from dragoman.server.logs import log
from dragoman.server.offers import is_offered

if TYPE_CHECKING:
    from dragoman.core import AsyncService, Json

#: Seconds for which a list is not asked for again.
_FRESH = 10.0


class Catalogue:
    """All providers' models."""

    def __init__(self, service: AsyncService) -> None:
        self._service = service
        self._models: list[Json] = []
        self._read = float("-inf")
        self._lock = asyncio.Lock()

    async def models(self) -> list[Json]:
        """Return OpenAI's model objects. What is wrong with a provider stands in the log: it is not the clients'."""
        async with self._lock:
            if time.monotonic() - self._read > _FRESH:
                answer = await self._service.answer(Ask({}, "models", "GET"), CallOptions())
                listed = json.loads(answer.content)
                if errors := listed.get("errors"):
                    log.warning("some providers cannot be asked for their models", extra={"fields": errors})
                offered = [model for model in listed["data"] if is_offered(self._service.dispatcher, model["id"])]
                self._models, self._read = offered, time.monotonic()
            return self._models
