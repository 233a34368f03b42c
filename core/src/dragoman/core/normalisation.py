"""Answers of OpenAI-compatible servers, put as OpenAI promises them.

The promises, which OpenAI's own server keeps and its imitators forget, each another one: one id, `created` and
model; the role once; `content` null beside tool calls only; each tool call with an id, a name and arguments that
are text, counted 0, 1, 2 …; one finish reason out of OpenAI's five; usage that adds up, in a chunk of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from dragoman.core.chunks import reports_error
from dragoman.core.codec import decode_json
from dragoman.core.policy import warn_once
from dragoman.core.provider import VendorError
from dragoman.core.toolcalls import Fragments, read_tool_calls

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dragoman.core.provider import Call, Event, Json

_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
#: Cached prompt tokens, as servers name them beside OpenAI's `prompt_tokens_details.cached_tokens`.
_CACHED = ("cached_tokens", "num_cached_tokens", "prompt_cache_hit_tokens")
#: A delta's texts. An empty one says nothing, and a null neither.
_TEXTS = ("content", "reasoning_content", "refusal")
#: What an answer may be instead of a text, whose `content` is then null; tool calls are looked at by themselves.
_SILENT = ("function_call", "refusal", "audio")


class Dialect(Protocol):
    """What is particular about a server."""

    @property
    def finish_reasons(self) -> Mapping[str, str]:
        """The server's finish reasons -> OpenAI's."""

    def decode_choice(self, call: Call, choice: Json) -> Json:
        """Say in OpenAI's words what the server says otherwise."""

    def decode_usage(self, usage: Json) -> Json:
        """The server's usage -> OpenAI's."""

    def decode_error(self, status: int, body: Any) -> Json:
        """The server's error -> OpenAI's error object."""


def read_completion(dialect: Dialect, call: Call, body: Json) -> Json:
    """Return the whole answer as a `chat.completion`."""
    if not isinstance(body.get("choices"), list):
        return body
    found = {**body, **_head(call, body), "object": "chat.completion"}
    found["choices"] = [_read_choice(dialect, call, choice) for choice in body["choices"]]
    if isinstance(body.get("usage"), dict):
        found["usage"] = dialect.decode_usage(body["usage"])
    return found


