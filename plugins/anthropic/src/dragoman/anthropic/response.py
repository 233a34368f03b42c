"""Anthropic's Message -> OpenAI's chat.completion.

Source: https://platform.claude.com/docs/en/api/messages. What OpenAI's schema has no place for travels in
`extra_content["anthropic"]`; its `blocks` are the content as it was received, for the next turn.
"""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dragoman.anthropic.formats import answer_tool
from dragoman.anthropic.models import facts_of
from dragoman.anthropic.names import answers_in_function_call, custom_tools, original_names, wrapped_tools
from dragoman.anthropic.schemas import WRAP_KEY, must_wrap
from dragoman.core import Call, Json, pack, warn_once

if TYPE_CHECKING:
    from dragoman.anthropic.models import FactsFor

_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    # The turn is not over in these two; "stop" would let an agent take half of the answer for all of it.
    "pause_turn": "length",
    "compaction": "length",
    "refusal": "content_filter",
}

#: "batch" is missing: OpenAI's field is an enumeration without it.
_SERVICE_TIERS = {"standard": "default", "priority": "priority"}

#: Keys of a Message that the completion has itself; the carry takes all others.
_VISIBLE = frozenset({"id", "type", "role", "content"})


def decode_message(call: Call, body: Json, facts_for: FactsFor = facts_of) -> Json:
    """Turn a whole Message into a `chat.completion`; raises LookupError or TypeError if it is none.

    `facts_for` is what the request was written with.
    """
    tools = Tools(call, facts_for)
    blocks = [tools.decode_answer(block) for block in body["content"] or ()]
    calls = [tools.decode_call(block) for block in blocks if is_client_call(block)]
    message: Json = {"role": "assistant", "content": decode_text(blocks), "refusal": decode_refusal(body)}
    optional: Json = {
        "annotations": decode_annotations(blocks),
        **tools.visible(calls),
        "reasoning_content": decode_reasoning(blocks),
    }
    message.update({key: value for key, value in optional.items() if value})
    message["extra_content"] = decode_carry(body, message, blocks)
    finish_reason = decode_stop_reason(call, body.get("stop_reason"), called=tools.reason if calls else None)
    completion: Json = {
        "id": body.get("id") or call.id,
        "object": "chat.completion",
        "created": call.created,
        "model": body.get("model") or call.model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason, "logprobs": None}],
        "usage": decode_usage(body.get("usage") or {}),
    }
    tier = decode_service_tier(body)
    return {**completion, "service_tier": tier} if tier else completion


def decode_text(blocks: list[Json]) -> str | None:
    """Join the text blocks without a separator: Anthropic splits running text where a citation begins."""
    return "".join(block.get("text") or "" for block in blocks if block["type"] == "text") or None


def decode_reasoning(blocks: list[Json]) -> str:
    """Join the readable thinking; blocks without text (display "omitted", redacted) count only for the next turn."""
    thoughts = [block.get("thinking") for block in blocks if block["type"] == "thinking"]
    return "\n\n".join(thought for thought in thoughts if thought)


def decode_refusal(body: Json) -> str | None:
    """Return what Anthropic says of a refusal, if it refused and explains it."""
    if body.get("stop_reason") != "refusal":
        return None
    return (body.get("stop_details") or {}).get("explanation")


def decode_annotations(blocks: list[Json]) -> list[Json]:
    """Turn web citations into URL citations over the cited block's span of the joined text, in characters."""
    annotations: list[Json] = []
    end = 0
    for block in blocks:
        if block["type"] != "text":
            continue
        start, end = end, end + len(block.get("text") or "")
        annotations += [
            {"type": "url_citation", "url_citation": {**_source(citation), "start_index": start, "end_index": end}}
            for citation in block.get("citations") or ()
            if citation.get("type") == "web_search_result_location"
        ]
    return annotations


def _source(citation: Json) -> Json:
    # OpenAI's type wants a title; Anthropic's may be null.
    return {"url": citation["url"], "title": citation.get("title") or ""}


def decode_stop_reason(call: Call, reason: str | None, *, called: str | None) -> str:
    """Choose the `finish_reason`; `called` is the one for an answer with calls, if it has any."""
    finish_reason = _FINISH_REASONS.get(reason or "end_turn")
    if finish_reason is None:
        text = f"{call.provider}: unknown stop_reason {reason!r}, reported as 'stop'; extra_content has the original."
        warn_once(call.provider, f"stop_reason={reason}", text)
    if finish_reason in {"length", "content_filter"}:
        # Even where there are calls: the last one may be cut.
        return str(finish_reason)
    return called or "stop"


def decode_service_tier(body: Json) -> str | None:
    """OpenAI's name of the tier that served the request."""
    return _SERVICE_TIERS.get((body.get("usage") or {}).get("service_tier") or "")


