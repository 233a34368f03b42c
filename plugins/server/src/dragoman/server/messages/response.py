"""OpenAI's chat.completion -> Anthropic's Message.

Source: https://platform.claude.com/docs/en/api/messages/create. It is `dragoman.anthropic`'s translation read
backwards: an answer of Claude's comes out as it was.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from dragoman.core import unpack
from dragoman.server.messages.carrier import SIGNATURE, load
from dragoman.server.messages.history import CARRY

if TYPE_CHECKING:
    from dragoman.core import Json

STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
_TIERS = {"default": "standard", "priority": "priority"}
#: Where arguments stand that are no JSON object; `dragoman.anthropic` reads and writes the same.
INVALID_KEY = "INVALID_JSON"
#: Keys of the carry that are about it, and not part of Anthropic's Message.
_ABOUT = frozenset({"v", "blocks", "visible"})
#: Who called a tool, where nothing is special about it.
_DIRECT = ("caller", {"type": "direct"})
#: What Anthropic always says, be it null.
_EMPTY: Json = {"stop_reason": None, "stop_sequence": None}


def encode_message(completion: Json, report: Json | None = None) -> Json:
    """Turn a whole answer into a Message; its key `dragoman` says what was left out or adapted (`report`), if anything.

    The first choice is the answer: a Messages request asks for one. Raises LookupError or TypeError for what is no
    completion.
    """
    choice = completion["choices"][0]
    message = choice["message"]
    said, unedited = unpack(message, CARRY)
    head: Json = {
        "id": completion["id"],
        "type": "message",
        "role": "assistant",
        "model": completion["model"],
    }
    if said is not None and unedited and isinstance(said.get("blocks"), list):
        own = {key: value for key, value in said.items() if key not in _ABOUT}
        found = {**head, "content": said["blocks"], **_EMPTY, **own}
        found.setdefault("usage", encode_usage(completion.get("usage")))
    else:
        usage = {**encode_usage(completion.get("usage")), **encode_tier(completion.get("service_tier"))}
        found = {**head, "content": encode_content(message), **encode_stop(choice, message.get("refusal"))}
        found["usage"] = usage
    told = join_reports(message, report)
    return {**found, "dragoman": told} if told else found


def encode_content(message: Json) -> list[Json]:
    """Thoughts, text, calls, in this order, and a carrier where the provider wants something back."""
    thoughts = message.get("reasoning_content") or message.get("reasoning")
    blocks: list[Json] = []
    if isinstance(thoughts, str) and thoughts:
        blocks.append({"type": "thinking", "thinking": thoughts, "signature": SIGNATURE})
    if message.get("content"):
        blocks.append({"type": "text", "text": message["content"]})
    calls = [(call["id"], call["function"]) for call in message.get("tool_calls") or ()]
    blocks += [
        {"type": "tool_use", "id": call_id, "name": function["name"], "input": parse_input(function.get("arguments"))}
        for call_id, function in calls
    ]
    cargo = cargo_of(message, {call_id: function.get("arguments") or "" for call_id, function in calls})
    return [*blocks, load(cargo)] if is_wanted(cargo, blocks) else blocks


def cargo_of(message: Json, arguments: dict[str, str]) -> Json:
    """What has to come back with the answer: the provider's extras, and arguments that would be written otherwise."""
    extra = {key: value for key, value in (message.get("extra_content") or {}).items() if key != "dragoman"}
    odd = {call_id: text for call_id, text in arguments.items() if text and write_input(text) != text}
    cargo = {"extra_content": extra, "arguments": odd}
    return {key: value for key, value in cargo.items() if value} if extra else {}


def is_wanted(cargo: Json, shown: list[Json]) -> bool:
    """Whether a carrier is needed beside the blocks that the client is shown.

    Clients that need no thinking are spared it, unless Anthropic said something that is not among the blocks.
    """
    if not cargo:
        return False
    said = cargo["extra_content"].get(CARRY)
    blocks = said.get("blocks") if isinstance(said, dict) else None
    if not isinstance(blocks, list):
        return any(block["type"] == "thinking" for block in shown)
    return [found for block in blocks if (found := _plain(block))] != shown


def _plain(block: Json) -> Json:
    """A block without what means nothing; nothing at all for an empty text."""
    if block.get("type") == "text" and not block.get("text"):
        return {}
    return {key: value for key, value in block.items() if value is not None and (key, value) != _DIRECT}


def encode_stop(choice: Json, refusal: Any = None) -> Json:
    """`stop_reason`, with the sequence that stopped it where a server says so (vLLM), and a refusal's words."""
    reason = STOP_REASONS.get(choice.get("finish_reason") or "stop", "end_turn")
    stopped = choice.get("stop_reason")
    if reason == "end_turn" and isinstance(stopped, str) and stopped:
        return {"stop_reason": "stop_sequence", "stop_sequence": stopped}
    if refusal or reason == "refusal":
        details = {"type": "refusal", "category": None, "explanation": refusal or None}
        return {"stop_reason": "refusal", "stop_sequence": None, "stop_details": details}
    return {"stop_reason": reason, "stop_sequence": None}


def encode_usage(usage: Json | None) -> Json:
    """Anthropic counts cached tokens apart; OpenAI counts them inside the prompt."""
    usage = usage or {}
    details = usage.get("prompt_tokens_details") or {}
    cached, written = details.get("cached_tokens") or 0, details.get("cache_write_tokens") or 0
    counts: Json = {
        "input_tokens": max(0, (usage.get("prompt_tokens") or 0) - cached - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
        "output_tokens": usage.get("completion_tokens") or 0,
    }
    thoughts = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens")
    return {**counts, "output_tokens_details": {"thinking_tokens": thoughts}} if thoughts else counts


def encode_tier(tier: Any) -> Json:
    """The tier that served the request, where Anthropic has a word for it."""
    return {"service_tier": _TIERS[tier]} if tier in _TIERS else {}


def parse_input(text: Any) -> Json:
    """The text of a call's arguments -> `input`, an object; what is none is kept under a key of its own."""
    if not isinstance(text, str):
        return text if isinstance(text, dict) else {}
    if not text.strip():
        return {}
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        value = text
    return value if isinstance(value, dict) else {INVALID_KEY: text}


def write_input(text: str) -> str:
    """The text that `history` will write for these arguments."""
    return json.dumps(parse_input(text), ensure_ascii=False, separators=(",", ":"))


def join_reports(message: Json, report: Json | None) -> Json:
    """What was done about parameters, on the way here and at the provider's plugin."""
    there = (message.get("extra_content") or {}).get("dragoman") or {}
    here = report or {}
    dropped = [*here.get("dropped", ()), *there.get("dropped", ())]
    adapted = {**here.get("adapted", {}), **there.get("adapted", {})}
    return {key: value for key, value in {**there, "dropped": dropped, "adapted": adapted}.items() if value}


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


#: NaN and the like cannot stand on a wire again.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
