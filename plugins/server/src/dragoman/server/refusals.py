"""What the server itself refuses, and any failure of a call, as a status, headers and OpenAI's error object."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dragoman.core import Json

#: Headers of a provider's failure that a client acts upon.
_ACTED_UPON = ("retry-after", "retry-after-ms")
#: What looks like a key, or like what a provider leaves of one when it quotes it.
_KEY = re.compile(r"\b(?:sk|pk|rk|hf|gsk|xai|nvapi|key)[-_][\w*.…-]{4,}")
_FIRST_ERROR = 400


@dataclass(frozen=True, slots=True)
class Failure:
    """What a client is told: OpenAI's error object, and how. `kind` is its class, for logs and metrics."""

    status: int
    error: Json
    headers: Mapping[str, str] = field(default_factory=dict)
    kind: str = ""
    #: The provider's name for the request that failed.
    provider_id: str = ""


class Refusal(Exception):  # noqa: N818 (the name states the fact, as core's do)
    """The server does not answer this request. `retry_after`: in how many seconds it may."""

    def __init__(  # noqa: PLR0913 (one keyword for each fact)
        self,
        status: int,
        message: str,
        *,
        code: str,
        type: str = "invalid_request_error",  # noqa: A002 (OpenAI's word)
        param: str | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error: Json = {"message": message, "type": type, "param": param, "code": code}
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["retry-after"] = str(max(1, -int(-retry_after // 1)))


def refused(refusal: Refusal) -> Failure:
    """Tell a client what the server refuses."""
    return Failure(refusal.status, refusal.error, refusal.headers, str(refusal.error["code"]))


def timed_out(seconds: float, where: str) -> Failure:
    """Tell a client that a provider took too long; `where`: in what."""
    message = f"the provider did not send {where} within {seconds:g} seconds"
    return Failure(504, _error(message, "timeout"), kind="timeout")


def draining() -> Failure:
    """Tell a client that its stream ends with the server."""
    return Failure(503, _error("the server is shutting down", "shutting_down"), kind="shutting_down")


def failed(exception: BaseException, redacted: Callable[[str], str]) -> Failure:
    """Tell a client what became of its call. `redacted` takes providers' keys out of a text."""
    if isinstance(exception, Refusal):
        return refused(exception)
    import openai

    from dragoman.core import DragomanError

    kind = type(exception).__name__
    if isinstance(exception, openai.APIStatusError):
        return _status(exception, redacted)
    if isinstance(exception, DragomanError):
        return _local(exception, redacted)
    message = redacted(str(exception))
    if isinstance(exception, openai.APITimeoutError | TimeoutError):
        status, error = 504, _error("the provider did not answer in time", "timeout")
    elif isinstance(exception, openai.APIConnectionError):
        status, error = 502, _error(message, "connection_error")
    elif isinstance(exception, openai.APIResponseValidationError):
        status, error = 502, _error(message, "invalid_answer")
    elif isinstance(exception, openai.APIError):
        body = exception.body if isinstance(exception.body, dict) else {}
        error = {"message": str(exception), **{name: body.get(name) for name in ("type", "param", "code")}}
        status, error = 502, _clean(error, redacted)
    else:
        status, error = 500, _error("the server failed; its log says why", "internal_error")
    return Failure(status, error, kind=kind)


def _status(exception: Any, redacted: Callable[[str], str]) -> Failure:
    """Report a failure that a provider reported with an HTTP status."""
    body = exception.body if isinstance(exception.body, dict) else {}
    error = {"type": None, "param": None, "code": None, **body, "message": str(body.get("message") or exception)}
    found = exception.response.headers
    headers = {name: found[name] for name in _ACTED_UPON if name in found}
    # Retries are the provider's sender's, and have been made.
    headers["x-should-retry"] = "false"
    status = exception.status_code if exception.status_code >= _FIRST_ERROR else 502
    return Failure(status, _clean(error, redacted), headers, type(exception).__name__, exception.request_id or "")


def _clean(said: Any, redacted: Callable[[str], str]) -> Any:
    """Take keys out of whatever a provider said: some quote the one that they refuse, in any place."""
    if isinstance(said, str):
        return _KEY.sub("…", redacted(said))
    if isinstance(said, dict):
        return {name: _clean(value, redacted) for name, value in said.items()}
    return [_clean(value, redacted) for value in said] if isinstance(said, list) else said


def _local(exception: Any, redacted: Callable[[str], str]) -> Failure:
    """Report what core refused before anything was sent."""
    from dragoman.core import ConfigError, MissingKey, PluginError, UnknownProvider, UnsupportedParameter

    message, kind = redacted(str(exception)), type(exception).__name__
    if isinstance(exception, UnknownProvider):
        return Failure(404, _error(message, "model_not_found", "model", "invalid_request_error"), kind=kind)
    if isinstance(exception, UnsupportedParameter):
        error = _error(message, "unsupported_parameter", exception.param, "invalid_request_error")
        return Failure(400, error, kind=kind)
    if isinstance(exception, ConfigError | MissingKey | PluginError):
        # The server's own affair; asking again does not help.
        return Failure(500, _error(message, "provider_unavailable"), {"x-should-retry": "false"}, kind)
    return Failure(400, _error(message, "invalid_request", None, "invalid_request_error"), kind=kind)


def _error(message: str, code: str, param: str | None = None, kind: str = "server_error") -> Json:
    return {"message": message, "type": kind, "param": param, "code": code}
