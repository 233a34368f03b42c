"""One request for a model, from its body to the last piece of the answer.

The client is listened to all the while: when it hangs up, the call ends, and with it the provider's connection. A
piece is read from the provider only when the one before it was taken, so a slow client costs no memory.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dragoman.server.bodies import ClientGoneError, forwarded, headers_of, id_of, read_body
from dragoman.server.logs import log, write_record
from dragoman.server.offers import check_offered
from dragoman.server.records import Record, count_events
from dragoman.server.refusals import Failure, Refusal, draining, failed, timed_out
from dragoman.server.requests import Asked, check_ask, options_of
from dragoman.server.wires import wires_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from dragoman.core import AsyncAnswer, Json
    from dragoman.server.admission import Lease
    from dragoman.server.dialects import Dialect
    from dragoman.server.gateway import Gateway, Generation

_JSON = b"application/json"
_EVENTS = "text/event-stream"
#: Seconds in which a client may take a stream's last event.
_PARTING = 5.0
_NO_CACHE = (b"cache-control", b"no-cache, no-transform")


class Turn:
    """Answers one request. What happens to it stands in `record` in the end."""

    def __init__(  # noqa: PLR0913, PLR0917 (ASGI's three, and what they are for)
        self, gateway: Gateway, dialect: Dialect, endpoint: str, scope: Any, receive: Any, send: Any
    ) -> None:
        self.gateway = gateway
        self.dialect = dialect
        self.scope = scope
        self.headers = headers_of(scope)
        self.record = Record(id_of(self.headers), scope["method"], endpoint)
        self.generation: Generation = gateway.enter()
        self._receive: Callable[[], Awaitable[Any]] = receive
        self._send: Callable[[Any], Awaitable[None]] = send
        self._began = False
        self._events = False
        self._lease: Lease | None = None
        self._wires = wires_for(self.headers, self.generation.settings)

    async def run(self) -> None:
        """Answer, whatever happens; and tell the log and the metrics."""
        gateway, record = self.gateway, self.record
        gateway.open += 1
        gateway.metrics.open.inc()
        try:
            await self._guarded()
        finally:
            record.over, record.ended = True, time.perf_counter()
            if record.gone and record.call is None:
                record.asked = self.generation.provider_of(record.model)
            gateway.open -= 1
            gateway.metrics.open.dec()
            gateway.leave(self.generation)
            gateway.metrics.count(record)
            write_record(record, prompts=self.generation.settings.log_prompts)
            if self._lease is not None:
                await self._lease.settle(record.charged())

    async def _guarded(self) -> None:
        task, watcher = asyncio.current_task(), None
        assert task is not None  # noqa: S101 (coroutines run in tasks)
        try:
            asked = await self._read()
            watcher = asyncio.get_running_loop().create_task(self._watch(task))
            await self._answer(asked)
        except ClientGoneError:
            self.record.gone = True
        except asyncio.CancelledError:
            # By `_watch`, or by the host, which ends. Either way all that is left to do is done here.
            task.uncancel()
            if not self.record.gone:
                await self._fail(draining())
        except Exception as exception:  # noqa: BLE001 (every failure is an answer)
            await self._fail(self._failure(exception))
        finally:
            if watcher is not None:
                watcher.cancel()

    async def _watch(self, task: asyncio.Task[Any]) -> None:
        """Wait for the client to hang up, and end the call."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self.record.over:
            self.record.gone = True
            task.cancel()

    async def _read(self) -> Asked:
        """Let the caller in and read what it asks for, in the order of what costs least."""
        record, generation, settings = self.record, self.generation, self.generation.settings
        self.caller = caller = generation.gate.admit(self.headers)
        record.caller = caller.name
        if self.gateway.open > settings.max_concurrency:
            message = f"the server is answering {settings.max_concurrency} requests already"
            raise Refusal(429, message, code="too_many_requests", type="requests", retry_after=1)
        content = await read_body(self._receive, self.headers, settings.max_body_bytes, settings.body_timeout)
        kind = self.headers.get("content-type", "")
        # The host leaves the body of an answer to HEAD out.
        method = "GET" if record.method == "HEAD" else record.method
        ask = self.dialect.read(record.endpoint, method, content, kind)
        check_ask(ask, caller)
        check_offered(generation.dispatcher, ask)
        record.model = str(ask.request.get("model") or "")
        record.stream = ask.request.get("stream") is True
        if settings.log_prompts:
            record.request = ask.request
        self._lease = await generation.gate.begin(caller, record.model)
        options = options_of(generation.options, forwarded(self.headers), ask, self.scope["query_string"])
        return Asked(ask, options if self._wires is None else replace(options, on_wire=self._wires.note))

    async def _answer(self, asked: Asked) -> None:
        seconds = self.generation.settings.request_timeout
        try:
            async with asyncio.timeout(seconds) as limit:
                await self._perform(asked, limit, seconds)
        except TimeoutError:
            if not limit.expired():
                raise
            where = "more of its answer" if self._began else "an answer"
            await self._fail(timed_out(seconds, where))

    async def _perform(self, asked: Asked, limit: asyncio.Timeout, seconds: float) -> None:
        answer = await self.generation.service.answer(asked.ask, asked.options)
        self.record.call = answer.call
        self.record.provider_id = answer.headers.get("x-request-id", "")
        if answer.pieces is not None:
            await self._stream(answer, limit, seconds)
        else:
            await self._respond(answer.status, answer.headers["content-type"].encode("latin-1"), answer.content)

    async def _stream(self, answer: AsyncAnswer, limit: asyncio.Timeout, seconds: float) -> None:
        """Hand on each piece when it comes. The response begins with the first: a failure before it has a status."""
        record, pieces, loop = self.record, answer.pieces, asyncio.get_running_loop()
        assert pieces is not None  # noqa: S101 (that is what makes it a stream)
        kind = answer.headers.get("content-type", _EVENTS)
        self._events = kind.startswith(_EVENTS)
        metrics = self.gateway.metrics
        metrics.streams.inc()
        try:
            async for piece in pieces:
                if record.first_piece is None:
                    record.first_piece = time.perf_counter()
                    await self._begin(answer.status, kind.encode("latin-1"))
                record.pieces += count_events(piece)
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
                limit.reschedule(loop.time() + seconds)
            if not self._began:
                await self._begin(answer.status, kind.encode("latin-1"))
            record.over = True
            await self._send({"type": "http.response.body"})
        finally:
            metrics.streams.dec()
            # The provider's connection is given back also where the client hung up.
            await pieces.close()

    async def _begin(self, status: int, kind: bytes) -> None:
        self._began = True
        self.record.status = status
        headers = [(b"content-type", kind), _NO_CACHE, *self._own_headers()]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        if self._wires is not None and self._events:
            await self._send({"type": "http.response.body", "body": self._wires.comment(), "more_body": True})

    async def _respond(
        self, status: int, kind: bytes, content: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        self._began = True
        self.record.status = status
        if self._wires is not None and kind.startswith(_JSON):
            content = self._wires.added_to(content)
        written = [(b"content-type", kind), (b"content-length", b"%d" % len(content)), *self._own_headers()]
        if headers:
            written += [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": written})
        self.record.over = True
        await self._send({"type": "http.response.body", "body": content})

    def _own_headers(self) -> list[tuple[bytes, bytes]]:
        headers = [(b"x-request-id", self.record.request_id.encode("latin-1"))]
        if self.record.provider_id:
            headers.append((b"x-provider-request-id", self.record.provider_id.encode("latin-1", "replace")))
        return headers

    def _failure(self, exception: Exception) -> Failure:
        failure = failed(exception, self.generation.dispatcher.redacted)
        if failure.status == 500 and failure.error.get("code") == "internal_error":  # noqa: PLR2004 (HTTP's word for it)
            log.error("internal error", exc_info=exception, extra={"fields": {"request_id": self.record.request_id}})
        return failure

    async def _fail(self, failure: Failure) -> None:
        """Say what happened, in the status if there is none yet, else as the stream's last event."""
        record = self.record
        record.failure, record.provider_id = failure, failure.provider_id or record.provider_id
        record.asked = record.asked or self.generation.provider_of(record.model)
        if record.over:
            return
        if not self._began:
            body = self.dialect.failure(failure, record.request_id)
            await self._respond(failure.status, _JSON, body, failure.headers)
        elif self._events:
            event = self.dialect.event(failure, record.request_id)
            record.over = True
            with suppress(TimeoutError):
                # A client that takes nothing any more does not take this either.
                async with asyncio.timeout(_PARTING):
                    await self._send({"type": "http.response.body", "body": event})
        # Anything else must not look whole: it ends without its last chunk.


class ListTurn(Turn):
    """Answers with the models that its caller may use."""

    async def _perform(self, asked: Asked, limit: asyncio.Timeout, seconds: float) -> None:
        del asked, limit, seconds
        models = [model for model in await self.generation.catalogue.models() if self.caller.allows(model["id"])]
        await self._respond(200, _JSON, json.dumps(self._write(models)).encode())

    def _write(self, models: list[Json]) -> Json:
        """Write the list as its client reads it."""
        return {"object": "list", "data": models}
