"""Error bodies -> OpenAI's error object."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from dragoman.anthropic.failures import STATUSES, decode_error, vendor_error


def body(kind: str, message: str = "Something.", **fields: Any) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message, **fields}, "request_id": "req_1"}


@pytest.mark.rule(163)
@pytest.mark.parametrize(
    ("status", "kind", "message", "code"),
    [
        (400, "invalid_request_error", "max_tokens: Field required", "invalid_request_error"),
        (400, "invalid_request_error", "prompt is too long: 201 tokens > 200 maximum", "context_length_exceeded"),
        (
            400,
            "invalid_request_error",
            "input length and `max_tokens` exceed context limit: 9 + 9 > 10",
            "context_length_exceeded",
        ),
        (400, "invalid_request_error", "The `prompt` is too long", "context_length_exceeded"),
        (401, "authentication_error", "invalid x-api-key", "invalid_api_key"),
        (402, "billing_error", "Pay.", "insufficient_quota"),
        (403, "permission_error", "No.", "permission_error"),
        (404, "not_found_error", "model: claude-nope", "model_not_found"),
        (404, "not_found_error", "Not found", "not_found_error"),
        (413, "request_too_large", "Big.", "request_too_large"),
        (429, "rate_limit_error", "Slow.", "rate_limit_exceeded"),
        (500, "api_error", "Oops.", "api_error"),
        (529, "overloaded_error", "Overloaded", "overloaded_error"),
    ],
)
def test_error_object(status: int, kind: str, message: str, code: str) -> None:
    assert decode_error(status, body(kind, message)) == {"message": message, "type": kind, "param": None, "code": code}


@pytest.mark.rule(163)
def test_detailed_code_is_kept() -> None:
    details = {"error_code": "contract_spend_limit_reached", "limit": 5}
    assert decode_error(429, body("rate_limit_error", details=details))["code"] == "contract_spend_limit_reached"
    assert decode_error(429, body("rate_limit_error", details={}))["code"] == "rate_limit_exceeded"
    assert decode_error(429, body("rate_limit_error", details="none"))["code"] == "rate_limit_exceeded"


@pytest.mark.rule(163)
@pytest.mark.parametrize(
    ("found", "message", "code"),
    [
        ("upstream connect error", "upstream connect error", None),
        ("", "Anthropic reported an error (HTTP 502) without a message", None),
        (None, "Anthropic reported an error (HTTP 502) without a message", None),
        ([1], "Anthropic reported an error (HTTP 502) without a message", None),
        ({"error": "plain"}, "plain", None),
        ({"message": "flat", "code": "c1"}, "flat", "c1"),
        ({"error": {"message": {"odd": 1}, "code": 7}}, "Anthropic reported an error (HTTP 502) without a message", 7),
    ],
)
def test_bodies_of_proxies(found: Any, message: str, code: Any) -> None:
    assert decode_error(502, found) == {"message": message, "type": None, "param": None, "code": code}


@pytest.mark.rule(156, 164)
@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("invalid_request_error", 400),
        ("authentication_error", 401),
        ("billing_error", 402),
        ("permission_error", 403),
        ("not_found_error", 404),
        ("request_too_large", 413),
        ("rate_limit_error", 429),
        ("api_error", 500),
        ("timeout_error", 504),
        ("overloaded_error", 529),
        ("error_of_next_year", None),
    ],
)
def test_status_comes_from_the_type(kind: str, status: int | None) -> None:
    failure = vendor_error(body(kind, "Why."))
    assert (failure.status, failure.error["message"], failure.error["type"]) == (status, "Why.", kind)
    assert str(failure) == "Why."


@pytest.mark.rule(164)
def test_an_error_without_a_message_inside_an_answer() -> None:
    assert str(vendor_error({"type": "error"})) == "Anthropic reported an error (HTTP 200) without a message"


@pytest.mark.rule(156)
def test_every_error_type_of_the_sdk_has_a_status() -> None:
    from anthropic.types.shared import error_object

    kinds = {
        kind
        for name in dir(error_object)
        if name.endswith("ErrorObject") and "type" in getattr(getattr(error_object, name), "model_fields", {})
        for kind in getattr(error_object, name).model_fields["type"].annotation.__args__
    }
    assert kinds
    assert kinds <= set(STATUSES)


@pytest.mark.rule(164)
def test_table_agrees_with_the_sdks_classes() -> None:
    assert openai.RateLimitError.__mro__[1] is openai.APIStatusError
    assert all(400 <= status < 600 for status in STATUSES.values())
