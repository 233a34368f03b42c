"""How clients speak: what they ask for, and how they are told of failures. OpenAI's is the one that core speaks too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

from dragoman.core import read_ask

if TYPE_CHECKING:
    from dragoman.core import Ask
    from dragoman.server.refusals import Failure


class Dialect(Protocol):
    """One way to write requests, answers and failures."""

    def read(self, endpoint: str, method: str, content: bytes, content_type: str) -> Ask:
        """Read a request's body. Raises `InvalidRequest` or `Refusal`."""

    def failure(self, failure: Failure, request_id: str) -> bytes:
        """Write the body of a failure, as JSON."""

    def event(self, failure: Failure, request_id: str) -> bytes:
        """Write a failure that happens inside a stream, as a server-sent event."""


class OpenAIDialect:
    """OpenAI's own."""

    def read(self, endpoint: str, method: str, content: bytes, content_type: str) -> Ask:
        """JSON, unless it is a form: curl says `application/x-www-form-urlencoded` where it is told nothing."""
        return read_ask(endpoint, method, content, content_type if content_type.startswith("multipart/") else "")

    def failure(self, failure: Failure, request_id: str) -> bytes:
        """Write `{"error": …}`; the id stands in a header."""
        del request_id
        return json.dumps({"error": failure.error}, ensure_ascii=False).encode("utf-8", "replace")

    def event(self, failure: Failure, request_id: str) -> bytes:
        """Write the event that OpenAI's SDKs raise as an `APIError`."""
        return b"data: " + self.failure(failure, request_id) + b"\n\n"
