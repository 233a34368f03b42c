"""Error bodies, in all the forms that Mistral and its gateway send."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.core import Json, VendorError
from dragoman.mistralai import Mistral
from dragoman.mistralai.failures import in_answer

ORDER = "Unexpected role 'user' after role 'tool'"


def own(message: Any, code: str | None = "3051", kind: str | None = "invalid_request_invalid_args") -> Json:
    return {"object": "error", "message": message, "type": kind, "param": None, "code": code, "raw_status_code": 400}


@pytest.mark.rule(201)
@pytest.mark.parametrize(
    ("status", "body", "message", "code"),
    [
        (400, own("Invalid model: x", "1500", "invalid_model"), "Invalid model: x", "1500"),
        (
            422,
            own({"detail": [{"loc": ["body", "n"], "msg": "too big", "input": "secret"}]}, None),
            "body.n: too big",
            None,
        ),
        (422, {"detail": [{"loc": ["a"], "msg": "x"}, {"loc": ["b", 0], "msg": "y"}]}, "a: x; b.0: y", None),
        (422, {"detail": [{"msg": "x"}]}, "x", None),
        (401, {"detail": "Invalid API Key"}, "Invalid API Key", "invalid_api_key"),
        (401, "Unauthorized", "Unauthorized", "invalid_api_key"),
        (401, {"message": "Unauthorized", "request_id": "r"}, "Unauthorized", "invalid_api_key"),
        (429, {"message": "Requests rate limit exceeded"}, "Requests rate limit exceeded", "rate_limit_exceeded"),
        (429, own("Service tier capacity exceeded", "3505"), "Service tier capacity exceeded", "3505"),
        (400, own({"a": "secret"}), "HTTP 400 without a message", "3051"),
        (400, {"detail": {"error": "no such tier", "code": "7"}}, "no such tier", "7"),
        (400, own({"error": "no such tier"}), "no such tier", "3051"),
        (400, own("Prompt is too large for model with 32768 maximum context length"), None, "context_length_exceeded"),
        (500, "<html>oops</html>", "HTTP 500 with an HTML page instead of a message", None),
        (500, {}, "HTTP 500 without a message", None),
        (400, {"error": {"message": "wrapped", "code": "c"}}, "wrapped", "c"),
    ],
)
def test_error_bodies(status: int, body: Any, message: str | None, code: str | None) -> None:
    error = Mistral().decode_error(status, body)
    assert error["message"] == (message or body["message"])
    assert error["code"] == code
    assert set(error) == {"message", "type", "param", "code"}
    assert "secret" not in str(error)


@pytest.mark.rule(175, 201)
def test_an_order_that_is_refused_comes_with_advice() -> None:
    error = Mistral().decode_error(400, own(ORDER, "3230", "invalid_request_message_order"))
    assert error["message"].startswith(ORDER)
    assert 'on_unsupported="adapt"' in error["message"]
    assert (error["type"], error["code"]) == ("invalid_request_message_order", "3230")


@pytest.mark.rule(201)
def test_an_error_with_status_200_is_one() -> None:
    with pytest.raises(VendorError, match="Busy") as caught:
        in_answer(own("Busy"), Mistral().decode_error)
    assert (caught.value.status, caught.value.error["code"]) == (400, "3051")
    with pytest.raises(VendorError, match="without a message"):
        in_answer({"object": "error"}, Mistral().decode_error)


@pytest.mark.parametrize("body", [{"object": "chat.completion"}, {}, [], "text", None])
def test_other_bodies_are_none(body: Any) -> None:
    assert in_answer(body, Mistral().decode_error) is None
