"""Every recorded refusal becomes the `openai` exception that its status means, with the provider's own words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest

if TYPE_CHECKING:
    from recorded_judge.roads import Road
    from recorded_judge.traffic import Exchange

CLASSES = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    402: openai.APIStatusError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    408: openai.APIStatusError,
    409: openai.ConflictError,
    413: openai.APIStatusError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
}
#: OpenAI's codes for what Anthropic says by the type of the error alone.
CODES = {
    "authentication_error": "invalid_api_key",
    "billing_error": "insufficient_quota",
    "rate_limit_error": "rate_limit_exceeded",
}


def code_of(exchange: Exchange, error: dict[str, Any]) -> Any:
    """The code that the exception shall have."""
    if exchange.family.plain_body:
        return error.get("code")
    if "prompt is too long" in error["message"] or "exceed context limit" in error["message"]:
        return "context_length_exceeded"
    if error["type"] == "not_found_error" and error["message"].startswith("model:"):
        return "model_not_found"
    return (error.get("details") or {}).get("error_code") or CODES.get(error["type"], error["type"])


#: What servers write, each in its own way, where a prompt was too long; the catalogue has the words.
TOO_LONG = ("maximum context length", "context length is only", "exceeds the available context size")


def told(exchange: Exchange) -> dict[str, Any]:
    """The error object of a server with an accent: wrapped, flat, or a bare text."""
    body = exchange.body
    found = (body.get("error") or body) if isinstance(body, dict) else {"message": body}
    found = found if isinstance(found, dict) else {**body, "message": found}
    message = found.get("message") or found.get("detail")
    return {**found, "message": message if isinstance(message, str) else ""}


def codes_of(exchange: Exchange, error: dict[str, Any]) -> set[str | None]:
    """The codes that the exception may have: the server's own where it has one, else OpenAI's for the status."""
    if any(words in error["message"] for words in TOO_LONG):
        return {"context_length_exceeded"}
    usual = {401: "invalid_api_key", 402: "insufficient_quota", 404: "model_not_found", 429: "rate_limit_exceeded"}
    own = error.get("code")
    codes: set[str | None] = {None, usual.get(exchange.status)} if own is None else {str(own)}
    if exchange.status == 404 and "model" in error["message"].lower():
        codes.add("model_not_found")
    if "too long" in error["message"]:
        codes.add("context_length_exceeded")
    if exchange.family.wire == "mistral" and error.get("type") == "invalid_model":
        codes.add("model_not_found")
    return codes


def request_ids(exchange: Exchange) -> set[str | None]:
    """The header's id where there is one; else the body's, or none."""
    headers = {name.lower(): value for name, value in exchange.headers.items()}
    found = headers.get("x-request-id") or headers.get("request-id")
    return {found} if found else {exchange.body.get("request_id"), None}


def class_of(status: int) -> type[openai.APIError]:
    return openai.InternalServerError if status >= 500 else CLASSES.get(status, openai.APIStatusError)


@pytest.mark.rule(156, 163, 164, 165, 167, 201, 219, 220, 232, 236, 250, 256, 258, 260, 261, 287, 293, 294)
def test_the_client_raises_what_the_provider_said(failure: Exchange, roads: Any) -> None:
    faults = []
    # An error with a good status stands in the place of an answer; how it was asked for is known.
    for stream in (False, True) if failure.status >= 400 else (failure.streamed,):
        for road in roads[failure.family]:
            with pytest.raises(openai.APIError) as caught:
                road.call(
                    model=failure.address,
                    messages=[{"role": "user", "content": "What do you say?"}],
                    stream=stream,
                    extra_headers={"x-replay-id": failure.id},
                )
            name = f"{road.name}{', stream' if stream else ''}"
            judge = judge_accented if failure.family.accented else judge_exact
            faults += [f"{name}: {fault}" for fault in judge(failure, caught.value, road)]
    assert not faults, "\n".join([failure.id, *faults])


def judge_exact(exchange: Exchange, raised: openai.APIError, road: Road) -> list[str]:
    error = exchange.body["error"]
    status = exchange.status if exchange.status >= 400 else error.get("status")
    # The SDK's own wording of a refusal with a status; on the HTTP road it makes the exception itself, without a cause.
    message = f"Error code: {status} - {error['message']}" if status else error["message"]
    wanted: dict[str, object] = {
        "class": class_of(status),
        "status_code": status,
        "message": message,
        "code": code_of(exchange, error),
        "type": error.get("type"),
        "param": error.get("param"),
    }
    facts = {name: getattr(raised, name, None) for name in wanted} | {"class": type(raised)}
    faults = [f"{name}: wanted {wanted[name]!r}, got {facts[name]!r}" for name in wanted if wanted[name] != facts[name]]
    if exchange.status >= 400 and getattr(raised, "request_id", None) not in request_ids(exchange):
        faults.append(f"request_id: {getattr(raised, 'request_id', None)!r} is none of {request_ids(exchange)}")
    if not isinstance(raised.body, dict) or raised.body.get("message") != error["message"]:
        faults.append(f"body is not the error object: {raised.body!r}")
    if exchange.status >= 400 and raised.__cause__ is None and not road.http:
        faults.append("no __cause__")
    return faults


def judge_accented(exchange: Exchange, raised: openai.APIError, road: Road) -> list[str]:
    """Judge by what each server said; a hint of dragoman's own may follow."""
    error = told(exchange)
    # With a good status only a number in the error tells more.
    inside = int(error["code"]) if str(error.get("code")).isdigit() else None
    status = exchange.status if exchange.status >= 400 else inside
    wanted = openai.APIError if status is None else class_of(status)
    faults = [] if type(raised) is wanted else [f"class: wanted {wanted}, got {type(raised)}"]
    if getattr(raised, "status_code", None) != status:
        faults.append(f"status_code: {getattr(raised, 'status_code', None)} is not {status}")
    start = "" if status is None else f"Error code: {status} - "
    if not str(raised).startswith(start) or error["message"] not in str(raised):
        faults.append(f"message: {error['message']!r} is not what {str(raised)!r} says")
    if (None if raised.code is None else str(raised.code)) not in codes_of(exchange, error):
        faults.append(f"code: {raised.code!r} is none of {codes_of(exchange, error)}")
    said = {key: error[key] for key in ("type", "param") if error.get(key)}
    faults += [
        f"{key}: wanted {said[key]!r}, got {getattr(raised, key)!r}"
        for key in said
        if said[key] != getattr(raised, key)
    ]
    if not isinstance(raised.body, dict) or error["message"] not in str(raised.body.get("message")):
        faults.append(f"body is not the error object: {raised.body!r}")
    # Where no SDK sends, nothing was raised before.
    if raised.__cause__ is None and not road.http and exchange.family.provider_name != "ollama":
        faults.append("no __cause__")
    names = {"x-request-id", "request-id", "mistral-correlation-id", "x-litellm-call-id"}
    ids = {value for name, value in exchange.headers.items() if name.lower() in names}
    if ids and getattr(raised, "request_id", None) not in ids:
        faults.append(f"request_id: {getattr(raised, 'request_id', None)!r} is none of {ids}")
    return faults