def read_usage(usage: Json) -> Json:
    """Return usage that adds up: nulls are 0, thoughts count as completion, the total is the sum."""
    prompt, completion = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    thoughts = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    if thoughts and usage.get("total_tokens") == prompt + completion + thoughts:
        # Some servers count thoughts apart; OpenAI counts them among the completion's tokens.
        completion += thoughts
    total = prompt + completion
    found = {**usage, "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
    details = usage.get("prompt_tokens_details") or {}
    cached = next((usage[name] for name in _CACHED if usage.get(name)), 0)
    if cached and not details.get("cached_tokens"):
        found["prompt_tokens_details"] = {**details, "cached_tokens": cached}
    return found


def _head(call: Call, body: Json) -> Json:
    return {
        "id": body.get("id") or call.id,
        "created": int(body.get("created") or call.created),
        "model": body.get("model") or call.model,
    }


def _read_choice(dialect: Dialect, call: Call, choice: Json) -> Json:
    choice = dialect.decode_choice(call, choice)
    index = choice.get("index") or 0
    message = _with_thoughts({**(choice.get("message") or {}), "role": "assistant"})
    calls = message.pop("tool_calls", None)
    if calls:
        message["content"] = message.get("content") or None
        message["tool_calls"] = read_tool_calls(call, index, calls)
    elif message.get("content") is None:
        message["content"] = None if any(map(message.get, _SILENT)) else ""
    reason, unknown = _finish_reason(dialect, call, choice.get("finish_reason") or "stop", calls=bool(calls))
    if unknown:
        message["extra_content"] = {**(message.get("extra_content") or {}), **unknown}
    return {**choice, "index": index, "message": message, "finish_reason": reason}


def _with_thoughts(message: Json) -> Json:
    """Servers call thoughts `reasoning` or `reasoning_content`; the latter is what most clients read."""
    thoughts = message.get("reasoning")
    if isinstance(thoughts, str):
        del message["reasoning"]
        message["reasoning_content"] = message.get("reasoning_content") or thoughts
    return message


def _finish_reason(dialect: Dialect, call: Call, sent: str, *, calls: bool) -> tuple[str, Json]:
    """Return one of OpenAI's five, and what the server said if that is none that anybody knows."""
    reason = dialect.finish_reasons.get(sent, sent)
    unknown: Json = {}
    if reason not in _REASONS:
        warn_once(call.provider, "finish_reason", f"{call.provider}: unknown finish reason {sent!r}, taken for 'stop'.")
        unknown = {"dragoman": {"finish_reason": sent}}
        reason = "stop"
    if calls and reason not in {"length", "content_filter"}:
        return "tool_calls", unknown
    # Nothing is to be called: a loop that believed it would wait for calls that are not there.
    return ("stop" if reason == "tool_calls" else reason), unknown


@dataclass(slots=True)
class _Choice:
    """What is known of a streamed choice so far."""

    calls: Fragments
    opened: bool = False
    #: Whether there was text, or what stands for it.
    said: bool = False
    finished: bool = False
    annotations: list[Any] = field(default_factory=list)


class ChunkReader:
    """Puts one stream's chunks straight."""

    def __init__(self, dialect: Dialect, call: Call) -> None:
        self._dialect = dialect
        self._call = call
        self._head: Json = {}
        self._early: list[Json] = []
        self._choices: dict[int, _Choice] = {}
        self._usage: Json | None = None

    def feed(self, event: Event) -> Iterator[Json]:
        """Return the chunks for one event; raises `VendorError` if the server failed in the middle."""
        sent = decode_json(event.data)
        if reports_error(sent, event.name):
            status = _status(sent)
            raise VendorError(self._dialect.decode_error(status or 500, sent), status)
        rest = {key: value for key, value in sent.items() if key not in {"choices", "usage"}}
        usage, choices = sent.get("usage"), list(sent.get("choices") or ())
        if not (self._head or choices or usage or sent.get("id")):
            # Some begin with a remark of their own, and name the answer one chunk later.
            self._early.append(rest)
            return
        self._head = self._head or _head(self._call, sent)
        yield from ({**early, **self._head, "object": "chat.completion.chunk", "choices": []} for early in self._early)
        self._early.clear()
        head = {**rest, **self._head, "object": "chat.completion.chunk"}
        del sent, rest  # what is left waits to be taken, for as long as the caller likes
        if usage:
            # Some servers count as they go: the last numbers are the ones.
            self._usage = {**head, "choices": [], "usage": self._dialect.decode_usage(usage)}
        elif not choices:
            yield {**head, "choices": []}
        while choices:
            yield from self._read(head, self._dialect.decode_choice(self._call, choices.pop(0)))

    def finish(self) -> Iterator[Json]:
        """Return the usage; a stream without a `finish_reason` was cut, and core says so."""
        if self._usage is not None:
            yield self._usage

    def _read(self, head: Json, choice: Json) -> Iterator[Json]:
        index = choice.get("index") or 0
        state = self._choice(index)
        reason = None if state.finished else choice.get("finish_reason") or None
        extra = {key: value for key, value in choice.items() if key not in {"index", "delta", "finish_reason"}}
        deltas = self._deltas(state, choice.get("delta") or {}, last=reason is not None)
        if not (deltas or reason or state.finished) and any(value is not None for value in extra.values()):
            deltas = [
                {} if state.opened else {"role": "assistant", "content": (choice.get("delta") or {}).get("content")}
            ]
            state.opened = True
        if deltas:
            # Clients take choices in the order of their indexes.
            yield from self._opened_before(head, index)
        for delta in deltas:
            # What stands beside the delta goes out once.
            yield _chunk(head, index, delta, None, extra)
            extra = {}
        if reason is not None:
            state.finished = True
            sent, unknown = _finish_reason(self._dialect, self._call, reason, calls=bool(state.calls))
            last: Json = {"extra_content": unknown} if unknown else {}
            if state.annotations:
                # Clients cannot join lists whose items have no index: they are said once, whole.
                last["annotations"] = state.annotations
            yield _chunk(head, index, last, sent, extra)

    def _opened_before(self, head: Json, index: int) -> Iterator[Json]:
        for number in range(index):
            state = self._choice(number)
            if not state.opened:
                state.opened = True
                yield _chunk(head, number, {"role": "assistant", "content": ""}, None, {})

    def _choice(self, index: int) -> _Choice:
        found = self._choices.get(index)
        if found is None:
            found = self._choices[index] = _Choice(Fragments(self._call, index))
        return found

    def _deltas(self, state: _Choice, sent: Json, *, last: bool) -> list[Json]:
        """Cut one delta of the server's into OpenAI's: text and the like first, then calls, each on its own."""
        delta = _with_thoughts({key: value for key, value in sent.items() if value is not None})
        fragments = delta.pop("tool_calls", None) or ()
        state.annotations += delta.pop("annotations", None) or ()
        delta.pop("role", None)
        for name in _TEXTS:
            if delta.get(name) == "":
                del delta[name]
        state.said = state.said or "content" in delta or any(map(delta.get, _SILENT))
        calls = [piece for fragment in fragments for piece in state.calls.feed(fragment)]
        if last:
            calls += state.calls.finish()
            if not (state.said or state.calls):
                delta["content"] = ""
        parts = ([delta] if delta else []) + [{"tool_calls": [piece]} for piece in calls]
        if parts and not state.opened:
            state.opened = True
            # The text of an answer that begins with something else is still to come, or will be null.
            parts[0] = {"role": "assistant", "content": None, **parts[0]}
        return parts


def _chunk(head: Json, index: int, delta: Json, reason: str | None, extra: Json) -> Json:
    return {**head, "choices": [{**extra, "index": index, "delta": delta, "finish_reason": reason}]}


def _status(sent: Json) -> int | None:
    """Return the HTTP status that an error inside a stream names, if it does."""
    error = sent["error"] if isinstance(sent.get("error"), dict) else sent
    for name in ("status_code", "code", "status"):
        value = error.get(name)
        if isinstance(value, str) and value.isdecimal():
            value = int(value)
        if isinstance(value, int) and value in range(400, 600):
            return value
    return None
