"""Mistral's answer -> what OpenAI's readers expect: content that is text, and the rest in the carry.

Source: https://docs.mistral.ai/api (chat completions, response). Content may be a list of chunks; it then goes
back to Mistral exactly as it came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.core import VendorError, pack
from dragoman.mistralai.messages import NAME
from dragoman.mistralai.parts import as_parts, text_of, thoughts_of

if TYPE_CHECKING:
    from dragoman.core import Json

#: The key of a message or a delta under which its original content waits for the carry; it never goes out.
HELD = "\0held"


def flatten_choice(choice: Json) -> Json:
    """Return a choice (whole, or a piece of a stream) whose content is text; the original waits under `HELD`.

    Raises `VendorError` for the finish reason `error`.
    """
    if choice.get("finish_reason") == "error":
        message = "Mistral broke off the answer with the finish_reason 'error'; ask again"
        raise VendorError({"message": message, "type": "server_error", "param": None, "code": "finish_reason_error"})
    if choice.get("messages") and not choice.get("message"):
        choice = _last_message(choice)
    if "message" in choice:
        return {**choice, "message": _flatten(choice["message"] or {}, whole=True)}
    return {**choice, "delta": _flatten(choice.get("delta") or {}, whole=False)}


def _last_message(choice: Json) -> Json:
    """Tools that ran at Mistral make an answer of several messages; the last one is what they come to."""
    *earlier, last = choice["messages"]
    rest = {key: value for key, value in choice.items() if key != "messages"}
    return {**rest, "message": {**last, HELD: {"messages": earlier}} if earlier else last}


def _flatten(message: Json, *, whole: bool) -> Json:
    content = message.get("content")
    # A piece with the role only goes out too, by what it holds: readers take choices in the order that they open.
    if not isinstance(content, list) and (whole or not (content or message.get("role"))):
        return message
    parts = as_parts(content)
    flat = {**message, "content": text_of(parts) or None}
    if thoughts := thoughts_of(parts):
        flat["reasoning_content"] = thoughts
    return {**flat, HELD: {**message.get(HELD, {}), "content": content}}


def with_carry(message: Json, data: Json) -> Json:
    """Return the `extra_content` of a message that carries `data`, beside what is in it already."""
    return {**(message.get("extra_content") or {}), **pack(message, NAME, data)}


def release(completion: Json) -> Json:
    """Put what waited under `HELD` into the carry; `completion` is new down to its messages."""
    for choice in completion.get("choices") or ():
        held = choice["message"].pop(HELD, None)
        if held:
            choice["message"]["extra_content"] = with_carry(choice["message"], held)
    return completion


def decode_usage(usage: Json) -> Json:
    """Count audio inside the prompt, as OpenAI does; Mistral counts it in the total only."""
    audio = (usage.get("prompt_tokens_details") or {}).get("audio_tokens") or 0
    prompt, completion = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    if audio and usage.get("total_tokens") == prompt + completion + audio:
        return {**usage, "prompt_tokens": prompt + audio}
    return usage


def decode_moderations(body: Json) -> Json:
    """Say of each result whether anything in it was flagged, which Mistral leaves to the reader of its categories."""
    return {**body, "results": [_flagged(result) for result in body.get("results") or ()]}


def _flagged(result: Json) -> Json:
    categories = result.get("categories")
    return {"flagged": any(categories.values()), **result} if isinstance(categories, dict) else result
