"""One assistant message of the history -> content blocks and the calls they open."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from dragoman.anthropic.content import (
    ASSISTANT_PARTS,
    cache_marker,
    encode_content,
    is_blank,
    mark_last,
    text_block,
)
from dragoman.anthropic.reasoning import carried, is_client_call, peer_thinking
from dragoman.anthropic.schemas import WRAP_KEY
from dragoman.core import InvalidRequest

if TYPE_CHECKING:
    from dragoman.anthropic.draft import Draft
    from dragoman.anthropic.ids import CallIds
    from dragoman.core import Json

#: Where arguments stand that are no JSON object: the model wrote them, so they have to be replayable.
INVALID_KEY = "INVALID_JSON"
#: Where the text of a custom tool's call stands.
INPUT_KEY = "input"
#: Stop reasons after which the model goes on from its own message, sent back as it is.
_PAUSES = frozenset({"pause_turn", "compaction"})


@dataclass(slots=True)
class OpenCall:
    """A tool call that waits for its result. `original` is the caller's id; legacy calls have a name only."""

    original: str | None
    name: str
    wire: str


@dataclass(slots=True)
class AssistantTurn:
    """The blocks of one message, the calls among them, and whether the model was merely paused."""

    blocks: list[Json]
    calls: list[OpenCall] = field(default_factory=list)
    paused: bool = False


def encode_assistant(message: Json, place: str, draft: Draft, ids: CallIds) -> AssistantTurn:
    """Encode an assistant message: verbatim where it came from Anthropic and is unedited, else from what is visible.

    The order of a rebuilt turn is thinking, text, calls. Raises `InvalidRequest` for audio and for parts
    that Anthropic does not take from an assistant.
    """
    if message.get("audio"):
        msg = f"{place}.audio: Anthropic has no audio. Send the transcript as the message's content."
        raise InvalidRequest(msg)
    marker = cache_marker(message, draft.ttl)
    blocks, data = carried(message, draft)
    if blocks is not None:
        turn = _verbatim(blocks, ids, message.get("function_call"))
        turn.paused = data.get("stop_reason") in _PAUSES
    else:
        turn = _rebuilt(message, place, draft, ids)
    turn.blocks = mark_last(turn.blocks, marker)
    return turn


def _verbatim(blocks: list[Json], ids: CallIds, legacy: Any) -> AssistantTurn:
    """The blocks as they are. `legacy`: the call in the first tool interface's form, whose result has only its name."""
    turn = AssistantTurn(blocks=[])
    for block in blocks:
        if not is_client_call(block):
            turn.blocks.append(block)
            continue
        original = str(block.get("id"))
        wire = ids.assign(original)
        turn.blocks.append({**block, "id": wire})
        turn.calls.append(OpenCall(None if legacy else original, str((legacy or block).get("name")), wire))
    return turn


def _rebuilt(message: Json, place: str, draft: Draft, ids: CallIds) -> AssistantTurn:
    blocks = encode_content(message.get("content"), f"{place}.content", ASSISTANT_PARTS, draft.ttl)
    if not is_blank(message.get("refusal")):
        blocks.append(text_block(message["refusal"]))
    turn = AssistantTurn([*peer_thinking(message), *blocks], [])
    for index, call in enumerate(message.get("tool_calls") or ()):
        _add_call(turn, _called(call, f"{place}.tool_calls[{index}]"), draft, ids)
    legacy = message.get("function_call")
    if isinstance(legacy, dict):
        _add_call(turn, (None, "function", *_name_and_text(legacy, f"{place}.function_call", "arguments")), draft, ids)
    return turn


def _called(call: Any, place: str) -> tuple[str | None, str, str, Any]:
    """Read a tool call: id, kind, name, arguments or text."""
    if not isinstance(call, dict):
        msg = f"{place} is a {type(call).__name__}. Send an object with id, type and function."
        raise InvalidRequest(msg)
    kind = "custom" if isinstance(call.get("custom"), dict) else "function"
    text_key = "input" if kind == "custom" else "arguments"
    return (str(call.get("id") or ""), kind, *_name_and_text(call.get(kind), f"{place}.{kind}", text_key))


def _name_and_text(holder: Any, place: str, text_key: str) -> tuple[str, Any]:
    if not isinstance(holder, dict) or not isinstance(holder.get("name"), str):
        msg = f"{place} has no name, so the call cannot be replayed. Send the call as it was received."
        raise InvalidRequest(msg)
    return holder["name"], holder.get(text_key)


def _add_call(turn: AssistantTurn, call: tuple[str | None, str, str, Any], draft: Draft, ids: CallIds) -> None:
    original, kind, name, text = call
    wire = ids.assign("function_call" if original is None else original)
    if kind == "custom":
        arguments: Json = {INPUT_KEY: text or ""}
    else:
        arguments = encode_arguments(text, name, draft)
    block: Json = {"type": "tool_use", "id": wire, "name": draft.wire_name(name), "input": arguments}
    turn.blocks.append(block)
    turn.calls.append(OpenCall(original, name, wire))


def encode_arguments(text: Any, name: str, draft: Draft) -> Json:
    """The text of a call's arguments -> `input`, an object with the same keys in the same order.

    Text that is no JSON, or JSON that is no object, is kept under a key of its own: the call must neither
    vanish nor stop the conversation.
    """
    wrapped = name in draft.wrapped
    if text is None or (isinstance(text, str) and not text.strip()):
        return {}
    try:
        value = parse_json(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        pass
    else:
        if wrapped:
            return {WRAP_KEY: value}
        if isinstance(value, dict):
            return value
    draft.warn(
        "invalid arguments",
        f"the arguments of a call in the history are no JSON object; they were sent under the key {INVALID_KEY}.",
    )
    return {INVALID_KEY: text}


def parse_json(text: str) -> Any:
    """JSON as it can stand on the wire again: no NaN, no infinity, integers of any size as they are."""
    return _DECODER.decode(text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
