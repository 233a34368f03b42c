"""A vendor's reply that came whole -> OpenAI's JSON, or the failure that it stands for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from dragoman.core.chunks import reports_error
from dragoman.core.codec import decode_json
from dragoman.core.failures import error_in, refused, reported, unreadable
from dragoman.core.framing import FramingError

if TYPE_CHECKING:
    from dragoman.core.provider import AsyncReply, Call, Event, Json, Provider, Reply

_OK = range(200, 300)
#: How events begin, as JSON never does; before them may stand a mark of the byte order.
_EVENTS = re.compile(rb"\s*(?:\xef\xbb\xbf\s*)?(?:data|event|id|retry)?:")
_LONGEST = len("\ufeff".encode()) + len("event:")


def content_type(reply: Reply | AsyncReply) -> str:
    """Return the type without its parameters; empty if the reply does not say."""
    return reply.headers.get("content-type", "").partition(";")[0].strip().lower()


def accept(provider: Provider, call: Call, reply: Reply | AsyncReply) -> None:
    """Raise for a status that is a failure, and for a page where there should be an answer."""
    if reply.status not in _OK:
        raise refused(call, reply, provider.decode_error(reply.status, _json_or_text(reply.content)))
    if content_type(reply) == "text/html" and not _is_file(call):
        raise unreadable(call, "with an HTML page", reply, None)


def is_no_json(call: Call, reply: Reply | AsyncReply) -> bool:
    """Whether an answer is handed on unread: nothing, another type, or a file, which may be a page, or JSON Lines."""
    return not reply.content or "json" not in reply.headers.get("content-type", "json") or _is_file(call)


def _is_file(call: Call) -> bool:
    return call.endpoint.endswith("/content")


def read_json(call: Call, reply: Reply | AsyncReply, content: bytes) -> Json:
    """Read a body that must be a JSON object."""
    try:
        body = decode_json(content)
    except ValueError as exception:
        what = f"a body that is not JSON ({content_type(reply) or 'no content type'})" if content.strip() else "no body"
        raise unreadable(call, f"with {what}", reply, None) from exception
    if isinstance(body, list) and call.endpoint == "models":
        return {"data": body}
    if not isinstance(body, dict):
        raise unreadable(call, "with JSON that is not an object", reply, body)
    return body


def read_completion(provider: Provider, call: Call, reply: Reply | AsyncReply, body: Json) -> Json:
    """Translate a chat completion's answer."""
    if reports_error(body) and not body.get("choices"):
        # Gateways report errors with status 200 now and then.
        raise error_in(provider, call, body)
    response = provider.decode(call, body)
    if not isinstance(response.get("choices"), list):
        raise unreadable(call, "without choices", reply, body)
    return response


class Unstreamed:
    """A body that is labelled as JSON where a stream was asked for: one answer, or events under a wrong label."""

    def __init__(self, call: Call, reply: Reply | AsyncReply) -> None:
        self.reply = reply
        self._call = call
        self._content = bytearray()
        self._is_answer = False

    def take(self, piece: bytes) -> bytes:
        """Take the next bytes; return all that have come if they are events, else nothing."""
        self._content += piece
        if self._is_answer:
            return b""
        if _EVENTS.match(self._content):
            return bytes(self._content)
        self._is_answer = len(self._content.lstrip()) >= _LONGEST
        return b""

    def read(self) -> Json:
        """Read the answer, once all of it is there."""
        return read_json(self._call, self.reply, bytes(self._content))


def _json_or_text(content: bytes) -> Any:
    try:
        return decode_json(content)
    except ValueError:
        return content.decode("utf-8", "replace")


def read_chunk(provider: Provider, call: Call, event: Event) -> Json:
    """Read an event that already is OpenAI's chunk. Raises `VendorError` for one that reports a failure."""
    chunk = decode_json(event.data)
    if not isinstance(chunk, dict):
        message = f"{call.provider} sent a stream event that is not a JSON object"
        raise FramingError(message)
    if reports_error(chunk, event.name):
        raise reported(provider.decode_error(200, chunk), chunk)
    return chunk
