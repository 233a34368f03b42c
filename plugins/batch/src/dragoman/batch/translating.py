"""Requests -> their vendor's wires, and the vendor's replies -> results: by the same exchange as a call of its own."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from dragoman.batch.answering import one_line
from dragoman.batch.counts import counted
from dragoman.batch.failures import failed
from dragoman.batch.records import Result
from dragoman.core import DragomanError, InvalidRequest, batches_of, encode_lenient, make_ask, make_dispatcher

if TYPE_CHECKING:
    from collections.abc import Hashable

    from dragoman.batch.engines import Settings
    from dragoman.batch.parts import Part
    from dragoman.batch.records import Request
    from dragoman.core import Batches, Call, Exchange, Reply, Wire


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request as its vendor is asked it. Those of one `kind` may go into one batch."""

    call: Call
    wire: Wire
    port: Batches
    kind: Hashable


class Translator:
    """Translates both ways, and knows the batch API of each provider. Raises `DragomanError` for bad settings."""

    def __init__(self, settings: Settings) -> None:
        self._dispatcher = make_dispatcher(**{"default_provider": "openai", **settings.client})
        # What a batch counts stands in its summary.
        self._dispatcher.hooks.metering = False
        self._options = settings.options
        self._ports: dict[Hashable, Batches] = {}

    def close(self) -> None:
        """Give back all connections."""
        for port in self._ports.values():
            port.close()

    def encode(self, request: Request) -> Encoded | Result:
        """Make the vendor's request; or the result, where a hook has the answer, or the request is refused.

        Raises `DragomanError` for a provider without a batch API.
        """
        exchange = None
        try:
            exchange = self._exchange(request)
            wire = exchange.open()
            if wire is None:
                return self._result(request, exchange, exchange.answer(None))
        except Exception as exception:  # noqa: BLE001 (every failure is a result)
            return self._failed(request, exchange, exception)
        # Another exchange reads the answer, maybe in another process.
        exchange.abandoned()
        call = exchange.call
        reached = (id(exchange.provider), call.api_key, _frozen(call.extra_headers), _frozen(call.extra_query))
        port = self._ports.get(reached)
        if port is None:
            port = self._ports[reached] = batches_of(exchange.provider, call)
        try:
            kind = (reached, call.model, port.endpoint(wire), _frozen(wire.headers))
        except InvalidRequest as exception:
            return self.failed(request, exception)
        return Encoded(call, wire, port, kind)

    def port(self, part: Part, sample: Request | None) -> tuple[Batches, dict[str, str]]:
        """Return the batch API for a part, given one of its requests, and the headers that these have.

        Raises `DragomanError` where there is none any more.
        """
        encoded = self.encode(sample) if sample is not None else None
        if not isinstance(encoded, Encoded):
            reason = (encoded.error or {}).get("message") if encoded else "its requests are missing"
            message = f"{part} cannot be gone on with: {reason}"
            raise DragomanError(message)
        return encoded.port, encoded.wire.headers

    def decode(self, request: Request, reply: Reply) -> Result:
        """Read the vendor's reply to a request."""
        exchange = None
        try:
            exchange = self._exchange(request)
            exchange.open()
            return self._result(request, exchange, exchange.answer(reply))
        except Exception as exception:  # noqa: BLE001 (every failure is a result)
            return self._failed(request, exchange, exception)

    def failed(self, request: Request, exception: BaseException) -> Result:
        """Make the result of a failure."""
        return failed(exception, request, self._dispatcher.redacted)

    def _exchange(self, request: Request) -> Exchange:
        return self._dispatcher.exchange(make_ask(dict(request.body), request.endpoint), self._options)

    def _failed(self, request: Request, exchange: Exchange | None, exception: Exception) -> Result:
        if exchange is None:
            return self.failed(request, exception)
        result = self.failed(request, exchange.failed(exception))
        result.provider = exchange.call.provider
        return result

    def _result(self, request: Request, exchange: Exchange, body: Any) -> Result:
        call = exchange.call
        content = exchange.raw if exchange.raw is not None else encode_lenient(body)
        return Result(
            custom_id=request.custom_id,
            line=request.line,
            status=exchange.status,
            content=one_line(content),
            request_id=exchange.headers.get("x-request-id", ""),
            usage=call.usage,
            cost=self._cost(call),
            provider=call.provider,
            cached=call.answered,
        )

    def _cost(self, call: Call) -> Decimal | None:
        """What it cost, where somebody knows the vendor's prices for batches; those for calls are others."""
        if call.answered:
            return Decimal(0)
        usage = counted(call.usage)
        if usage is None:
            return None
        call.usage, call.price = usage, None
        call.context["processing"] = "batch"
        cost: Decimal | None = self._dispatcher.hooks.price_of(call)
        return cost


def _frozen(settings: Any) -> Hashable:
    return tuple(sorted((str(name).lower(), str(value)) for name, value in settings.items()))
