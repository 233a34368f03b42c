"""What Ollama says when it fails -> OpenAI's error object, with advice where the message leaves the reader alone.

Source: https://docs.ollama.com/api/errors (`{"error": "text"}`; at the OpenAI endpoint an object like OpenAI's).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dragoman.core import Json

_NOT_FOUND = re.compile(r"model ['\"]?(?P<name>[^'\"\s]+)['\"]? not found", re.IGNORECASE)
_CODES = {401: "invalid_api_key", 402: "insufficient_quota", 429: "rate_limit_exceeded"}
_UNAUTHORIZED, _MISSING = 401, 404


def advise(status: int, error: Json) -> Json:
    """Return the error object with OpenAI's code for the case and, where there is one, what to do about it."""
    missing = _NOT_FOUND.search(error["message"]) if status == _MISSING else None
    if missing:
        advice = f"{error['message']} (to download it: ollama pull {missing['name']})"
        return {**error, "message": advice, "param": "model", "code": "model_not_found"}
    if status == _UNAUTHORIZED:
        error = {**error, "message": f"{error['message']} (set OLLAMA_API_KEY, or run: ollama signin)"}
    return {**error, "code": error.get("code") or _CODES.get(status)}
