"""How Anthropic's clients speak: what they ask for, and how they are told of failures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dragoman.core import Ask, InvalidRequest, read_ask
from dragoman.server.messages.draft import Draft
from dragoman.server.messages.errors import encode_error
from dragoman.server.messages.history import restore_messages
from dragoman.server.messages.request import OURS, decode_request
from dragoman.server.messages.target import find_target
from dragoman.server.messages.writer import MessagesWriter
from dragoman.server.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.core import Dispatcher, Json, OnUnsupported
    from dragoman.server.messages.target import Target
    from dragoman.server.refusals import Failure

COUNT_TOKENS = "messages/count_tokens"
#: Headers that say how a request is to be read: they are for a provider that has this dialect.
OWN_HEADERS = ("anthropic-beta", "anthropic-version")
#: What Anthropic's SDKs say in the query.
_OWN_QUERY = ("beta",)


class MessagesDialect:
    """Anthropic's Messages, over any provider, for one request.

    `policy` is the server's usual `on_unsupported`; `headers` are those among `OWN_HEADERS` that the client sent.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        policy: OnUnsupported = "raise",
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> None:
        self._dispatcher = dispatcher
        self._policy = policy
        self._headers = headers or {}
        self._query = {name: value for name, value in (query or {}).items() if name in _OWN_QUERY}

    def read(self, endpoint: str, method: str, content: bytes, content_type: str) -> Ask:
        """Read a request's body. Raises `Refusal`, and `openai.OpenAIError` for what cannot be asked."""
        del content_type
        if method == "GET":
            return read_ask(endpoint, method)
        body = read_ask(endpoint, method, content, foreign=False).request
        model = body.get("model")
        if not isinstance(model, str) or not model:
            msg = "model: name a model, such as 'anthropic/claude-sonnet-4-5'"
            raise InvalidRequest(msg)
        target = find_target(self._dispatcher, model, self._policy)
        if endpoint == COUNT_TOKENS:
            return self._count(body, target)
        policy = _policy_of(body, target)
        chat, ledger = decode_request(body, target, policy)
        if not target.native:
            return Ask(chat, writer=MessagesWriter(ledger))
        native = {name: value for name, value in restore_messages(Draft(body, target)).items() if name not in OURS}
        return Ask(chat, headers=self._headers, query=self._query, writer=MessagesWriter(ledger), native=native)

    def _count(self, body: Json, target: Target) -> Ask:
        """Only who has the endpoint can count: a number of anybody else's would be an estimate."""
        if not target.native:
            message = f"{target.name} does not count tokens before a request is made, and they are not estimated here"
            raise Refusal(404, message, code="unsupported_endpoint", type="not_found_error")
        if not isinstance(body.get("messages"), list):
            msg = "messages: send a list of messages"
            raise InvalidRequest(msg)
        return Ask(restore_messages(Draft(body, target)), COUNT_TOKENS, headers=self._headers, query=self._query)

    def failure(self, failure: Failure, request_id: str) -> bytes:
        """Write the body of a failure, as JSON."""
        return json.dumps(encode_error(failure.status, failure.error, request_id), separators=(",", ":")).encode()

    def event(self, failure: Failure, request_id: str) -> bytes:
        """Write a failure that happens inside a stream, as a server-sent event."""
        return b"event: error\ndata: " + self.failure(failure, request_id) + b"\n\n"


def _policy_of(body: Json, target: Target) -> OnUnsupported:
    """What the request says itself, or who will answer it. Core judges the word; here it only has to be one."""
    control = body.get("dragoman")
    found: OnUnsupported = control.get("on_unsupported", target.policy) if isinstance(control, dict) else target.policy
    return found
