"""Chunks of OpenAI's stream, in the shape that clients rely on; for stream decoders.

The rules kept here, once for every provider: one id, one `created` and one `model` for the whole stream;
the role in the first chunk only; tool calls indexed 0, 1, 2 … whatever the vendor counts; id, type and
name in a call's first fragment only; one chunk with a `finish_reason`; usage in a chunk of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dragoman.core.provider import Call, Json, Ledger


class Chunks:
    """Builds one choice's chunks. `id` and `model` may be set until the first chunk is made."""

    def __init__(self, call: Call, index: int = 0) -> None:
        self.id = call.id
        self.created = call.created
        self.model = call.model
        self.index = index
        self.tool_calls = 0

    def _chunk(self, choices: list[Json]) -> Json:
        return {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }

    def _choice(self, delta: Json, finish_reason: str | None = None) -> Json:
        choice: Json = {"index": self.index, "delta": delta, "finish_reason": finish_reason}
        return self._chunk([choice])

    def role(self) -> Json:
        """The first chunk."""
        return self._choice({"role": "assistant", "content": ""})

    def delta(self, **fields: object) -> Json:
        """Some of the message: `content`, `refusal`, `reasoning_content`, `annotations`."""
        return self._choice(fields)

    def tool_call(self, call_id: str, name: str, arguments: str = "", *, custom: bool = False) -> Json:
        """The first fragment of the next tool call; `tool_arguments` continues it by its index."""
        index = self.tool_calls
        self.tool_calls += 1
        if custom:
            fragment: Json = {"type": "custom", "custom": {"name": name, "input": arguments}}
        else:
            fragment = {"type": "function", "function": {"name": name, "arguments": arguments}}
        return self._choice({"tool_calls": [{"index": index, "id": call_id, **fragment}]})

    def tool_arguments(self, index: int, arguments: str, *, custom: bool = False) -> Json:
        """A further fragment of tool call `index`."""
        fragment = {"custom": {"input": arguments}} if custom else {"function": {"arguments": arguments}}
        return self._choice({"tool_calls": [{"index": index, **fragment}]})

    def finish(self, reason: str, **delta: object) -> Json:
        """The chunk with the `finish_reason`; `delta` is for what is sent once and whole (`extra_content`)."""
        return self._choice(delta, reason)

    def usage(self, usage: Json) -> Json:
        """The last chunk; the exchange leaves it out where the caller did not ask for usage."""
        return {**self._chunk([]), "usage": usage}


def cut(call: Call, completion: Json) -> list[Json]:
    """Cut a whole answer into the chunks of a stream, for callers who asked for one."""
    head = {**{key: value for key, value in completion.items() if key not in {"choices", "usage"}}}
    head["object"] = "chat.completion.chunk"
    head.setdefault("id", call.id)
    head.setdefault("created", call.created)
    head.setdefault("model", call.model)
    chunks: list[Json] = []
    for choice in completion.get("choices") or ():
        index = choice.get("index", 0)
        message = {key: value for key, value in (choice.get("message") or {}).items() if value is not None}
        late = {key: message.pop(key) for key in ("extra_content",) if key in message}
        calls = message.pop("tool_calls", None)
        if calls:
            message["tool_calls"] = [{"index": number, **item} for number, item in enumerate(calls)]
        first: Json = {"index": index, "delta": {"role": "assistant", **message}, "finish_reason": None}
        if choice.get("logprobs"):
            first["logprobs"] = choice["logprobs"]
        last = {"index": index, "delta": late, "finish_reason": choice.get("finish_reason") or "stop"}
        chunks += [{**head, "choices": [first]}, {**head, "choices": [last]}]
    if completion.get("usage"):
        chunks.append({**head, "choices": [], "usage": completion["usage"]})
    return chunks


class Endings:
    """Which of a stream's choices have their `finish_reason`: whether `any` has, and whether `all` have."""

    __slots__ = ("_ended",)

    def __init__(self) -> None:
        self._ended: dict[Any, bool] = {}

    def see(self, choices: Iterable[Json]) -> bool:
        """Look at the pieces of choices in a chunk; return whether one of them ends its choice."""
        ends = False
        for choice in choices:
            index = choice.get("index") or 0
            if choice.get("finish_reason"):
                ends = self._ended[index] = True
            elif index not in self._ended:
                self._ended[index] = False
        return ends

    @property
    def any(self) -> bool:
        """Whether a choice has ended."""
        return any(self._ended.values())

    @property
    def all(self) -> bool:
        """Whether there are choices, and all have ended."""
        return bool(self._ended) and all(self._ended.values())


def reports_error(sent: Json, event: str = "") -> bool:
    """Whether a body or an event (of this name) tells of a failure: as OpenAI words it, or flat, as some servers do."""
    return bool(sent.get("error")) or event == "error" or sent.get("object") == "error"


def says_something(choice: Json) -> bool:
    """Whether a piece of a choice is more than its role."""
    return any(value for key, value in (choice.get("delta") or {}).items() if key != "role")


def with_ledger(body: Json, key: str, ledger: Ledger) -> Json:
    """Say in every choice's `key` (message or delta) what the ledger holds; `body` itself if that is nothing."""
    report = ledger.report()
    if not report:
        return body
    return {**body, "choices": [_with_report(choice, key, report) for choice in body["choices"]]}


def _with_report(choice: Json, key: str, report: Json) -> Json:
    message = choice.get(key) or {}
    extra = message.get("extra_content") or {}
    extra = {**extra, "dragoman": {**(extra.get("dragoman") or {}), **report}}
    return {**choice, key: {**message, "extra_content": extra}}


def place_usage(chunk: Json, *, asked: bool, hidden: bool) -> None:
    """OpenAI's chunks have the key, mostly null, where usage was asked for, and else they have not."""
    if asked:
        chunk.setdefault("usage", None)
    elif hidden:
        chunk.pop("usage", None)
