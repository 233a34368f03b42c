"""Failures in Anthropic's shape: `{"type": "error", "error": {"type", "message"}, "request_id"}`.

Source: https://platform.claude.com/docs/en/api/errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dragoman.core import Json

#: Error types by HTTP status; other statuses from 500 on are `api_error`, and others below it `invalid_request_error`.
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_KNOWN = frozenset(TYPES.values())
_SERVER_ERROR = 500


def encode_error(status: int | None, error: Any, request_id: str | None = None) -> Json:
    """Write an error; `error` is OpenAI's object, or whatever stands for it. `status` None: inside a stream.

    A type of Anthropic's that the provider gave is kept, and the status says it otherwise. OpenAI's `code` and `param`
    stay beside the message, where they say something.
    """
    found: Json = error if isinstance(error, dict) else {"message": error}
    message = found.get("message")
    told: Json = {"type": error_type(status, found), "message": str(message or f"HTTP {status} without a message")}
    told.update({key: found[key] for key in ("code", "param", "details") if found.get(key) is not None})
    body: Json = {"type": "error", "error": told}
    return {**body, "request_id": request_id} if request_id else body


def error_type(status: int | None, error: Json) -> str:
    """Anthropic's word for a failure."""
    kind = error.get("type")
    if kind in _KNOWN and (status is None or TYPES.get(status, kind) == kind):
        return str(kind)
    if status is None:
        return "api_error"
    return TYPES.get(status) or ("api_error" if status >= _SERVER_ERROR else "invalid_request_error")
