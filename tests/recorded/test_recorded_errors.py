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


def request_ids(exchange: Exchange) -> set[str | None]:
    """The header's id where there is one; else the body's, or none."""
    headers = {name.lower(): value for name, value in exchange.headers.items()}
    found = headers.get("x-request-id") or headers.get("request-id")
    return {found} if found else {exchange.body.get("request_id"), None}


@pytest.mark.rule(156, 163, 164, 165, 167, 232, 236)
def test_the_client_raises_what_the_provider_said(failure: Exchange, roads: dict[str, list[Road]]) -> None:
    faults = []
    # An error with a good status stands in the place of an answer; how it was asked for is known.
    for stream in (False, True) if failure.status >= 400 else (failure.streamed,):
        for road in roads[failure.family.provider]:
            with pytest.raises(openai.APIError) as caught:
                road.call(
                    model=failure.model,
                    messages=[{"role": "user", "content": "What do you say?"}],
                    stream=stream,
                    extra_headers={"x-replay-id": failure.id},
                )
            name = f"{road.name}{', stream' if stream else ''}"
            faults += [f"{name}: {fault}" for fault in judge(failure, caught.value, road)]
    assert not faults, "\n".join([failure.id, *faults])


def judge(exchange: Exchange, raised: openai.APIError, road: Road) -> list[str]:
    error = exchange.body["error"]
    status = exchange.status if exchange.status >= 400 else error.get("status")
    # The SDK's own wording of a refusal with a status; on the HTTP road it makes the exception itself, without a cause.
    message = f"Error code: {status} - {error['message']}" if status else error["message"]
    wanted: dict[str, object] = {
        "class": openai.InternalServerError if status >= 500 else CLASSES.get(status, openai.APIStatusError),
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
