"""Each status and each form of body, from a real server through the official SDK to the caller's exception."""

from __future__ import annotations

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import openai
import pytest

from dragoman.core import AsyncClient, Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHAT: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "messages": [{"role": "user", "content": "Hi"}],
    "max_tokens": 9,
}
TABLE: list[tuple[int, str, type[openai.APIStatusError], str]] = [
    (400, "invalid_request_error", openai.BadRequestError, "invalid_request_error"),
    (401, "authentication_error", openai.AuthenticationError, "invalid_api_key"),
    (402, "billing_error", openai.APIStatusError, "insufficient_quota"),
    (403, "permission_error", openai.PermissionDeniedError, "permission_error"),
    (404, "not_found_error", openai.NotFoundError, "not_found_error"),
    (408, "timeout_error", openai.APIStatusError, "timeout_error"),
    (409, "conflict_error", openai.ConflictError, "conflict_error"),
    (413, "request_too_large", openai.APIStatusError, "request_too_large"),
    (422, "invalid_request_error", openai.UnprocessableEntityError, "invalid_request_error"),
    (429, "rate_limit_error", openai.RateLimitError, "rate_limit_exceeded"),
    (500, "api_error", openai.InternalServerError, "api_error"),
    (503, "api_error", openai.InternalServerError, "api_error"),
    (504, "timeout_error", openai.InternalServerError, "timeout_error"),
    (529, "overloaded_error", openai.InternalServerError, "overloaded_error"),
]


class Refusing:
    """A server that refuses everything in the way it is told, and counts."""

    def __init__(self) -> None:
        self.status = 400
        self.body = b""
        self.headers: dict[str, str] = {}
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                outer.asked += 1
                self.send_response(outer.status)
                for name, value in {**outer.headers, "content-length": str(len(outer.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, *args: object) -> None:
                """Stay quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Refusing]:
    for name in ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    made = Refusing()
    yield made
    made.server.shutdown()
    made.server.server_close()


def ask(url: str, *, stream: bool, retries: int = 0) -> None:
    with Client(default_provider="anthropic", base_url=url, api_key="k", max_retries=retries) as client:
        client.chat.completions.create(**CHAT, stream=stream)


def ask_asynchronously(url: str, *, stream: bool, retries: int = 0) -> None:
    async def run() -> None:
        async with AsyncClient(default_provider="anthropic", base_url=url, api_key="k", max_retries=retries) as client:
            await client.chat.completions.create(**CHAT, stream=stream)

    asyncio.run(run())


ASKERS = pytest.mark.parametrize("asker", [ask, ask_asynchronously])
STREAM = pytest.mark.parametrize("stream", [False, True])


@ASKERS
@STREAM
@pytest.mark.rule(163, 164, 165)
@pytest.mark.parametrize(("status", "kind", "expected", "code"), TABLE)
def test_the_table(
    refusing: Refusing, asker: Callable[..., None], stream: bool, status: int, kind: str, expected: type, code: str
) -> None:
    error = {"type": "error", "error": {"type": kind, "message": f"It is {kind}."}, "request_id": "req_1"}
    refusing.status, refusing.body = status, json.dumps(error).encode()
    refusing.headers = {"content-type": "application/json", "request-id": "req_1", "retry-after": "7"}
    with pytest.raises(openai.APIStatusError) as caught:
        asker(refusing.url, stream=stream)
    exception = caught.value
    assert type(exception) is expected
    assert (exception.status_code, exception.code, exception.type) == (status, code, kind)
    assert exception.request_id == "req_1"
    assert str(exception) == f"Error code: {status} - It is {kind}."
    assert exception.response.headers["retry-after"] == "7"
    assert type(exception.__cause__).__module__.startswith("anthropic")
    assert refusing.asked == 1


@ASKERS
@STREAM
@pytest.mark.rule(163, 164)
@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b"<html><body>Bad gateway</body></html>", "text/html", "HTTP 502"),
        (b'"upstream is away"', "application/json", "upstream is away"),
        (b"upstream is away", "text/plain", "upstream is away"),
        (b'{"error": "upstream is away"}', "application/json", "upstream is away"),
        (b"", "application/json", "HTTP 502"),
        (b'{"error": {"message": "cut', "application/json", "cut"),
    ],
)
def test_bodies_of_gateways(
    refusing: Refusing, asker: Callable[..., None], stream: bool, body: bytes, kind: str, said: str
) -> None:
    refusing.status, refusing.body, refusing.headers = 502, body, {"content-type": kind}
    with pytest.raises(openai.InternalServerError, match=said) as caught:
        asker(refusing.url, stream=stream)
    assert caught.value.status_code == 502
    assert "<" not in str(caught.value)


@ASKERS
@STREAM
@pytest.mark.rule(166)
def test_retry_after_is_honoured_by_the_sdk_alone(refusing: Refusing, asker: Callable[..., None], stream: bool) -> None:
    refusing.status, refusing.body = 429, b'{"type": "error", "error": {"type": "rate_limit_error", "message": "No."}}'
    refusing.headers = {"content-type": "application/json", "retry-after-ms": "1"}
    with pytest.raises(openai.RateLimitError):
        asker(refusing.url, stream=stream, retries=1)
    assert refusing.asked == 2
