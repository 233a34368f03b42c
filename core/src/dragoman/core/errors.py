"""Whatever goes wrong becomes an `openai` exception of the right class.

Failures that the caller caused locally are one family of our own, which is an `openai.OpenAIError` too, so
`except openai.OpenAIError` catches everything and `except openai.APIError` everything that the provider said.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import openai

from dragoman.core.codec import encode_lenient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.core.provider import Json


def http_library(sdk: Any) -> Any:
    """Return the HTTP library that a Stainless SDK is built on: `httpx` or `httpx2`."""
    # SDKs rename the module of what they export, but not that of its methods.
    return import_module(sdk.Timeout.as_dict.__module__.partition(".")[0])


#: The HTTP library of the installed openai: httpx for openai 2, httpx2 for openai 3.
httpx: Any = http_library(openai)

#: What every failure of a call is.
OpenAIError = openai.OpenAIError

#: Where vendors put the id of a request; openai's own exceptions read the first.
REQUEST_ID_HEADERS = ("x-request-id", "request-id", "mistral-correlation-id", "x-litellm-call-id")

#: Headers that are true of the bytes on the wire only.
_OF_THE_WIRE = frozenset({"content-encoding", "content-length", "transfer-encoding"})

_STATUS_CLASSES: dict[int, type[openai.APIStatusError]] = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
}
_SERVER_ERROR = 500


class DragomanError(openai.OpenAIError, ValueError):
    """A failure that dragoman found before anything was sent."""


class UnsupportedParameter(DragomanError):  # noqa: N818 (the name states the fact, as KeyError's peers do)
    """The provider has no equivalent for a parameter, or for this value of it."""

    def __init__(self, param: str, provider: str, reason: str, hint: str = "") -> None:
        advice = hint or 'leave it out, or choose on_unsupported="adapt", "warn" or "ignore"'
        super().__init__(f"{provider} does not support {param}: {reason}. To go on: {advice}.")
        self.param = param
        self.provider = provider
        self.reason = reason
        self.hint = hint


class InvalidRequest(DragomanError):  # noqa: N818 (as above)
    """The request cannot be valid at this provider, whatever the policy (a tool result without its call, say)."""


class MissingKey(DragomanError):  # noqa: N818 (as above)
    """No credential was found for a provider that needs one."""


class UnknownProvider(DragomanError):  # noqa: N818 (as above)
    """The model names a provider that is not installed."""


class ConfigError(DragomanError):
    """A configuration says something that cannot be meant; the message names the place, and quotes no value.

    `key` is what is wrong in the place, and `said` the message without the place; both are empty where there is
    none. `faults` are the lines to show where a file has several.
    """

    def __init__(self, message: str, *, key: str = "", said: str = "", faults: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.key = key
        self.said = said
        self.faults = faults or (message,)


class TapeError(DragomanError):
    """A tape is missing, cannot be read, or cannot be written; or a request is on no tape, and what differs is said."""


class PluginError(DragomanError):
    """An installed plugin cannot be loaded, or two of them offer one name."""


def request_id(headers: Mapping[str, str]) -> str | None:
    """Read the id that the provider gave to the request, whatever its header is called."""
    return next((value for name in REQUEST_ID_HEADERS if (value := headers.get(name))), None)


def a_request(path: str = "") -> Any:
    """Stand in for an HTTP request where there was none: exceptions of openai must have one."""
    return httpx.Request("POST", f"http://dragoman.invalid/v1/{path}")


def status_error(  # noqa: PLR0913 (one keyword for each fact of the failure)
    status: int,
    error: Json,
    *,
    headers: Mapping[str, str] | None = None,
    response: Any = None,
    cause: BaseException | None = None,
    path: str = "",
) -> openai.APIStatusError:
    """Make the `openai` exception for an HTTP status; `error` is OpenAI's error object, and its `body`."""
    headers = headers or {}
    if response is None:
        content = encode_lenient({"error": error})
        response = made_response(status, {"content-type": "application/json", **headers}, content, path)
    kind = _STATUS_CLASSES.get(status)
    if kind is None:
        kind = openai.InternalServerError if status >= _SERVER_ERROR else openai.APIStatusError
    # Worded as the SDK itself words it, so that both roads say the same.
    exception = kind(f"Error code: {status} - {error['message']}", response=response, body=error)
    exception.status_code = status
    exception.request_id = request_id(headers)
    exception.__cause__ = cause
    return exception


def stream_error(error: Json, status: int | None, *, path: str = "") -> openai.APIError:
    """Make the exception for an error that a provider reported inside an answer of status 200."""
    if status is not None:
        return status_error(status, error, path=path)
    return openai.APIError(error["message"], a_request(path), body=error)


def connection_error(message: str, *, cause: BaseException | None = None, path: str = "") -> openai.APIConnectionError:
    """No answer, or one that broke off."""
    exception = openai.APIConnectionError(message=message, request=a_request(path))
    exception.__cause__ = cause
    return exception


def made_response(status: int, headers: Mapping[str, str], content: bytes, path: str = "") -> Any:
    """Make the HTTP library's response of a reply that has none; its body is decoded already."""
    kept = {name: value for name, value in headers.items() if name.lower() not in _OF_THE_WIRE}
    return httpx.Response(status, headers=kept, content=content, request=a_request(path))


def invalid_reply(message: str, *, response: Any, body: object, path: str = "") -> openai.APIResponseValidationError:
    """Report an answer with a good status whose body is not what the endpoint promises."""
    if response is None:
        response = httpx.Response(200, request=a_request(path))
    return openai.APIResponseValidationError(response, body, message=message)


def is_told(exception: BaseException) -> bool:
    """Whether it is an `openai` exception that says what happened; the SDK's bare "Connection error." does not."""
    bare = type(exception) is openai.APIConnectionError and str(exception) == "Connection error."
    return isinstance(exception, openai.OpenAIError) and not bare


def translate(exception: BaseException, provider: str, path: str = "") -> BaseException:
    """Turn what a vendor's SDK, an HTTP library or the system raised into an `openai` exception.

    SDKs are told apart by the names of their classes, since each has its own `APITimeoutError` and importing
    them all to compare would defeat installing only one. What is none of these is returned as it is.
    """
    if is_told(exception) or not isinstance(exception, Exception):
        return exception
    names = {cls.__name__ for cls in type(exception).__mro__}
    if names & {"APITimeoutError", "TimeoutException", "TimeoutError"}:
        timeout = openai.APITimeoutError(request=a_request(path))
        timeout.__cause__ = exception
        return timeout
    if names & {"APIConnectionError", "RequestError", "InvalidURL", "StreamError", "OSError"}:
        # An SDK's own exception says less than its cause; one of the HTTP library's is worded for callers.
        reason = exception if isinstance(exception, httpx.RequestError) else exception.__cause__ or exception
        return connection_error(f"{provider}: connection failed: {_one_line(reason)}", cause=exception, path=path)
    return exception


def _one_line(exception: BaseException) -> str:
    text = " ".join(str(exception).split())
    return text or type(exception).__name__


def sdk_module(client: Any) -> Any:
    """Return the package of a Stainless SDK, given one of its clients (or of a subclass of the user's)."""
    for cls in type(client).__mro__:
        module = sys.modules.get(cls.__module__.partition(".")[0])
        if module is not None and hasattr(module, "APIStatusError"):
            return module
    msg = f"{type(client).__name__} is not a client of an SDK with APIStatusError (openai, anthropic, together)"
    raise TypeError(msg)
