"""Where an answer breaks OpenAI's shape: each function names the first break, or returns an empty text.

Source: https://platform.openai.com/docs/api-reference/chat/object and …/chat/streaming
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dragoman.core.cli.probes.evidence import Answer, a_text, an_object, called, objects, quote

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from dragoman.core.provider import Json

REASONS = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
_WHOLE, _CHUNK = "chat.completion", "chat.completion.chunk"


def completion_problem(answer: Answer) -> str:
    """Look at a whole answer with one choice."""
    choices = answer.body.get("choices")
    if not isinstance(choices, list) or len(choices) != 1:
        return f"{len(choices) if isinstance(choices, list) else 'no'} choices instead of one"
    return _envelope_problem(answer.body, _WHOLE) or _choice_problem(answer.choice, answer.message)


def _envelope_problem(body: Json, kind: str) -> str:
    if not a_text(body.get("id")):
        return "an answer without an id"
    if body.get("object") != kind:
        return f'object is {body.get("object")!r} instead of "{kind}"'
    if not isinstance(body.get("created"), int):
        return f"created is {body.get('created')!r} instead of a number of seconds"
    return "" if a_text(body.get("model")) else "an answer without the model's name"


def _choice_problem(choice: Json, message: Json) -> str:
    if choice.get("index") != 0:
        return f"the only choice has index {choice.get('index')!r}"
    if message.get("role") != "assistant":
        return f"the message's role is {message.get('role')!r}"
    content = message.get("content")
    if content is not None and not isinstance(content, str):
        return f"content is no text, but {quote(json.dumps(content))}"
    return reason_problem(choice.get("finish_reason"))


def reason_problem(reason: Any) -> str:
    """Look at a finish_reason."""
    return "" if isinstance(reason, str) and reason in REASONS else f"finish_reason is {reason!r}"


def call_problem(answer: Answer, offered: Collection[str], *, forced: bool = False) -> str:
    """Look at an answer with calls; `forced`: by tool_choice, beside which there is no text."""
    for call in answer.calls:
        if problem := _one_call_problem(call, offered):
            return problem
    if len({call["id"] for call in answer.calls}) < len(answer.calls):
        return "two calls with one id"
    # OpenAI itself says "stop" where the call was forced.
    expected = ["tool_calls", "stop"] if forced else ["tool_calls"]
    if answer.reason not in expected:
        return f"finish_reason is {answer.reason!r} beside a call"
    return f"text beside a forced call: {quote(answer.text)}" if forced and answer.text.strip() else ""


def _one_call_problem(call: Json, offered: Collection[str]) -> str:
    name, arguments = called(call)
    if not a_text(call.get("id")):
        return "a call without an id"
    if call.get("type") != "function":
        return f"a call's type is {call.get('type')!r}"
    if name not in offered:
        return f"a call of {quote(name)}, which was not offered"
    if not isinstance(arguments, str):
        return f"arguments are no text, but {quote(json.dumps(arguments))}"
    try:
        read = json.loads(arguments)
    except (ValueError, RecursionError):
        return f"arguments are no JSON: {quote(arguments)}"
    return "" if isinstance(read, dict) else f"arguments are no object: {quote(arguments)}"


def stream_problem(chunks: Sequence[Json]) -> str:
    """Look at the chunks of a stream with one choice."""
    spoken = [chunk for chunk in chunks if objects(chunk.get("choices"))]
    if not spoken:
        return "no chunk with a choice"
    for chunk in spoken:
        if problem := _envelope_problem(chunk, _CHUNK):
            return problem
    if len({chunk["id"] for chunk in spoken}) > 1:
        return "chunks of one answer with different ids"
    return _finish_problem([objects(chunk["choices"])[0] for chunk in spoken])


def _finish_problem(pieces: Sequence[Json]) -> str:
    finished: list[Any] = []
    for piece in pieces:
        delta = an_object(piece.get("delta"))
        if finished and (delta.get("content") or delta.get("tool_calls")):
            return "more of the answer after its finish_reason"
        if piece.get("finish_reason") is not None:
            finished.append(piece["finish_reason"])
    if len(finished) != 1:
        return f"{len(finished) or 'no'} chunks with a finish_reason"
    return reason_problem(finished[0])


def fragments_problem(chunks: Sequence[Json]) -> str:
    """Look at the fragments of a stream's tool calls: clients join what they are sent by its index."""
    known: set[int] = set()
    for fragment in _fragments(chunks):
        index = fragment.get("index")
        if not isinstance(index, int):
            return "a call's fragment without an index"
        function = an_object(fragment.get("function"))
        for what, value in (("id", fragment.get("id")), ("name", function.get("name"))):
            if index not in known and not a_text(value):
                return f"a call's first fragment without its {what}"
            if index in known and value:
                return f"a call's {what} is sent more than once"
        if not isinstance(function.get("arguments", ""), str | None):
            return f"arguments are no text, but {quote(json.dumps(function['arguments']))}"
        known.add(index)
    return ""


def _fragments(chunks: Sequence[Json]) -> Iterator[Json]:
    for chunk in chunks:
        for choice in objects(chunk.get("choices")):
            yield from objects(an_object(choice.get("delta")).get("tool_calls"))
