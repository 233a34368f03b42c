"""Failures, as answers that AutoGen understands: it tries its next entry after an `openai.APIError`, and no other.

A missing key or package is none: plain OpenAI clients cannot even be made then. Here it is a failure of the one
entry, with the message that says what to set or install.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.core import MissingKey, PluginError, UnknownProvider

if TYPE_CHECKING:
    from dragoman.core import Json

_STATUS = (
    (MissingKey, 401, "missing_key"),
    (UnknownProvider, 404, "unknown_provider"),
    (PluginError, 501, "broken_plugin"),
)


def as_answer(failure: Exception) -> tuple[int, Json, dict[str, str]] | None:
    """Return status, body and headers of the answer that says it; None: it is to be raised as it is."""
    import openai

    if isinstance(failure, openai.APIStatusError):
        kept = {name: value for name, value in failure.response.headers.items() if name == "retry-after"}
        return failure.status_code, {"error": failure.body}, {"x-should-retry": "false", **kept}
    for kind, status, code in _STATUS:
        if isinstance(failure, kind):
            error: Any = {"message": str(failure), "type": "configuration_error", "param": None, "code": code}
            return status, {"error": error}, {"x-should-retry": "false"}
    return None
