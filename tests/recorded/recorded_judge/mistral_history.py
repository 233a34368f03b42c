"""What must be on Mistral's wire when its answer is sent back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recorded_judge.comparing import changed
from recorded_judge.compatible_answers import texts_of
from recorded_judge.compatible_requests import canonical_arguments
from recorded_judge.expected import ANYTHING

if TYPE_CHECKING:
    from recorded_judge.expected import Answer
    from recorded_judge.traffic import Exchange

Json = dict[str, Any]


def faults(exchange: Exchange, answer: Answer, message: Json, sent: Json) -> list[str]:
    """A list of parts goes back verbatim; of a stream's parts, what they say in sum. Text is text."""
    found = [] if sent.keys() <= {"role", "content", "tool_calls", "prefix"} else [f"keys of a peer's: {sorted(sent)}"]
    recorded = None if exchange.streamed else exchange.body["choices"][0]["message"].get("content")
    if isinstance(recorded, list):
        found += changed(recorded, sent.get("content"), ".content")
    else:
        text, thoughts = texts_of(sent.get("content"))
        found += changed(answer.text or "", text or "", ".content's text")
        found += changed(answer.reasoning or "", thoughts, ".content's thoughts")
    functions = [call["function"] for call in sent.get("tool_calls") or []]
    found += changed([call.name for call in answer.calls], [one["name"] for one in functions], ".calls' names")
    for call, one in zip(answer.calls, functions, strict=False):
        if call.arguments != ANYTHING:
            found += changed(canonical_arguments(call.arguments), canonical_arguments(one["arguments"]), ".arguments")
    ids = [call["id"] for call in message.get("tool_calls") or []]
    if all(len(id_) == 9 and id_.isalnum() for id_ in ids):
        found += changed(ids, [call["id"] for call in sent.get("tool_calls") or []], ".ids")
    return found
