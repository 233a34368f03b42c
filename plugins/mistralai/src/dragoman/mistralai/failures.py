"""Mistral's error bodies -> OpenAI's error object.

They come in several forms: `{"object": "error", "message", "type", "param", "code"}`, where the message may be an
object itself; `{"detail": "Invalid API Key"}`; `{"detail": [{"loc", "msg", …}]}` from the check of the request
(HTTP 422); `{"message", "request_id"}` from the gateway; plain text.
"""

from __future__ import annotations

from typing import Any

from dragoman.core import Json, VendorError

_CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
_ADVICE = {
    "Unexpected role 'user' after role 'tool'": ' (put an assistant message between, or pass on_unsupported="adapt")',
}


def plain(body: Any) -> Any:
    """Return an error body whose message, if there is one, is a text."""
    if not isinstance(body, dict) or body.get("error"):
        return body
    message = body.get("message") or body.get("detail")
    if message is None or isinstance(message, str):
        return body
    rest = {key: value for key, value in body.items() if key != "detail"}
    return {**rest, "message": _text(message)}


def _text(message: Any) -> str:
    if isinstance(message, dict):
        inner = message.get("detail") or message.get("message") or message.get("msg")
        if inner is None:
            return "Mistral reported an error without a message"
        place = ".".join(str(step) for step in message.get("loc") or ())
        return f"{place}: {_text(inner)}" if place else _text(inner)
    if isinstance(message, list):
        # What else stands in an entry repeats the request, prompts included.
        return "; ".join(_text(entry) for entry in message)
    return str(message)


def finish(error: Json, status: int) -> Json:
    """Complete OpenAI's error object with OpenAI's code where Mistral gave none, and with advice."""
    advice = next((text for said, text in _ADVICE.items() if said in error["message"]), "")
    code = error.get("code") or _CODES.get(status)
    return {**error, "message": error["message"] + advice, "code": code}


def in_answer(body: Any) -> None:
    """Raise `VendorError` if what came with status 200 is an error."""
    if not isinstance(body, dict) or body.get("object") != "error":
        return
    status = body.get("raw_status_code")
    error: Json = {"message": _text(body.get("message") or "Mistral reported an error without a message")}
    error |= {key: body.get(key) for key in ("type", "param", "code")}
    raise VendorError(error, status if isinstance(status, int) else None)
