"""One call's life, without I/O: OpenAI's JSON in, the vendor's wire out, the reply in, OpenAI's JSON out.

Whoever does the I/O (`driver`) calls `open`, puts the wire on the network, and hands the reply to `answer`,
or to `begin` and then piece by piece to `feed` or `relay`; `completed`, `failed` and `abandoned` end the call.
"""

from __future__ import annotations

import math
from typing import Any

from dragoman.core import errors
from dragoman.core.chunks import cut
from dragoman.core.codec import decode_json, encode_json
from dragoman.core.framing import FramingError, frames
from dragoman.core.hooks import Hooks
from dragoman.core.provider import (
    AsyncReply,
    Call,
    Event,
    Json,
    Provider,
    Reply,
    StreamCutError,
    StreamDecoder,
    VendorError,
    Wire,
)

CHAT = "chat/completions"
_OK = range(200, 300)
_DONE = b"[DONE]"


class Exchange:
    """`provider` answers `call`; `hooks` are told. `done` is set when a stream's end was read."""

    def __init__(self, provider: Provider, call: Call, hooks: Hooks) -> None:
        self.provider = provider
        self.call = call
        self.hooks = hooks
        self.done = False
        self.headers: Any = {}
        #: The vendor's own bytes, where nothing was translated.
        self.raw: bytes | None = None
        self._answered: Json | None = None
        self._reply: Reply | AsyncReply | None = None
        self._decoder: StreamDecoder | None = None
        self._whole: bytearray | None = None
        self._finished = False
        self._finish_seen = False
        self._chat = call.endpoint == CHAT

    # Opening.

    def open(self) -> Wire | None:
        """Make the wire; None if a hook answered, or if there is nothing to ask the vendor."""
        call = self.call
        self.hooks.before_call(call)
        if self._chat:
            _check(call)
        self._answered = self.hooks.answer_call(call) if self._chat else None
        if self._answered is not None:
            return None
        offered = self.provider.endpoints
        if offered is not None and call.endpoint.partition("/")[0] not in offered:
            message = f"{call.provider} has no {call.endpoint!r} endpoint (it has: {', '.join(sorted(offered))})"
            raise errors.status_error(404, _error(message, "unsupported_endpoint"), path=call.endpoint)
        wire = self.provider.encode(call)
        if call.extra_body:
            wire.body = {**(wire.body or {}), **call.extra_body}
        if wire.content is None and wire.body is not None:
            wire.content = encode_json(wire.body)
        return wire

    # Answers that come whole.

    def answer(self, reply: Reply | AsyncReply | None) -> Json:
        """Decode a whole reply; None: a hook has answered."""
        if reply is None:
            return self._end(self._answered or {})
        self._accept(reply)
        if not self._chat and "json" not in reply.headers.get("content-type", "json"):
            self.raw = reply.content
            return self._end({})
        body = self._json(reply.content, reply)
        self._raise_inline_error(body)
        try:
            response = self.provider.decode(self.call, body)
        except (LookupError, TypeError, AttributeError, ValueError) as exception:
            raise self._unreadable("with JSON that is not the shape of an answer", reply, body) from exception
        if self._chat and not isinstance(response.get("choices"), list):
            raise self._unreadable("without choices", reply, body)
        if response is body and not self.call.ledger.report():
            self.raw = reply.content
        return self._end(response)

    def _end(self, response: Json) -> Json:
        report = self.call.ledger.report()
        if report and self._chat:
            response = {**response, "choices": [_with_report(choice, "message", report) for choice in response["choices"]]}
        self.call.response = response
        self.call.usage = response.get("usage")
        self.completed()
        return response

    def _accept(self, reply: Reply | AsyncReply) -> None:
        """Raise for a status that is a failure."""
        self._reply = reply
        self.headers = reply.headers
        if reply.status in _OK:
            return
        error = self.provider.decode_error(reply.status, _json_or_text(reply.content))
        raise errors.status_error(
            reply.status, error, headers=reply.headers, response=reply.response, cause=reply.cause, path=self.call.endpoint
        )

    def _json(self, content: bytes, reply: Reply | AsyncReply) -> Json:
        try:
            body = decode_json(content)
        except ValueError as exception:
            kind = reply.headers.get("content-type") or "no content type"
            what = f"{kind} instead of JSON" if content.strip() else "an empty body"
            raise self._unreadable(f"with {what}", reply, None) from exception
        if isinstance(body, list) and self.call.endpoint == "models":
            return {"data": body}
        if not isinstance(body, dict):
            raise self._unreadable("with JSON that is not an object", reply, body)
        return body

    def _raise_inline_error(self, body: Json) -> None:
        """Gateways report errors with status 200 now and then."""
        if body.get("error") and not body.get("choices") and self._chat:
            raise self._vendor_error(body)

    def _vendor_error(self, body: Json) -> VendorError:
        error = self.provider.decode_error(200, body)
        return VendorError(error, _status_in(error.get("code"), body.get("error")))

    def _unreadable(self, how: str, reply: Reply | AsyncReply, body: object) -> Exception:
        message = f"{self.call.provider} answered {how}; is the base URL right?"
        return errors.invalid_reply(message, response=reply.response, body=body, path=self.call.endpoint)

    # Answers that come piece by piece.

    @property
    def untouched(self) -> bool:
        """Whether the vendor's bytes may be handed on as they are."""
        return self._answered is None and self._decoder is None and self._whole is None and not self.hooks.sees_chunks

    def begin(self, reply: Reply | AsyncReply | None) -> None:
        """Look at the head of a streamed reply; None: a hook has answered."""
        if reply is None:
            return
        self._accept(reply)
        self._frames = frames(self.provider.framing)
        self._decoder = self.provider.decode_stream(self.call) if self._chat else None
        kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
        if self._chat and kind == "text/html":
            raise self._unreadable("with text/html instead of a stream", reply, None)
        if self._chat and kind == "application/json" and self.provider.framing == "sse":
            # The server did not stream: an error with status 200, or a whole answer.
            self._whole = bytearray()

    def feed(self, piece: bytes | None) -> list[Json]:
        """One piece of the body -> chunks; None: the body has ended."""
        if self._answered is not None:
            chunks = cut(self.call, self._answered) if piece is None else []
        elif self._whole is not None:
            chunks = self._feed_whole(piece)
        else:
            chunks = self._feed_events(piece)
        return [chunk for found in chunks if (chunk := self._see(found)) is not None]

    def relay(self, piece: bytes | None) -> list[bytes]:
        """Like `feed`, as the bytes of OpenAI's own stream; the vendor's bytes where nothing was translated."""
        if self.untouched:
            if self._chat:
                self.feed(piece)
            return [piece] if piece else []
        lines = [b"data: " + encode_json(chunk) + b"\n\n" for chunk in self.feed(piece)]
        return lines if piece is not None else [*lines, b"data: [DONE]\n\n"]

    def _feed_whole(self, piece: bytes | None) -> list[Json]:
        if piece is not None:
            self._whole += piece  # type: ignore[operator]  # begin() made it a bytearray
            return []
        reply = self._reply
        assert reply is not None  # noqa: S101 (begin() was given it)
        body = self._json(bytes(self._whole or b""), reply)
        self._raise_inline_error(body)
        return cut(self.call, self.provider.decode(self.call, body))

    def _feed_events(self, piece: bytes | None) -> list[Json]:
        events = self._frames.finish() if piece is None else self._frames.feed(piece)
        chunks: list[Json] = []
        for event in events:
            if event.data == _DONE:
                self.done = True
            elif self._decoder is None:
                chunks.append(self._chunk_in(event))
            else:
                chunks.extend(self._decoder.feed(event))
        if piece is None and self._decoder is not None:
            chunks.extend(self._decoder.finish())
        return chunks

    def _chunk_in(self, event: Event) -> Json:
        """Read an event that already is OpenAI's chunk."""
        chunk = decode_json(event.data)
        if not isinstance(chunk, dict):
            message = f"{self.call.provider} sent a stream event that is not a JSON object"
            raise FramingError(message)
        if chunk.get("error") or event.name == "error":
            raise self._vendor_error(chunk)
        return chunk

    def _see(self, chunk: Json) -> Json | None:
        """Keep account of a chunk; None: it is not the caller's (usage that was not asked for)."""
        choices = chunk.get("choices")
        finished = any(choice.get("finish_reason") for choice in choices or ())
        self._finish_seen = self._finish_seen or finished
        if chunk.get("usage"):
            self.call.usage = chunk["usage"]
        if not self.untouched:
            asked = (self.call.request.get("stream_options") or {}).get("include_usage")
            if not choices and chunk.get("usage") and not asked:
                return None
            if asked:
                chunk.setdefault("usage", None)
        if finished and (report := self.call.ledger.report()):
            chunk = {**chunk, "choices": [_with_report(choice, "delta", report) for choice in choices or ()]}
        self.hooks.on_chunk(self.call, chunk)
        return chunk

    # The end: exactly one of these has an effect.

    def completed(self) -> None:
        """The answer is whole; raises if a stream never said so."""
        if self._answered is None and self.call.stream and self._chat and not self._finish_seen:
            message = "the stream ended before its finish_reason"
            raise StreamCutError(message)
        self._finish("complete")

    def abandoned(self) -> None:
        """The caller closed the stream."""
        self._finish("abandoned")

    def failed(self, exception: BaseException) -> BaseException:
        """Turn whatever was raised into what the caller shall see, with its cause kept."""
        failure = self._failure(exception)
        self.call.error = failure
        self._finish("failed" if isinstance(failure, Exception) else "abandoned")
        return failure

    def _failure(self, exception: BaseException) -> BaseException:
        path, name = self.call.endpoint, self.call.provider
        if isinstance(exception, VendorError):
            failure: BaseException = errors.stream_error(exception.error, exception.status, path=path)
        elif isinstance(exception, StreamCutError):
            message = f"{name}: {exception}; what was delivered before is intact, but the answer is not whole"
            failure = errors.connection_error(message, path=path)
        elif isinstance(exception, FramingError) or (self._reply is not None and _is_decoding_failure(exception)):
            failure = errors.invalid_reply(
                f"{name} sent a stream that cannot be read: {type(exception).__name__}",
                response=getattr(self._reply, "response", None),
                body=None,
                path=path,
            )
        else:
            return errors.translate(exception, name, path)
        failure.__cause__ = exception.__cause__ or exception
        return failure

    def _finish(self, outcome: Any) -> None:
        if self._finished:
            return
        self._finished = True
        self.call.outcome = outcome
        self.hooks.after_call(self.call)