def decode_usage(usage: Json) -> Json:
    """OpenAI counts cached tokens inside the prompt; Anthropic counts them apart."""
    counts = [usage, *_compactions(usage)]
    cached = _sum(counts, "cache_read_input_tokens")
    written = _sum(counts, "cache_creation_input_tokens")
    prompt = _sum(counts, "input_tokens") + cached + written
    completion = _sum(counts, "output_tokens")
    decoded: Json = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
    }
    thinking = (usage.get("output_tokens_details") or {}).get("thinking_tokens")
    if thinking is not None:
        decoded["completion_tokens_details"] = {"reasoning_tokens": thinking}
    return decoded


def _compactions(usage: Json) -> list[Json]:
    """The passes that the totals leave out though they are billed; an advisor's are another model's."""
    passes = usage.get("iterations") or []
    if any(entry.get("type") == "fallback_message" for entry in passes):
        return []
    return [entry for entry in passes if entry.get("type") == "compaction"]


def _sum(counts: list[Json], key: str) -> int:
    return sum(count.get(key) or 0 for count in counts)


def decode_carry(body: Json, message: Json, blocks: list[Json]) -> Json:
    """Make the `extra_content`: everything of the Message that `message` cannot show, and the blocks as they are."""
    rest = {key: value for key, value in body.items() if key not in _VISIBLE and value is not None}
    return pack(message, "anthropic", {**rest, "v": 1, "blocks": blocks})


def is_client_call(block: Json) -> bool:
    """Whether the caller has to run this block; ids with `srvtoolu_` are Anthropic's own, whatever the type says."""
    return block["type"] == "tool_use" and not str(block.get("id")).startswith("srvtoolu_")


class Tools:
    """How the tools of one request were renamed and reshaped on their way to Anthropic; undoes it."""

    def __init__(self, call: Call, facts_for: FactsFor = facts_of) -> None:
        self._request = call.request
        self._answer = answer_tool(call, facts_for)
        self.legacy = answers_in_function_call(call.request)

    # Looked up only for an answer that calls something: a long history has many names.

    @cached_property
    def _original(self) -> dict[str, str]:
        return original_names(self._request)

    @cached_property
    def _custom(self) -> frozenset[str]:
        return custom_tools(self._request)

    @cached_property
    def _wrapped(self) -> frozenset[str]:
        wrapped = wrapped_tools(self._request)
        if self._answer and must_wrap(self._request["response_format"]["json_schema"]["schema"]):
            wrapped |= {self._answer}
        return wrapped

    @property
    def reason(self) -> str:
        """The `finish_reason` of an answer with calls."""
        return "function_call" if self.legacy else "tool_calls"

    def visible(self, calls: list[Json]) -> Json:
        """Put the calls where the caller looks for them: OpenAI's first tool interface had a place for one.

        The request asked for no more than one there.
        """
        if self.legacy:
            return {"function_call": calls[0]["function"]} if calls else {}
        return {"tool_calls": calls}

    def is_answer(self, block: Json) -> bool:
        """Whether this is the call that stands in for an answer in a given format."""
        return self._answer is not None and block["type"] == "tool_use" and block["name"] == self._answer

    def decode_answer(self, block: Json) -> Json:
        """Turn the call that stands in for the answer into text; other blocks come back as they are.

        Also in the carry: a call without a result could not be sent back.
        """
        if not self.is_answer(block):
            return block
        return {"type": "text", "text": self.decode_input(block["name"], block.get("input") or {})}

    def decode_name(self, name: str) -> str:
        """Return the caller's own name of a tool."""
        return self._original.get(name, name)

    def is_custom(self, name: str) -> bool:
        """Whether this (the caller's) name is a tool that takes free text."""
        return name in self._custom

    def is_reshaped(self, name: str) -> bool:
        """Whether the arguments can be read only when they are complete."""
        return name in self._custom or name in self._wrapped

    def decode_input(self, name: str, value: Any) -> str:
        """Turn the `input` of a call into the text that OpenAI has for it."""
        if name in self._custom and isinstance(value.get("input"), str):
            return str(value["input"])
        if name in self._wrapped and set(value) == {WRAP_KEY}:
            value = value[WRAP_KEY]
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    def decode_call(self, block: Json) -> Json:
        """Turn a `tool_use` block into a tool call."""
        name = self.decode_name(block["name"])
        return self.call(block["id"], name, self.decode_input(name, block.get("input") or {}))

    def call(self, call_id: str, name: str, text: str) -> Json:
        """One entry of `tool_calls`; `text` is the arguments, or a custom tool's input."""
        if self.is_custom(name):
            return {"id": call_id, "type": "custom", "custom": {"name": name, "input": text}}
        return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}}
