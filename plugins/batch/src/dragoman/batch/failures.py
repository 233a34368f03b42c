"""What was raised for a request -> its result, with OpenAI's error object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dragoman.batch.records import Result
from dragoman.core import encode_lenient, retry_wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.batch.records import Request
    from dragoman.core import Json

#: Seconds that a provider may ask us to wait, which may be until its next day: a batch has time.
PATIENCE = 86_400.0
#: Classes of failures without a status -> code and type.
_NAMES = {
    "APITimeoutError": ("timeout", "timeout"),
    "MissingKey": ("missing_key", "authentication_error"),
    "UnsupportedParameter": ("unsupported_parameter", "invalid_request_error"),
    "UnknownProvider": ("model_not_found", "invalid_request_error"),
    "InvalidRequest": ("invalid_request", "invalid_request_error"),
    "DragomanError": ("provider_unavailable", "server_error"),
    "APIConnectionError": ("connection_error", "server_error"),
    "APIResponseValidationError": ("invalid_answer", "server_error"),
    "APIError": ("provider_error", "server_error"),
}
_UNKNOWN = ("internal_error", "server_error")
#: Stands for "it did not say how long".
_UNSAID = -1.0


def failed(exception: BaseException, request: Request, redacted: Callable[[str], str]) -> Result:
    """Make a result of a failure, whatever it is: others go on. `redacted` takes providers' keys out of a text."""
    try:
        return _told(exception, request, redacted)
    except Exception as another:  # noqa: BLE001 (raised, it would end all other requests)
        code, kind = _UNKNOWN
        message = f"{type(exception).__name__}, which cannot be told ({type(another).__name__})"
        error = {"message": message, "type": kind, "param": None, "code": code}
        return Result(request.custom_id, request.line, error=error)


def _told(exception: BaseException, request: Request, redacted: Callable[[str], str]) -> Result:
    import openai

    result = Result(request.custom_id, request.line)
    if isinstance(exception, openai.APIStatusError):
        return _refused(exception, result, redacted)
    result.retriable = isinstance(exception, openai.APIConnectionError | TimeoutError)
    code, kind = _named(exception)
    error = {"message": redacted(str(exception)), "type": kind, "param": getattr(exception, "param", None)}
    result.error = {**error, "code": code}
    return result


def timed_out(request: Request, seconds: float) -> Result:
    """Make a result of an attempt that took longer than the run allows."""
    message = f"there was no whole answer within {seconds:g} seconds"
    error = {"message": message, "type": "timeout", "param": None, "code": "timeout"}
    return Result(request.custom_id, request.line, error=error, retriable=True)


def _refused(exception: Any, result: Result, redacted: Callable[[str], str]) -> Result:
    """Report a failure that a provider reported with an HTTP status."""
    body = exception.body if isinstance(exception.body, dict) else {}
    error: Json = {"message": "", "type": None, "param": None, "code": None, **body}
    error["message"] = redacted(str(body.get("message") or exception))
    headers = {name.lower(): value for name, value in exception.response.headers.items()}
    wait = retry_wait(exception.status_code, headers, _UNSAID, PATIENCE)
    result.status = exception.status_code
    result.request_id = exception.request_id or ""
    result.error = error
    result.content = encode_lenient({"error": error})
    result.retriable = wait is not None
    result.retry_after = None if wait == _UNSAID else wait
    return result


def _named(exception: BaseException) -> tuple[str, str]:
    """Return code and type of a failure without a status; the most special class in its family decides."""
    found = next((_NAMES[cls.__name__] for cls in type(exception).__mro__ if cls.__name__ in _NAMES), _UNKNOWN)
    # What a provider reported inside an answer of status 200 has a code of its own.
    return getattr(exception, "code", None) or found[0], found[1]
