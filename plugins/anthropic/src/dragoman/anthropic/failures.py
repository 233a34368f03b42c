"""Anthropic's error bodies -> OpenAI's error object.

Source: https://platform.claude.com/docs/en/api/errors (`{"type": "error", "error": {"type", "message", …}}`).
"""

from __future__ import annotations

from typing import Any

from dragoman.core import Json, VendorError

#: HTTP statuses by error type, for errors that arrive inside an answer whose own status is 200.
STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}

_OPENAI_CODES = {
    "authentication_error": "invalid_api_key",
    "billing_error": "insufficient_quota",
    "rate_limit_error": "rate_limit_exceeded",
}

#: Parts of messages (lower case) that say that the prompt, or prompt and answer, do not fit the model.
_TOO_LONG = ("prompt is too long", "exceed context limit", "exceeds the context window")


def decode_error(status: int | None, body: Any) -> Json:
    """Turn the body of a failure into OpenAI's `{"message", "type", "param", "code"}`; never raises.

    `body` is JSON where there was JSON, else text: proxies answer for Anthropic, too. `code` is the
    detailed code that Anthropic gave, else OpenAI's name of the case, else Anthropic's error type.
    """
    error = body.get("error", body) if isinstance(body, dict) else body
    if not isinstance(error, dict):
        error = {"message": error}
    message = error.get("message")
    # A page of a proxy's is no message either.
    if not isinstance(message, str) or message.strip()[:1] in {"", "<"}:
        message = f"Anthropic reported an error (HTTP {status}) without a message"
    kind = error.get("type")
    return {"message": message, "type": kind, "param": None, "code": _code(error, kind, message)}


def _code(error: Json, kind: Any, message: str) -> Any:
    details = error.get("details")
    if isinstance(details, dict) and details.get("error_code"):
        return details["error_code"]
    if any(part in message.lower().replace("`", "") for part in _TOO_LONG):
        return "context_length_exceeded"
    if kind == "not_found_error" and message.startswith("model:"):
        return "model_not_found"
    return error.get("code") or _OPENAI_CODES.get(kind, kind)


def vendor_error(body: Json) -> VendorError:
    """Make the exception for an error inside an answer of status 200: an event of a stream, or a whole body."""
    decoded = decode_error(200, body)
    return VendorError(decoded, STATUSES.get(decoded["type"]))
