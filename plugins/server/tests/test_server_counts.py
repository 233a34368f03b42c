"""What requests are charged and counted as: by whose counts, and under which provider's name."""

from __future__ import annotations

from typing import Any

import pytest
from server_lab import KEY, ask, connected, request_bytes, responses_events
from test_server_streams import eventually, metric, post

from dragoman.core.errors import httpx


class Gate:
    """Lets everybody in, and notes what they took."""

    name = ""

    def __init__(self) -> None:
        self.charged: list[int] = []

    def admit(self, headers: Any) -> Any:
        return self

    def allows(self, model: str) -> bool:
        return True

    async def begin(self, caller: Any, model: str) -> Any:
        return self

    async def settle(self, tokens: Any) -> None:
        self.charged.append(tokens)

    async def close(self) -> None:
        pass


def test_a_stream_of_responses_is_settled_by_its_own_counts(serve: Any) -> None:
    gate = Gate()
    server = serve(make={"gate_of": lambda _: gate})
    body = {"model": "m", "input": "Hi", "stream": True}
    answer = httpx.post(f"{server.url}/responses", json=body, timeout=60, trust_env=False)
    assert answer.content == responses_events("m")
    eventually(lambda: gate.charged, [10])
    assert metric(server, 'dragoman_tokens_total{kind="prompt"') == 4
    assert metric(server, 'dragoman_tokens_total{kind="completion"') == 6


@pytest.mark.parametrize("name", ["named", "alias", "spare", "plain", "llamacpp/demo"])
def test_failures_are_counted_under_the_provider_that_was_to_be_asked(serve: Any, provider: Any, name: str) -> None:
    entry = {"name": "named", "model": "vllm/text", "base_url": provider.url, "api_key": KEY}
    client = {"config_list": [entry], "aliases": {"alias": "named"}, "fallbacks": {"spare": ["plain"]}}
    server = serve(client=client)
    answer = post(server, ask(name, dragoman={"on_unsupported": "never"}))
    assert answer.status_code == 400
    expected = {"named": "vllm", "alias": "vllm", "llamacpp/demo": "llamacpp"}.get(name, "openai")
    eventually(lambda: metric(server, "dragoman_errors_total{"), 1)
    page = httpx.get(f"http://127.0.0.1:{server.port}/metrics", trust_env=False).text
    assert f'provider="{expected}"' in next(
        line for line in page.splitlines() if line.startswith("dragoman_errors_total{")
    )


@pytest.mark.parametrize(
    ("path", "model", "end", "charged"),
    [
        # Each event is one, however its lines end.
        ("chat/completions", "returns", b"lo", 3),
        # What the first event counts of the prompt, and each event.
        ("messages", "anthropic/text", b'"word"', 10 + 12),
    ],
)
def test_a_stream_that_is_abandoned_is_charged_what_was_sent(
    serve: Any, provider: Any, path: str, model: str, end: bytes, charged: int
) -> None:
    gate = Gate()
    claude = {"model": "anthropic/text", "base_url": provider.url.removesuffix("/v1"), "api_key": KEY}
    server = serve(make={"gate_of": lambda _: gate}, client={"config_list": [claude]})
    body = ask(model, stream=True, max_tokens=5)
    found = b""
    with httpx.stream("POST", f"{server.url}/{path}", json=body, timeout=60, trust_env=False) as answer:
        for part in answer.iter_raw():
            found += part
            if found.count(end) >= (10 if path == "messages" else 1) and found.endswith(b"\n"):
                break
    eventually(lambda: gate.charged, [charged])


def test_an_answer_that_is_abandoned_is_counted_under_its_provider(server: Any, provider: Any) -> None:
    with connected(server.port) as client:
        client.sendall(request_bytes(ask("silent"), server.port))
        assert provider.arrived.acquire(timeout=60)
    eventually(lambda: metric(server, "dragoman_requests_total{"), 1)
    page = httpx.get(f"http://127.0.0.1:{server.port}/metrics", trust_env=False).text
    assert '{endpoint="chat/completions",model="",provider="openai",status="499"} 1.0' in page
