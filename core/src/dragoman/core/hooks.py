"""Calls the hooks, and keeps a plugin's failure from becoming something else."""

from __future__ import annotations

import logging
import warnings
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from dragoman.core.offers import SELECTION
from dragoman.core.policy import DragomanWarning
from dragoman.core.usage import UsageMeter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType

    from pluggy import HookCaller

    from dragoman.core.plugins import Plugins
    from dragoman.core.provider import Call, Json

log = logging.getLogger("dragoman")


class Hooks:
    """The hooks of all plugins, for exchanges."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins
        relay = self._relay = plugins.hooks
        #: Whether calls are counted in `meter`, which asks for their prices.
        self.metering = True
        self.meter = UsageMeter(self.price_of, lambda: bool(relay.price_of.get_hookimpls()))

    @property
    def sees_chunks(self) -> bool:
        """Whether `on_chunk` has an implementation; if not, streams are spared the call."""
        return bool(self._relay.on_chunk.get_hookimpls())

    @property
    def sees_requests(self) -> bool:
        """Whether anybody looks at calls: then each has a request of its own, for a hook may change or keep it."""
        relay = self._relay
        return _wanted(relay.before_call, relay.answer_call, relay.on_chunk, relay.after_call)

    @property
    def sees_answers(self) -> bool:
        """Whether anybody wants `after_call`; if not, streams are not assembled."""
        return _wanted(self._relay.after_call)

    def before_call(self, call: Call) -> None:
        """Tell everybody that a call begins; the first exception stops it."""
        self._guarded("before_call", call=call)

    def answer_call(self, call: Call) -> Json | None:
        """Ask whether somebody answers instead of the network."""
        answer: Json | None = self._guarded("answer_call", call=call)
        return answer

    def on_chunk(self, call: Call, chunk: Json) -> None:
        """Show a chunk to whoever wants to see it."""
        if self.sees_chunks:
            self._guarded("on_chunk", call=call, chunk=chunk)

    def after_call(self, call: Call) -> None:
        """Count a call that has ended and tell everybody; what one raises is a warning, and the others are told too."""
        if self.metering:
            self.meter.count(call)
        for tell in self._listeners():
            try:
                tell(call=call)
            except Exception as exception:  # noqa: BLE001 (the answer is the caller's, whatever a plugin does afterwards)
                self._warn("after_call", exception)

    def price_of(self, call: Call) -> Decimal | None:
        """Ask what an ended call cost, in US dollars; None if nobody knows, or if somebody fails."""
        try:
            price = self._relay.price_of(call=call)
            return None if price is None else _dollars(price)
        except Exception as exception:  # noqa: BLE001 (as above)
            self._warn("price_of", exception)
            return None

    def _listeners(self) -> list[Callable[..., object]]:
        """Each `after_call` alone, so that one that fails does not silence the rest; wrappers need all in one."""
        caller = self._relay.after_call
        found = caller.get_hookimpls()
        if any(one.wrapper or one.hookwrapper for one in found):
            return [caller]
        return [one.function if one.argnames else _without_arguments(one.function) for one in reversed(found)]

    def _guarded(self, hook: str, **arguments: Any) -> Any:
        caller = getattr(self._relay, hook)
        if not caller.get_hookimpls():
            return None
        try:
            return caller(**arguments)
        except Exception as exception:
            from dragoman.core.errors import DragomanError, OpenAIError

            if isinstance(exception, OpenAIError):
                raise
            raise DragomanError(self._blame(hook, exception)) from exception

    def _warn(self, hook: str, exception: Exception) -> None:
        message = self._blame(hook, exception)
        # Without a configured logging, a louder level would print the same a second time.
        log.debug(message, exc_info=exception)
        warnings.warn(message, DragomanWarning, stacklevel=3)

    def _blame(self, hook: str, exception: Exception) -> str:
        """Name whose hook failed: a distribution, and how to go on without it, or code that is not installed."""
        failure = f"failed: {type(exception).__name__}: {exception}"
        steps = list(_steps(exception))
        module = next((name for name, _ in steps if name.partition(".")[0] != "pluggy" and name != __name__), "")
        codes = [code for _, code in steps]
        # What a hook returned has no way to it: then it is one of all that have it.
        suspects = getattr(self._relay, hook).get_hookimpls()
        suspects = [one for one in suspects if _code(one.function) in codes or not module]
        module = module or " or ".join(one.function.__module__ for one in suspects)
        for one in suspects:
            offer = self._plugins.offer_of(one.plugin)
            if offer is not None:
                remedy = f"to go on without it: {SELECTION}=no:{offer.name}"
                return f"{hook} of {offer.origin} ({module}) {failure}; {remedy}"
        return f"{hook} of {module or 'a plugin'} {failure}"


def _dollars(price: Any) -> Decimal:
    """Read what a hook said; only a Decimal can be added to others. Raises ValueError for what is no amount."""
    try:
        found = Decimal(str(price))
    except ArithmeticError:
        found = Decimal("NaN")
    if not found.is_finite():
        message = f"it gave {price!r}, which is no number of US dollars"
        raise ValueError(message)
    return found


def _wanted(*hooks: HookCaller) -> bool:
    """Whether one of the hooks has an implementation of a plugin that does not say that it is off."""
    return any(_takes_part(one.plugin) for hook in hooks for one in hook.get_hookimpls())


def _takes_part(plugin: object) -> bool:
    ask: Callable[[], bool] | None = getattr(plugin, "takes_part", None)
    try:
        return ask is None or ask()
    except Exception:  # noqa: BLE001 (a plugin that cannot say that it is off is on)
        return True


def _steps(exception: BaseException) -> Iterator[tuple[str, CodeType]]:
    """Module and code of each function on the way to where an exception was raised."""
    trace = exception.__traceback__
    while trace is not None:
        yield str(trace.tb_frame.f_globals.get("__name__")), trace.tb_frame.f_code
        trace = trace.tb_next


def _code(function: Any) -> CodeType | None:
    return getattr(getattr(function, "__func__", function), "__code__", None)


def _without_arguments(function: Callable[[], object]) -> Callable[..., object]:
    return lambda call: function()  # noqa: ARG005 (a hook may leave its arguments out)
