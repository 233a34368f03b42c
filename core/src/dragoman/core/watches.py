"""Who looks on while an answer goes by that is not translated: what was used, and whether a stream is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core.completions import COMPLETIONS, CompletionsWatch
from dragoman.core.messages import MESSAGES, MessagesWatch
from dragoman.core.responses import RESPONSES, ResponsesWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dragoman.core.provider import Call, Provider

Watch = CompletionsWatch | MessagesWatch | ResponsesWatch
_WATCHES: Mapping[str, Callable[[Provider, Call], Watch]]
_WATCHES = {COMPLETIONS: CompletionsWatch, MESSAGES: MessagesWatch, RESPONSES: ResponsesWatch}


def watch_of(provider: Provider, call: Call) -> Watch | None:
    """Make who looks on at the answer to a call; None: nobody knows how answers of this endpoint are told apart."""
    watch = _WATCHES.get(call.endpoint)
    return watch(provider, call) if watch is not None else None
