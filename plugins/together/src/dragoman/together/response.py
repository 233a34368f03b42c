"""What Together's answers say otherwise: https://docs.together.ai/reference/chat-completions.

Ids, roles, finish reasons, tool calls and usage are put straight by core; here is what is Together's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.together.logprobs import decode_logprobs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.core import Call, Json

#: Together's codes -> those that OpenAI has for the same.
_CODES = {"model_not_available": "model_not_found"}
_RATE_LIMITED = 429


def decode_choice(call: Call, choice: Json) -> Json:
    """Return a choice, or a piece of one, with OpenAI's `logprobs` and without copies of its text."""
    found = dict(choice)
    if "logprobs" in found:
        found["logprobs"] = decode_logprobs(call, choice)
    if isinstance(choice.get("delta"), dict):
        found.pop("text", None)
        found.pop("top_logprobs", None)
        # Readers of OpenAI's streams add up the numbers of a delta.
        found["delta"] = {key: value for key, value in choice["delta"].items() if key != "token_id"}
    return found


def decode_completion(call: Call, body: Json, finish_reasons: Mapping[str, str]) -> Json:
    """Return OpenAI's `text_completion`; `usage` is left to the caller."""
    if not isinstance(body.get("choices"), list):
        return body
    choices = [
        {
            **choice,
            "index": choice.get("index") or position,
            "finish_reason": finish_reasons.get(choice.get("finish_reason"), choice.get("finish_reason")) or "stop",
        }
        for position, choice in enumerate(body["choices"])
    ]
    head = {"created": int(body.get("created") or call.created), "model": body.get("model") or call.model}
    return {**body, **head, "object": "text_completion", "choices": choices}


def decode_models(body: Json) -> Json:
    """Together's bare list of models (`{"data": […]}` here) -> OpenAI's list; what else is known of a model stays."""
    return {**body, "object": "list", "data": [_decode_model(entry) for entry in body["data"]]}


def _decode_model(entry: Json) -> Json:
    owner = entry.get("organization") or entry["id"].partition("/")[0]
    return {**entry, "object": "model", "created": int(entry.get("created") or 0), "owned_by": owner}


def name_error(status: int, error: Json) -> Json:
    """Give OpenAI's error object the code that OpenAI has for the failure, where Together has another or none."""
    code = _CODES.get(error["code"], error["code"])
    if status == _RATE_LIMITED and code is None:
        code = "rate_limit_exceeded"
    return {**error, "code": code}
