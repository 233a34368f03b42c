"""What Ollama says when it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dragoman.ollama import Ollama

if TYPE_CHECKING:
    from dragoman.core import Json


def decode(status: int, body: Any) -> Json:
    return Ollama().decode_error(status, body)


@pytest.mark.rule(250)
@pytest.mark.parametrize(
    "body",
    [
        {"error": "model 'llama9:8b' not found"},
        {"error": 'model "llama9:8b" not found, try pulling it first'},
        {"error": {"message": "model 'llama9:8b' not found", "type": "not_found_error", "param": None, "code": None}},
    ],
)
def test_a_model_that_is_not_there_names_the_pull(body: Json) -> None:
    error = decode(404, body)
    assert error["message"].endswith("(to download it: ollama pull llama9:8b)")
    assert (error["code"], error["param"]) == ("model_not_found", "model")


@pytest.mark.rule(250)
@pytest.mark.parametrize(
    ("status", "body", "message", "code"),
    [
        (400, {"error": "llama3 does not support tools"}, "llama3 does not support tools", None),
        (404, "404 page not found", "404 page not found", None),
        (500, {"error": "model 'x' not found in memory"}, "model 'x' not found in memory", None),
        (429, {"error": "slow down"}, "slow down", "rate_limit_exceeded"),
        (402, {"error": "pay"}, "pay", "insufficient_quota"),
        (
            400,
            {"error": "input exceeds maximum context length"},
            "input exceeds maximum context length",
            "context_length_exceeded",
        ),
        (503, {"error": ""}, "HTTP 503 without a message", None),
        (502, "<html>", "HTTP 502 with an HTML page instead of a message", None),
    ],
)
def test_other_failures(status: int, body: Any, message: str, code: str | None) -> None:
    error = decode(status, body)
    assert (error["message"], error["code"]) == (message, code)


def test_a_missing_key_says_what_to_set() -> None:
    error = decode(401, {"error": "unauthorized", "signin_url": "https://ollama.com/connect?name=x"})
    assert error["message"] == "unauthorized (set OLLAMA_API_KEY, or run: ollama signin)"
    assert error["code"] == "invalid_api_key"
