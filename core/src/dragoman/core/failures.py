"""What went wrong while a call was made -> the exception that the caller sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from dragoman.core import errors
from dragoman.core.framing import FramingError
from dragoman.core.provider import StreamCutError, VendorError, without_password

if TYPE_CHECKING:
    from dragoman.core.provider import AsyncReply, Call, Json, Provider, Reply

#: Where the call was: making the wire, sending it, reading the reply.
Phase = Literal["encoding", "sending", "decoding"]

#: What Python raises for data of another shape than the code expects.
_WRONG_SHAPE = (LookupError, TypeError, AttributeError, ValueError, RecursionError)


def failure_of(exception: BaseException, call: Call, phase: Phase, response: Any) -> BaseException:
    """Make the exception for whatever was raised during a call; its cause is kept."""
    path, name = call.endpoint, call.provider
    if errors.is_told(exception) or isinstance(exception, Warning) or not isinstance(exception, Exception):
        return exception
    if isinstance(exception, VendorError):
        failure: BaseException = errors.stream_error(exception.error, exception.status, path=path)
    elif isinstance(exception, StreamCutError):
        message = f"{name}: {exception}; what was delivered before is intact, but the answer is not whole"
        failure = errors.connection_error(message, path=path)
    elif isinstance(exception, FramingError) or (phase == "decoding" and isinstance(exception, _WRONG_SHAPE)):
        message = f"{name} sent an answer that cannot be read: {type(exception).__name__}"
        failure = errors.invalid_reply(message, response=response, body=None, path=path)
    elif phase == "encoding" and isinstance(exception, _WRONG_SHAPE):
        # The text of these names keys and types, or quotes a bare number.
        failure = errors.InvalidRequest(f"the request cannot be sent to {name}: {_tell(exception)}")
    elif isinstance(exception, ImportError):
        failure = errors.PluginError(f"{name} needs a package that cannot be imported: {exception}")
    else:
        failure = errors.translate(exception, name, path)
        if failure is exception:
            failure = errors.connection_error(f"{name}: the call failed: {type(exception).__name__}", path=path)
    # An SDK's own exception says less than its cause; one of the HTTP library's is what callers know.
    cause = exception if isinstance(exception, errors.httpx.RequestError) else exception.__cause__
    failure.__cause__ = cause or exception
    return failure


def told_to_start(failure: BaseException, provider: Provider) -> BaseException:
    """Say what to do where nobody listens at the provider's address; any other failure is returned as it is."""
    chain, cause = [failure], failure.__cause__ or failure.__context__
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    # The HTTP libraries are told by their names: there are two, and SDKs wrap their exceptions.
    refused = next((one for one in chain if any(cls.__name__ == "ConnectError" for cls in type(one).__mro__)), None)
    if refused is None:
        return failure
    place = without_password(provider.base_url)
    message = f"no {provider.name} answers at {place} ({' '.join(str(refused).split())}): {provider.start}"
    return errors.connection_error(message, cause=failure)


def _tell(exception: Exception) -> str:
    # A KeyError's text is the bare key.
    missing = isinstance(exception, KeyError)
    return f"{exception} is missing" if missing else f"{type(exception).__name__}: {exception}"


def unreadable(call: Call, how: str, reply: Reply | AsyncReply, body: object) -> Exception:
    """Report an answer with a good status that is not one."""
    return _invalid(call, f"answered {how}; is the base URL right?", reply, body)


def not_streamed(call: Call, reply: Reply | AsyncReply, body: Json) -> Exception:
    """Report a whole answer where a stream was asked for; it stands in the exception's `body`."""
    return _invalid(call, "answered whole where a stream was asked for: ask it without stream", reply, body)


def _invalid(call: Call, said: str, reply: Reply | AsyncReply, body: object) -> Exception:
    response = reply.response
    if response is None:
        response = errors.made_response(reply.status, reply.headers, reply.content, call.endpoint)
    return errors.invalid_reply(f"{call.provider} {said}", response=response, body=body, path=call.endpoint)


def no_endpoint(call: Call, offered: frozenset[str]) -> Exception:
    """Refuse an endpoint that the provider does not have."""
    message = f"{call.provider} has no {call.endpoint!r} endpoint (it has: {', '.join(sorted(offered))})"
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": "unsupported_endpoint"}
    return errors.status_error(404, error, path=call.endpoint)


def refused(call: Call, reply: Reply | AsyncReply, error: Json) -> Exception:
    """Report a reply whose status is a failure; `error` is OpenAI's error object."""
    target = reply.headers.get("location")
    if reply.status in range(300, 400) and target:
        error = {
            **error,
            "message": f"HTTP {reply.status} points to another address ({target}), which was not followed",
        }
    return errors.status_error(
        reply.status, error, headers=reply.headers, response=reply.response, cause=reply.cause, path=call.endpoint
    )


def reported(error: Json, body: Json) -> VendorError:
    """Report an error inside an answer of status 200."""
    return VendorError(error, _status_in(error.get("code"), body.get("error")))


def error_in(provider: Provider, call: Call, body: Json) -> VendorError:
    """Return the failure that a body or event of status 200 tells of; the provider may know its status."""
    try:
        provider.decode(call, body)
    except VendorError as told:
        return told
    except Exception:  # noqa: BLE001 (a body without an answer is none to be read)
        return reported(provider.decode_error(200, body), body)
    return reported(provider.decode_error(200, body), body)


def _status_in(code: Any, error: Any) -> int | None:
    """Some servers put an HTTP status into the error object: as its code, or beside it."""
    found = [code, *(error.get(key) for key in ("status_code", "status") if isinstance(error, dict))]
    for value in found:
        text = str(value)
        if text.isascii() and text.isdigit() and 400 <= int(text) < 600:  # noqa: PLR2004 (HTTP's error statuses)
            return int(text)
    return None


def check_messages(call: Call) -> None:
    """Refuse a chat that no provider can be asked. Raises `InvalidRequest`."""
    messages = call.request.get("messages")
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        msg = "messages must be a list of objects with a role each"
        raise errors.InvalidRequest(msg)
