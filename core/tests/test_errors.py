"""Whatever goes wrong, as an `openai` exception."""

from __future__ import annotations

import pickle
import socket
import ssl
from typing import Any

import openai
import pytest

import dragoman.core
from dragoman.core import DragomanError, UnsupportedParameter
from dragoman.core.errors import (
    a_request,
    connection_error,
    http_library,
    httpx,
    invalid_reply,
    request_id,
    sdk_module,
    status_error,
    stream_error,
    translate,
)

ERROR = {"message": "no luck", "type": "t", "param": "p", "code": "c"}
OWN = [getattr(dragoman.core, name) for name in dragoman.core._HOME["errors"]]


@pytest.mark.parametrize("kind", OWN)
def test_our_own_family(kind: type[Exception]) -> None:
    assert issubclass(kind, DragomanError)
    assert issubclass(kind, openai.OpenAIError)
    assert issubclass(kind, ValueError)
    assert not issubclass(kind, openai.APIError)


def test_a_status_without_a_response() -> None:
    cause = KeyError("x")
    error: Any = status_error(429, ERROR, headers={"request-id": "r", "retry-after": "3"}, cause=cause, path="x")
    assert type(error) is openai.RateLimitError
    assert str(error) == "Error code: 429 - no luck"
    assert (error.body, error.param, error.request_id, error.__cause__) == (ERROR, "p", "r", cause)
    assert error.response.headers["retry-after"] == "3"
    assert error.response.json() == {"error": ERROR}


def test_errors_inside_answers() -> None:
    assert type(stream_error(ERROR, 401)) is openai.AuthenticationError
    bare = stream_error(ERROR, None)
    assert type(bare) is openai.APIError
    assert (bare.message, bare.code) == ("no luck", "c")
    unreadable = invalid_reply("odd", response=None, body=[1])
    assert (unreadable.status_code, unreadable.body, str(unreadable)) == (200, [1], "odd")
    cause = OSError()
    assert connection_error("gone", cause=cause).__cause__ is cause


class APITimeoutError(Exception):
    """As the SDKs of other vendors call it."""


class APIConnectionError(Exception):
    """As above."""


@pytest.mark.parametrize(
    ("exception", "expected"),
    [
        (TimeoutError(), openai.APITimeoutError),
        (socket.timeout(), openai.APITimeoutError),  # noqa: UP041 (its old name)
        (APITimeoutError(), openai.APITimeoutError),
        (httpx.ReadTimeout("slow"), openai.APITimeoutError),
        (httpx.PoolTimeout("full"), openai.APITimeoutError),
        (httpx.ConnectError("refused"), openai.APIConnectionError),
        (httpx.TooManyRedirects("round"), openai.APIConnectionError),
        (httpx.UnsupportedProtocol("ftp"), openai.APIConnectionError),
        (httpx.InvalidURL("x"), openai.APIConnectionError),
        (httpx.DecodingError("gzip"), openai.APIConnectionError),
        (httpx.StreamClosed(), openai.APIConnectionError),
        (ssl.SSLError("handshake"), openai.APIConnectionError),
        (socket.gaierror("unknown host"), openai.APIConnectionError),
        (APIConnectionError(), openai.APIConnectionError),
    ],
)
def test_translation(exception: Exception, expected: type[Exception]) -> None:
    found = translate(exception, "acme")
    assert type(found) is expected
    assert found.__cause__ is exception
    assert str(found)


def test_the_reason_is_told_in_one_line() -> None:
    outer = APIConnectionError("Connection error.")
    outer.__cause__ = OSError("no\n route")
    assert str(translate(outer, "acme")) == "acme: connection failed: no route"
    assert str(translate(ConnectionResetError(), "acme")) == "acme: connection failed: ConnectionResetError"


@pytest.mark.parametrize("exception", [KeyError("x"), KeyboardInterrupt(), openai.OpenAIError("x")])
def test_what_is_not_translated(exception: BaseException) -> None:
    assert translate(exception, "acme") is exception


def test_request_ids() -> None:
    assert request_id({"mistral-correlation-id": "m"}) == "m"
    assert request_id({"request-id": "a", "x-request-id": "b"}) == "b"
    assert request_id({"x-request-id": ""}) is None


def test_the_http_library_is_the_sdks() -> None:
    assert httpx.__name__ == ("httpx" if openai.VERSION.startswith("2.") else "httpx2")
    assert http_library(openai) is httpx


def test_a_users_subclass_of_an_sdk_client() -> None:
    class Mine(openai.OpenAI):
        pass

    with Mine(api_key="k") as client:
        assert sdk_module(client) is openai


def test_unsupported_keeps_its_facts() -> None:
    error = UnsupportedParameter("seed", "acme", "no dice", "roll")
    assert (error.param, error.provider, error.reason, error.hint) == ("seed", "acme", "no dice", "roll")
    assert "seed" in repr(error)
    assert pickle.loads(pickle.dumps(DragomanError("x"))).args == ("x",)  # noqa: S301 (our own bytes)


@pytest.mark.rule(157)
def test_the_sdks_bare_connection_error_gets_the_provider_and_the_reason() -> None:
    request = a_request()
    bare = openai.APIConnectionError(request=request)
    bare.__cause__ = OSError("Connection refused")
    told = translate(bare, "acme")
    assert isinstance(told, openai.APIConnectionError)
    assert str(told) == "acme: connection failed: Connection refused"
    assert translate(told, "other") is told
