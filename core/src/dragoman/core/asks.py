"""What is wanted of a service: a request, whose answer may be written in another dialect, and the client's options."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from dragoman.core.exchange import CHAT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from dragoman.core.exchange import Exchange
    from dragoman.core.provider import Call, Json, OnUnsupported, Provider, Timeout, Wire


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What a client says about each of its calls. `api_key` goes to whichever provider is called.

    `headers` are this call's own; `default_headers` are all calls', and credentials among them are for the
    default provider. `count_usage`: streams of chat completions are asked for their usage, which the caller sees
    only if the request asks for it too; it stands in the `Call`. `on_wire` is shown what is about to be sent, once for
    each attempt.
    """

    api_key: str | None = field(default=None, repr=False)
    timeout: Timeout = None
    max_retries: int | None = None
    on_unsupported: OnUnsupported = "raise"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    default_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, object] = field(default_factory=dict, repr=False)
    count_usage: bool = False
    on_wire: Callable[[Provider, Call, Wire], object] | None = None


class AnswerWriter(Protocol):
    """Writes the answer of a chat for a caller who speaks another dialect than OpenAI's."""

    def whole(self, completion: Json) -> bytes:
        """Write a whole answer, which comes as a `chat.completion`."""

    def step(self, exchange: Exchange) -> Callable[[bytes | None], Iterable[bytes]]:
        """Make what writes a stream.

        It is called with each piece of the provider's body and at the end with None: `exchange.feed` turns them into
        chunks, and `exchange.end` has to be called before the last of it is written.
        """


@dataclass(frozen=True, slots=True)
class Ask:
    """What is wanted: OpenAI's JSON for an endpoint, or a `content` that is no JSON, of type `content_type`.

    `endpoint` is the path below OpenAI's `/v1`, as "chat/completions". `headers` and `query` are for the provider,
    after the client's own. `writer` writes the answer of a chat; without one it is OpenAI's.
    `native` is the chat as Anthropic's dialect has it: a provider that has the dialect gets it, and its answer is
    handed on as it is, unless a hook wants to see chunks or has changed the request.
    `finite` are keys of the request that are known to hold no number that JSON cannot say.
    """

    request: Json
    endpoint: str = CHAT
    method: str = "POST"
    content: bytes | None = None
    content_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, object] = field(default_factory=dict, repr=False)
    writer: AnswerWriter | None = None
    native: Json | None = None
    finite: frozenset[str] = frozenset()
