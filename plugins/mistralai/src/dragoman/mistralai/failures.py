"""Mistral's failures: codes and advice for OpenAI's error object, and errors that come as answers.

The bodies come in several forms: `{"object": "error", "message", "type", "param", "code"}`, where the message may be an
object itself; `{"detail": "Invalid API Key"}`; `{"detail": [{"loc", "msg", …}]}` from the check of the request
(HTTP 422); `{"message", "request_id"}` from the gateway; plain text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.core import VendorError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core import Json

_OK = 200
_CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
_ADVICE = {
    "Unexpected role 'user' after role 'tool'": ' (put an assistant message between, or pass on_unsupported="adapt")',
}


def finish(error: Json, status: int) -> Json:
    """Complete OpenAI's error object with OpenAI's code where Mistral gave none, and with advice."""
    advice = next((text for said, text in _ADVICE.items() if said in error["message"]), "")
    code = error.get("code") or _CODES.get(status)
    return {**error, "message": error["message"] + advice, "code": code}


def in_answer(body: Any, decode_error: Callable[[int, Any], Json]) -> None:
    """Raise `VendorError` if what came with status 200 is an error."""
    if not isinstance(body, dict) or body.get("object") != "error":
        return
    said = body.get("raw_status_code")
    status = said if isinstance(said, int) else None
    raise VendorError(decode_error(status or _OK, body), status)
