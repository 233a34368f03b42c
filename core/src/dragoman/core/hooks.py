"""Calls the hooks, and keeps a plugin's failure from becoming something else."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any

from dragoman.core.policy import DragomanWarning

if TYPE_CHECKING:
    from dragoman.core.provider import Call, Json

log = logging.getLogger("dragoman")


class Hooks:
    """The hooks of all plugins, for exchanges. `sees_chunks`: whether anybody looks at chunks at all."""

    def __init__(self, relay: Any) -> None:
        self._relay = relay

    @property
    def sees_chunks(self) -> bool:
        """Whether `on_chunk` has an implementation; if not, streams are spared the call."""
        return bool(self._relay.on_chunk.get_hookimpls())

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
        """Tell everybody that a call has ended; what they raise is a warning, since the answer is there."""
        try:
            self._relay.after_call(call=call)
        except Exception as exception:  # noqa: BLE001 (a plugin may raise anything)
            message = f"a plugin's after_call failed: {type(exception).__name__}: {exception}"
            log.warning(message, exc_info=True)
            warnings.warn(message, DragomanWarning, stacklevel=2)

    def _guarded(self, hook: str, **arguments: Any) -> Any:
        from dragoman.core.errors import DragomanError, openai

        try:
            return getattr(self._relay, hook)(**arguments)
        except openai.OpenAIError:
            raise
        except Exception as exception:
            message = f"a plugin's {hook} failed: {type(exception).__name__}: {exception}"
            raise DragomanError(message) from exception
