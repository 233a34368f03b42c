"""Hugging Face's router: OpenAI's wire, in the accent of whichever inference provider stands behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from dragoman.core import CompatibleProvider

if TYPE_CHECKING:
    from dragoman.core import Call, Json

#: OpenAI's codes for statuses that the router explains in words only.
_CODES = {402: "insufficient_quota", 429: "rate_limit_exceeded"}
#: Longer ones are ids that happen to have digits only.
_LONGEST_COUNT = 2


class HuggingFace(CompatibleProvider):
    """https://huggingface.co/docs/inference-providers; also Text Generation Inference, at its own address.

    A model may name who shall serve it: `org/name:groq`, `org/name:fastest`, `org/name:cheapest`. What that one does
    not have, it refuses itself: the router has no list that could be checked before.
    """

    name = "huggingface"
    base_url = "https://router.huggingface.co/v1"
    key_env: ClassVar = ("HF_TOKEN",)
    #: Embeddings, images and audio have roads of their own beside the router's `/v1`.
    endpoints: ClassVar = frozenset({"chat", "completions", "models", "responses"})

    def decode_choice(self, call: Call, choice: Json) -> Json:
        """Text Generation Inference numbers its tool calls, in every answer from 0: such an id tells nothing apart."""
        del call
        part = "delta" if choice.get("delta") else "message"
        message = choice.get(part) or {}
        if not message.get("tool_calls"):
            return choice
        # Its older versions stream the call itself, and not a list with one.
        sent = [message["tool_calls"]] if isinstance(message["tool_calls"], dict) else message["tool_calls"]
        calls = [{**made, "id": None} if _is_count(made.get("id")) else made for made in sent]
        return {**choice, part: {**message, "tool_calls": calls}}

    def decode_error(self, status: int, body: Any) -> Json:
        """Each provider words its own; Text Generation Inference says how long loading will take."""
        error = super().decode_error(status, body)
        error["code"] = error["code"] or _CODES.get(status)
        if isinstance(body, dict) and "estimated_time" in body:
            error["estimated_time"] = body["estimated_time"]
        return error


def _is_count(tool_call_id: Any) -> bool:
    text = str(tool_call_id)
    return text.isdecimal() and len(text) <= _LONGEST_COUNT
