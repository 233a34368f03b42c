"""Below ASGI: a request that is refused while its body still comes, and heads, at both parsers."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import openai
import pytest
from server_lab import ask, connected, request_bytes

from dragoman.server import protocols
from dragoman.server.keys import Key, hash_key

if TYPE_CHECKING:
    import socket

GOOD = "key-of-this-test-only"
KEYS = (Key("ci", hash_key(GOOD)),)
LARGE = ask("text", pad="x" * 3_000_000)


@pytest.fixture(params=["BoundedH11", "BoundedHttpTools"], autouse=True)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(protocols, request.param):
        pytest.skip("httptools is not installed")
    monkeypatch.setattr(protocols, "BoundedProtocol", getattr(protocols, request.param))


def answer(client: socket.socket) -> tuple[bytes, bytes]:
    """Read one answer, whose length is told: its first line, and its body."""
    found = b""
    while b"\r\n\r\n" not in found:
        part = client.recv(65536)
        assert part, found
        found += part
    head, _, body = found.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += client.recv(65536)
    assert len(body) == length, body
    return head.partition(b"\r\n")[0], body


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/chat/completions", {"Authorization": "Bearer wrong"}, b"401"),
        ("/v1/chat/completions", {"Authorization": f"Bearer {GOOD}"}, b"413"),
        ("/v1/models", {"Authorization": f"Bearer {GOOD}"}, b"405"),
        ("/v1/nothing", {"Authorization": f"Bearer {GOOD}"}, b"404"),
    ],
)
def test_a_refused_body_is_read_to_its_end_and_the_connection_is_used_again(
    serve: Any, path: str, headers: dict[str, str], status: bytes
) -> None:
    server = serve(keys=KEYS, max_body_bytes=1_000_000)
    good = request_bytes(ask("text"), server.port, Authorization=f"Bearer {GOOD}")
    with connected(server.port) as client:
        for _ in range(2):
            client.sendall(request_bytes(LARGE, server.port, path=path, **headers))
            assert answer(client)[0].split()[1] == status
            client.sendall(good)
            assert answer(client)[0].split()[1] == b"200"


def test_openais_client_is_told_what_was_refused(serve: Any) -> None:
    server = serve(keys=KEYS, max_body_bytes=1_000_000)

    async def ask_large(key: str) -> None:
        async with openai.AsyncOpenAI(base_url=server.url, api_key=key, max_retries=0) as client:
            await client.chat.completions.create(model="text", messages=LARGE["messages"], extra_body=LARGE)

    with pytest.raises(openai.AuthenticationError):
        asyncio.run(ask_large("wrong"))
    with pytest.raises(openai.APIStatusError) as caught:
        asyncio.run(ask_large(GOOD))
    assert caught.value.status_code == 413


@pytest.mark.parametrize(("name", "bound"), [("REST_BYTES", 500_000), ("REST_SECONDS", 0.1)])
def test_what_is_left_of_a_refused_body_has_its_bounds(
    serve: Any, monkeypatch: pytest.MonkeyPatch, name: str, bound: float
) -> None:
    monkeypatch.setattr(protocols, name, bound)
    server = serve(keys=KEYS)
    whole = request_bytes(LARGE, server.port)
    with connected(server.port) as client:
        client.sendall(whole[:100_000])
        assert answer(client)[0].split()[1] == b"401"
        try:
            client.sendall(whole[100_000:200_000] if name == "REST_SECONDS" else whole[100_000:-1])
            assert client.recv(100) == b""
        except ConnectionError:
            pass


def test_a_head_that_comes_in_one_packet_has_its_bounds_too(server: Any, provider: Any) -> None:
    for path, headers in (("/v1/chat/completions", {"X_Pad": "x" * 70_000}), (f"/v1/{'x' * 64_000}?{'y' * 4000}", {})):
        with connected(server.port) as client:
            client.sendall(request_bytes(ask("text"), server.port, path=path, **headers))
            with suppress(ConnectionError):
                assert client.recv(65536).split()[1] in {b"431", b"400"}
    with connected(server.port) as client:
        client.sendall(request_bytes(ask("text"), server.port, X_Pad="x" * 60_000))
        assert answer(client)[0].split()[1] == b"200"
    assert len(provider.seen) == 1


def test_a_head_that_does_not_end_is_no_way_into_an_answer(server: Any, provider: Any) -> None:
    with connected(server.port) as client:
        client.sendall(request_bytes(ask("silent", stream=True), server.port))
        assert provider.arrived.acquire(timeout=60)
        found = client.recv(65536)
        try:
            client.sendall(b"GET /v1/models HTTP/1.1\r\n")
            for _ in range(200):
                client.sendall(b"x-pad: " + b"x" * 1000 + b"\r\n")
            while part := client.recv(65536):
                found += part
        except ConnectionError:
            pass
    assert b"431" not in found
    assert provider.seen[0].closed.wait(60)


def test_who_leaves_behind_half_a_request_is_missed(server: Any, provider: Any) -> None:
    with connected(server.port) as client:
        client.sendall(request_bytes(ask("silent", stream=True), server.port))
        assert provider.arrived.acquire(timeout=60)
        client.sendall(b"GET /v1/models HTTP/1.1\r\n")
    assert provider.seen[0].closed.wait(60)
