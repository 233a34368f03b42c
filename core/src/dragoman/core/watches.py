"""Who looks on while an answer goes by that is not translated: what was used, and whether a stream is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core.chunks import reports_error
from dragoman.core.codec import encode_lenient
from dragoman.core.completions import COMPLETIONS, CompletionsWatch
from dragoman.core.failures import error_in, not_streamed
from dragoman.core.messages import MESSAGES, MessagesWatch
from dragoman.core.responses import RESPONSES, ResponsesWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dragoman.core.provider import Call, Json, Provider, VendorError
    from dragoman.core.replies import Unstreamed

Watch = CompletionsWatch | MessagesWatch | ResponsesWatch
_WATCHES: Mapping[str, Callable[[Provider, Call], Watch]]
_WATCHES = {COMPLETIONS: CompletionsWatch, MESSAGES: MessagesWatch, RESPONSES: ResponsesWatch}
#: Where streams are events that somebody looks at, whatever their label says.
WATCHED = frozenset(_WATCHES)


def watch_of(provider: Provider, call: Call) -> Watch | None:
    """Make who looks on at the answer to a call; None: nobody knows how answers of this endpoint are told apart."""
    watch = _WATCHES.get(call.endpoint)
    return watch(provider, call) if watch is not None else None


def read_watched(provider: Provider, call: Call, watch: Watch | None, body: Json) -> Json:
    """Read an answer that came whole, at any endpoint but that of chats."""
    if isinstance(watch, MessagesWatch):
        return watch.read(body)
    decoded = provider.decode(call, body)
    return decoded if watch is None else watch.read(decoded)


def stream_of(provider: Provider, call: Call, watch: Watch, answer: Unstreamed) -> bytes:
    """Make a stream of an answer that came whole where one was asked for; it is counted in any case.

    A text completion is its own only event. The others would have to be cut into events of the vendor's making, each
    with rules of its own, which their clients join again: they are refused before the caller's response begins.
    """
    body = answer.read()
    if reports_error(body):
        raise error_in(provider, call, body)
    body = read_watched(provider, call, watch, body)
    call.usage = watch.usage
    if isinstance(watch, CompletionsWatch):
        return b"data: " + encode_lenient(body) + b"\n\ndata: [DONE]\n\n"
    raise not_streamed(call, answer.reply, body)


def failure_told(watch: Watch | None) -> VendorError | None:
    """Return the failure that a stream has told of in its own words, and that was not raised."""
    return watch.failure if isinstance(watch, ResponsesWatch) else None
