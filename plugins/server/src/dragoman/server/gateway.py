"""What all requests of one server share: who answers, who may ask, what is counted, and how that changes."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from dragoman.core import AsyncService, CallOptions, DragomanError, make_dispatcher
from dragoman.server.catalogue import Catalogue
from dragoman.server.gates import make_gate
from dragoman.server.logs import log
from dragoman.server.metrics import Metrics
from dragoman.server.offers import other_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.server.admission import Gate
    from dragoman.server.settings import Configuration, ServerSettings


#: What the configuration's client says about each of its calls.
_OF_EACH_CALL = ("max_retries", "on_unsupported", "timeout")


class Generation:
    """What one reading of the configuration made. It lives until its last request has ended."""

    def __init__(self, configuration: Configuration, gate_of: Callable[[ServerSettings], Gate]) -> None:
        client = dict(configuration.client)
        options = {name: client.pop(name) for name in _OF_EACH_CALL if name in client}
        client.setdefault("default_provider", "openai")
        # Three to five times cheaper than a vendor's SDK, wherever a plain key is all that its provider needs.
        client.setdefault("sender", "auto")
        self.dispatcher = make_dispatcher(**client)
        self.dispatcher.quotes = configuration.server.log_prompts
        # What a server counts stands in its metrics.
        self.dispatcher.hooks.metering = False
        self.settings: ServerSettings = replace(configuration.server, also=partial(other_names, self.dispatcher))
        self.options = CallOptions(**options, count_usage=self.settings.stream_usage)
        self.service = AsyncService(self.dispatcher)
        self.catalogue = Catalogue(self.service)
        self.gate = gate_of(self.settings)
        #: Requests that hold it, and whether a newer one has taken its place.
        self.users = 0
        self.retired = False

    def provider_of(self, model: str) -> str:
        """Return the name of the provider that is asked for a model first; empty if nobody is."""
        try:
            return self.dispatcher.resolve(model)[0].name if model else ""
        except DragomanError:
            return ""

    async def close(self) -> None:
        """Give back all connections."""
        await self.service.aclose()
        await self.gate.close()


class Gateway:
    """One server's state in one process.

    `load` reads the configuration anew, for `reload`. Raises what `make_dispatcher` raises for a configuration.
    """

    def __init__(
        self,
        configuration: Configuration,
        load: Callable[[], Configuration] | None = None,
        gate_of: Callable[[ServerSettings], Gate] = make_gate,
    ) -> None:
        self._load = load
        self._gate_of = gate_of
        self.current = Generation(configuration, gate_of)
        self.metrics = Metrics()
        #: Requests for models that are being answered.
        self.open = 0
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def settings(self) -> ServerSettings:
        """How it serves now."""
        return self.current.settings

    def enter(self) -> Generation:
        """Hold what is in force now, for one request; `leave` lets go."""
        generation = self.current
        generation.users += 1
        return generation

    def leave(self, generation: Generation) -> None:
        """Let go; who is the last of a generation that was replaced closes it."""
        generation.users -= 1
        if generation.retired and not generation.users:
            self._close(generation)

    def reload(self) -> bool:
        """Read the configuration anew. Streams go on as they were begun; a fault leaves everything as it is."""
        if self._load is None:
            log.warning("reload: there is no configuration file to read again")
            return False
        try:
            configuration = self._load()
            fresh = Generation(configuration, self._gate_of)
        except Exception as exception:  # noqa: BLE001 (whatever is wrong with it, the server goes on)
            fields: dict[str, Any] = {"error": f"{type(exception).__name__}: {exception}"}
            log.error("reload failed: the configuration in force stays", extra={"fields": fields})
            return False
        old, self.current = self.current, fresh
        old.retired = True
        if not old.users:
            self._close(old)
        log.info("reloaded")
        return True

    def _close(self, generation: Generation) -> None:
        task = asyncio.get_running_loop().create_task(generation.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """End it all."""
        with suppress(Exception):
            await asyncio.gather(*self._closing, return_exceptions=True)
        await self.current.close()