def _is_decoding_failure(exception: BaseException) -> bool:
    return isinstance(exception, LookupError | TypeError | AttributeError | ValueError) and not isinstance(
        exception, errors.openai.OpenAIError
    )


def _check(call: Call) -> None:
    """Refuse what no provider can be asked."""
    messages = call.request.get("messages")
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise errors.InvalidRequest("messages must be a list of objects with a role each")
    for name, value in call.request.items():
        if isinstance(value, float) and not math.isfinite(value):
            message = f"{name} must be a finite number; JSON has no {value}"
            raise errors.InvalidRequest(message)


def _with_report(choice: Json, key: str, report: Json) -> Json:
    """Put the ledger's report into a choice's message or delta."""
    message = choice.get(key) or {}
    extra = {**(message.get("extra_content") or {}), "dragoman": report}
    return {**choice, key: {**message, "extra_content": extra}}


def _json_or_text(content: bytes) -> Any:
    try:
        return decode_json(content)
    except ValueError:
        return content.decode("utf-8", "replace")


def _error(message: str, code: str) -> Json:
    return {"message": message, "type": "invalid_request_error", "param": None, "code": code}


def _status_in(code: Any, error: Any) -> int | None:
    """Some servers put an HTTP status into the error object: as its code, or beside it."""
    found = [code, *(error.get(key) for key in ("status_code", "status") if isinstance(error, dict))]
    for value in found:
        text = str(value)
        if text.isascii() and text.isdigit() and 400 <= int(text) < 600:  # noqa: PLR2004 (HTTP's error statuses)
            return int(text)
    return None
