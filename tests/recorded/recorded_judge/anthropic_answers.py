"""What an OpenAI client must see of a recorded Anthropic answer; read from the recording, not by dragoman.

Streams are first put together into the message that the same call gives without `stream`, as Anthropic's
page on streaming describes (https://platform.claude.com/docs/en/build-with-claude/streaming).
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from recorded_judge.expected import Answer, Json, Outcome, ToolCall

if TYPE_CHECKING:
    from recorded_judge.traffic import Exchange

FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "refusal": "content_filter",
}
#: The exception that an error inside a stream becomes, by its type.
IN_STREAM = {
    "api_error": "InternalServerError",
    "authentication_error": "AuthenticationError",
    "billing_error": "APIStatusError",
    "invalid_request_error": "BadRequestError",
    "not_found_error": "NotFoundError",
    "overloaded_error": "InternalServerError",
    "permission_error": "PermissionDeniedError",
    "rate_limit_error": "RateLimitError",
    "request_too_large": "APIStatusError",
    "timeout_error": "InternalServerError",
}
TIERS = {"standard": "default", "priority": "priority"}


def message_of(exchange: Exchange) -> tuple[Json, str | None]:
    """The recorded message, and how its stream broke (None if it did not)."""
    if not exchange.streamed:
        return exchange.body, None
    return assemble(exchange.events())


def assemble(events: list[Json]) -> tuple[Json, str | None]:
    """Put a stream together; what stands behind its `message_stop` belongs to another answer."""
    message: Json = {}
    pieces: dict[int, str] = {}
    for event in events:
        match event["type"]:
            case "message_start" if message.get("content"):
                return message, "APIError"
            case "message_start":
                # Some gateways begin twice; that does no harm as long as nothing was said.
                message = deepcopy(event["message"])
            case "error":
                return message, IN_STREAM.get(event["error"]["type"], "APIError")
            case "message_stop":
                return message, None
            case _:
                _apply(message, event, pieces)
    return message, None if message.get("stop_reason") else "APIConnectionError"


def _apply(message: Json, event: Json, pieces: dict[int, str]) -> None:
    """Add one event to the message; `pieces` collects the JSON of inputs, by the block's index."""
    index = event.get("index", -1)
    match event["type"]:
        case "content_block_start":
            block = deepcopy(event["content_block"])
            if block["type"] == "fallback" and not message["content"]:
                # The unstreamed message names the model that answered; here it is known from the first block.
                message["model"] = block["to"]["model"]
            message["content"].append(block)
        case "content_block_delta":
            _add(message["content"][index], event["delta"], pieces, index)
        case "content_block_stop" if pieces.get(index):
            message["content"][index]["input"] = json.loads(pieces[index])
        case "message_delta":
            rest = {key: value for key, value in event.items() if key not in {"type", "delta", "usage"}}
            message.update({**event["delta"], **rest})
            given = {key: value for key, value in (event.get("usage") or {}).items() if value is not None}
            message["usage"].update(given)


def _add(block: Json, delta: Json, pieces: dict[int, str], index: int) -> None:
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] = block.get("signature", "") + delta["signature"]
        case "input_json_delta":
            pieces[index] = pieces.get(index, "") + delta["partial_json"]
        case "citations_delta":
            block["citations"] = [*(block.get("citations") or []), delta["citation"]]
        case "compaction_delta":
            block.update({key: value for key, value in delta.items() if key != "type"})
        case other:
            message = f"the judge does not know {other}"
            raise NotImplementedError(message)


def expected(exchange: Exchange) -> Outcome:
    """The whole expectation for one exchange."""
    message, error = message_of(exchange)
    answer = Answer()
    text = ""
    thoughts = []
    for block in message["content"]:
        match block["type"]:
            case "text":
                answer.annotations += [
                    _annotation(c, len(text), block["text"]) for c in block.get("citations") or [] if _is_web(c)
                ]
                text += block["text"]
            case "thinking" if block["thinking"]:
                thoughts.append(block["thinking"])
            case "tool_use":
                answer.calls.append(ToolCall(block["id"], block["name"], "", block["input"]))
    answer.text = text or None
    answer.reasoning = "\n\n".join(thoughts) or None
    reason = message.get("stop_reason")
    answer.finish = None if error else FINISH[str(reason)]
    if answer.calls and answer.finish == "stop":
        answer.finish = "tool_calls"
    if reason == "refusal":
        answer.refusal = (message.get("stop_details") or {}).get("explanation")
    usage = message.get("usage") or {}
    return Outcome(
        id=message["id"],
        model=message["model"],
        answers={0: answer},
        usage=None if error else numbers(usage),
        service_tier=TIERS.get(usage.get("service_tier") or ""),
        error=error,
    )


def _is_web(citation: Json) -> bool:
    return bool(citation["type"] == "web_search_result_location")


def _annotation(citation: Json, start: int, text: str) -> Json:
    span = {"start_index": start, "end_index": start + len(text)}
    return {"type": "url_citation", "url_citation": {"url": citation["url"], "title": citation["title"] or "", **span}}


def numbers(usage: Json) -> dict[str, int]:
    """Tokens by OpenAI's way of counting: cached ones are part of the prompt."""
    rounds = usage.get("iterations") or []
    # A compaction is paid for but not in the top-level numbers; after a fallback only those count.
    if any(one["type"] == "compaction" for one in rounds) and not any(
        one["type"].startswith("fallback") for one in rounds
    ):
        counted = [one for one in rounds if one["type"] in {"compaction", "message"}]
    else:
        counted = [usage]
    total = {key: sum(_count(one, key) for one in counted) for key in _COUNTS}
    prompt = total["input_tokens"] + total["cache_read_input_tokens"] + total["cache_creation_input_tokens"]
    return {
        "prompt": prompt,
        "completion": total["output_tokens"],
        "total": prompt + total["output_tokens"],
        "cached": total["cache_read_input_tokens"],
        "cache_write": total["cache_creation_input_tokens"],
        "reasoning": _count(usage.get("output_tokens_details") or {}, "thinking_tokens"),
    }


_COUNTS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


def _count(numbers: Json, key: str) -> int:
    value: Any = numbers.get(key)
    return value or 0
