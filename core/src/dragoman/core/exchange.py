"""One call's life, without I/O: OpenAI's JSON in, the vendor's wire out, the reply in, OpenAI's JSON out.

Whoever does the I/O (`driver`) calls `open`, puts the wire on the network, and hands the reply to `answer`,
or to `begin` and then piece by piece to `feed` or `relay`; `completed`, `failed` and `abandoned` end the call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from dragoman.core.assembly import Assembly, copied
from dragoman.core.chunks import Endings, cut, place_usage, says_something, with_ledger
from dragoman.core.codec import encode_lenient
from dragoman.core.failures import check_messages, failure_of, no_endpoint, told_to_start
from dragoman.core.framing import NDJSON, SSE, WholeEvents, event_parts, frames
from dragoman.core.messages import MessagesWatch, native_of
from dragoman.core.provider import AsyncReply, Json, Reply, StreamCutError, StreamDecoder, Wire
from dragoman.core.replies import Unstreamed, accept, content_type, is_no_json, read_chunk, read_completion, read_json
from dragoman.core.watches import failure_told, read_watched, stream_of, watch_of
from dragoman.core.wires import make_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dragoman.core.attempt import Attempt
    from dragoman.core.failures import Phase
    from dragoman.core.hooks import Hooks

CHAT = "chat/completions"
_DONE = b"[DONE]"


class Exchange:
    """`attempt.provider` answers `attempt.call`; `hooks` are told. `done` is set when a stream's end was read.

    `content` is a request's body where that is no JSON (a form with a file), of the type `content_type`.
    `following` gives the attempt to make after a failure, or None if the failure is final.
    """

    def __init__(
        self,
        attempt: Attempt,
        hooks: Hooks,
        content: bytes | None = None,
        content_type: str = "",
        following: Callable[[BaseException], Attempt | None] | None = None,
    ) -> None:
        self.hooks = hooks
        self.content = content
        self.content_type = content_type
        self.following = following
        self._attempt(attempt)

    def _attempt(self, attempt: Attempt) -> None:
        self._tried, self.provider, self.call = attempt, attempt.provider, attempt.call
        # Fewer than 30 attributes: with more, Python makes each exchange a dict of 1 KiB.
        self.wait = attempt.wait  # seconds until the call may be sent
        self.done = False
        #: Whether a stream has said something: text, thoughts, a tool call, its end.
        self.spoken = False
        self.status = 200
        self.headers: Any = {}
        #: The vendor's own bytes, where nothing was translated.
        self.raw: bytes | None = None
        self._phase: Phase = "encoding"
        self._answered: Json | None = None
        self._reply: Reply | AsyncReply | None = None
        self._frames: SSE | NDJSON = frames(self.provider.framing)
        self._decoder: StreamDecoder | None = None
        self._whole: Unstreamed | None = None
        self._assembly = Assembly() if self.hooks.sees_answers else None
        self._endings = Endings()
        self._shows_chunks = False
        #: Whether usage is in the chunks only as the caller asked for it, and whether the caller did.
        self._places_usage = self._usage_asked = False
        self._chat = self.call.endpoint == CHAT and self.call.method == "POST"
        self._watcher = watch_of(self.provider, self.call)
        known = self._watcher is not None or (self._chat and self.provider.framing == "sse")
        self._events = WholeEvents(wait=known)
        #: Whether a chat's request and answer are handed on in Anthropic's dialect; `open` finds out.
        self.passes = False

    def fall_back(self, failure: BaseException) -> bool:
        """Begin anew with the next provider, if there is one and the failure is not final."""
        attempt = self.following(failure) if self.following is not None else None
        if attempt is None:
            return False
        self._attempt(attempt)
        return True

    # Opening.

    def open(self) -> Wire | None:
        """Make the wire; None if a hook answered, or if there is nothing to ask the vendor."""
        call, asked = self.call, self.call.request
        shown = self.hooks.sees_requests
        if shown:
            call.request, call.extra_body = copied(call.request), copied(call.extra_body)
        self.hooks.before_call(call)
        native = native_of(self._tried, self.hooks, asked)
        if self._chat:
            check_messages(call)
            self._answered = self.hooks.answer_call(call)
            if self._answered is not None:
                call.answered = True
                return None
        offered = self.provider.endpoints
        if offered is not None and call.endpoint.partition("/")[0] not in offered:
            raise no_endpoint(call, offered)
        if native is not None:
            self.passes, self._chat, self._watcher = True, False, MessagesWatch(self.provider, self.call)
        wire = make_wire(self._tried, native, self.content, self.content_type, shown)
        self._phase = "sending"
        if self._tried.on_wire is not None:
            self._tried.on_wire(self.provider, call, wire)
        return wire

    # Answers that come whole.

    def answer(self, reply: Reply | AsyncReply | None) -> Json:
        """Decode a whole reply; None: a hook has answered."""
        if reply is None:
            return self._end(self._answered or {})
        self._accept(reply)
        if not self._chat and is_no_json(self.call, reply):
            self.raw = reply.content
            return self._end({})
        body = read_json(self.call, reply, reply.content)
        response = self._read(reply, body)
        if response is body and not self.call.ledger.report():
            self.raw = reply.content
        return self._end(response)

    def _read(self, reply: Reply | AsyncReply, body: Json) -> Json:
        if self._chat:
            return read_completion(self.provider, self.call, reply, body)
        return read_watched(self.provider, self.call, self._watcher, body)

    def _end(self, response: Json) -> Json:
        if self._chat:
            response = with_ledger(response, "message", self.call.ledger)
        self.call.response = None if self.passes else response
        self.call.usage = self._watcher.usage if self._watcher is not None else response.get("usage")
        self.completed()
        return response

    def _accept(self, reply: Reply | AsyncReply) -> None:
        self._phase = "decoding"
        self._reply = reply
        self.headers = reply.headers
        self.status = reply.status
        accept(self.provider, self.call, reply)

    # Answers that come piece by piece.

    @property
    def _made_here(self) -> bool:
        """Whether the chunks are made by a translator or by `cut`, and not the vendor's own."""
        return self._answered is not None or self._decoder is not None or self._whole is not None

    @property
    def untouched(self) -> bool:
        """Whether the vendor's bytes may be handed on as they are."""
        return not self._chat or not (self._made_here or self.hooks.sees_chunks)

    def begin(self, reply: Reply | AsyncReply | None) -> None:
        """Look at the head of a streamed reply; None: a hook has answered."""
        if reply is not None:
            self._accept(reply)
            if self._chat:
                self._decoder = self.provider.decode_stream(self.call)
            if self._events.wait and content_type(reply) == "application/json":
                # The server did not stream: an error with status 200, or a whole answer.
                self._whole = Unstreamed(self.call, reply)
        # Found out once, and not for every chunk.
        self._places_usage = self._made_here or self._tried.hide_usage
        options = self.call.request.get("stream_options")
        asked = isinstance(options, dict) and bool(options.get("include_usage"))
        self._usage_asked = asked and not self._tried.hide_usage
        self._shows_chunks = self.hooks.sees_chunks

    def feed(self, piece: bytes | None) -> Iterator[Json]:
        """One piece of the body -> chunks; None: the body has ended. What comes before a failure is given first."""
        piece = self._sorted(piece)
        if self._answered is not None:
            chunks = iter(cut(self.call, self._answered) if piece is None else ())
        elif self._whole is not None:
            chunks = iter(cut(self.call, self._read(self._whole.reply, self._whole.read())) if piece is None else ())
        else:
            chunks = self._feed_events(piece)
        # A generator would keep the chunk that it gave, for as long as the caller likes.
        return filter(None, map(self._see, chunks))

    def relay(self, piece: bytes | None) -> Iterator[bytes]:
        """Like `feed`, as the bytes of OpenAI's own stream; the vendor's bytes where nothing was translated."""
        piece = self._sorted(piece)
        if self._whole is not None and self._watcher is not None:
            if piece is None:
                told = stream_of(self.provider, self.call, self._watcher, self._whole)
                self.done = True
                yield told
        elif self.untouched:
            for part in event_parts(piece or b""):
                # Read first: an event that reports a failure is not handed on, but raised.
                self._watch(part)
                if told := self._events.take(part):
                    yield told
            if piece is None:
                self._watch(None)
                if told := self._events.rest():
                    yield told
        else:
            for chunk in self.feed(piece):
                yield b"data: " + encode_lenient(chunk) + b"\n\n"
            if piece is None:
                self.end()
                yield b"data: [DONE]\n\n"

    def end(self) -> None:
        """The body has been read, and what follows is the caller's own end of a stream; raises if it was cut."""
        self._check_whole()
        self.done = True

    def _watch(self, piece: bytes | None) -> None:
        """Keep account of bytes that are handed on as they are."""
        if self._watcher is not None:
            self.spoken, self.done = self._watcher.look(piece)
        elif self._chat:
            for _ in self.feed(piece):
                pass
            if self.done or piece is None:
                # Whoever reads `[DONE]` stops there, and would never learn that something is missing.
                self._check_whole()

    def _sorted(self, piece: bytes | None) -> bytes | None:
        """Keep what belongs to an answer that comes whole; give what is of a stream."""
        if self._whole is None or piece is None:
            return piece
        events = self._whole.take(piece)
        if events:
            self._whole = None
            self._places_usage = self._made_here or self._tried.hide_usage
        return events

    def _feed_events(self, piece: bytes | None) -> Iterator[Json]:
        last = piece is None
        events = self._frames.finish() if piece is None else self._frames.feed(piece)
        del piece
        for event in events:
            if event.data.startswith(_DONE) and event.data.rstrip() == _DONE:
                self.done = True
            elif self._decoder is None:
                yield read_chunk(self.provider, self.call, event)
            else:
                yield from self._decoder.feed(event)
        if last and self._decoder is not None:
            yield from self._decoder.finish()

    def _see(self, chunk: Json) -> Json | None:
        """Keep account of a chunk; None: it is not the caller's (usage that was not asked for)."""
        choices = chunk.get("choices") or ()
        if self._endings.see(choices):
            self.spoken = True
            chunk = with_ledger(chunk, "delta", self.call.ledger)
        if not self.spoken:
            self.spoken = any(map(says_something, choices))
        if usage := chunk.get("usage"):
            self.call.usage = usage
        if self._assembly is not None:
            self._assembly.add(chunk)
        if self._places_usage:
            if usage and not choices and not self._usage_asked:
                self._events.hidden = True
                return None
            place_usage(chunk, asked=self._usage_asked, hidden=self._tried.hide_usage)
        if self._shows_chunks:
            self.hooks.on_chunk(self.call, chunk)
        return chunk

    # The end: exactly one of these has an effect.

    def completed(self) -> None:
        """The answer is whole; raises if a stream never said so."""
        self._check_whole()
        self._finish("complete")

    def abandoned(self) -> None:
        """The caller closed the stream; after its last event that is the way to end it."""
        self._finish("complete" if self.done and (self._endings.any or not self._chat) else "abandoned")

    def failed(self, exception: BaseException) -> BaseException:
        """Turn whatever was raised into what the caller shall see, with its cause kept."""
        failure = failure_of(exception, self.call, self._phase, getattr(self._reply, "response", None))
        if self.provider.start and self._phase == "sending":
            failure = told_to_start(failure, self.provider)
        self.call.error = failure
        self._finish("failed" if isinstance(failure, Exception) else "abandoned")
        return failure

    def _check_whole(self) -> None:
        if self._answered is not None or not self.call.stream or not self._chat:
            return
        # Some servers tell the end of one choice only; then `[DONE]` is the end of all.
        if not (self._endings.any if self.done else self._endings.all):
            message = "the stream ended before its finish_reason"
            raise StreamCutError(message)

    def _finish(self, outcome: Literal["complete", "failed", "abandoned"]) -> None:
        if self.call.outcome != "pending":
            return
        if self.call.error is None and (told := failure_told(self._watcher)):
            self.failed(told)
            return
        self.call.outcome = outcome
        if outcome == "complete" and self._assembly is not None and self.call.stream and self._chat:
            self.call.response = self._assembly.completion()
        self.hooks.after_call(self.call)
