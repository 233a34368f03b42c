"""Streams under stress: clients that go or stall, providers that stall, cut, flood and lie."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import pytest
from server_lab import KEY, USAGE, ask, connected, events, request_bytes

from dragoman.core.errors import httpx

WAIT = 60


def post(server: Any, body: Any, **more: Any) -> Any:
    return httpx.post(f"{server.url}/chat/completions", json=body, timeout=WAIT, trust_env=False, **more)


def last_error(content: bytes) -> Any:
    """The error of a stream's last event."""
    return json.loads(content.rstrip().rsplit(b"data: ", 1)[1])["error"]


def metric(server: Any, start: str) -> float:
    """The value of the one line that begins so."""
    page = httpx.get(f"http://127.0.0.1:{server.port}/metrics", trust_env=False).text
    lines = [line for line in page.splitlines() if line.startswith(start)]
    assert len(lines) <= 1, lines
    return float(lines[0].rpartition(" ")[2]) if lines else 0.0


def eventually(found: Any, wanted: Any) -> None:
    """Ask until the answer is right; the test's own time limit ends it otherwise."""
    while found() != wanted:
        time.sleep(0.01)


def test_the_providers_bytes_pass_and_its_usage_is_counted(server: Any, provider: Any) -> None:
    answer = post(server, ask("text", stream=True))
    assert answer.content == b"".join(events(usage=False))
    assert provider.seen[0].body["stream_options"] == {"include_usage": True}
    eventually(lambda: metric(server, 'dragoman_tokens_total{kind="prompt"'), USAGE["prompt_tokens"])
    assert metric(server, 'dragoman_tokens_total{kind="completion"') == USAGE["completion_tokens"]
    assert metric(server, "dragoman_open_streams") == 0
    assert metric(server, "dragoman_first_token_seconds_count") == 1


def test_usage_is_handed_on_to_who_asked_for_it(server: Any) -> None:
    answer = post(server, ask("text", stream=True, stream_options={"include_usage": True}))
    assert answer.content == b"".join(events(usage=True))


def test_usage_need_not_be_counted(serve: Any, provider: Any) -> None:
    answer = post(serve(stream_usage=False), ask("text", stream=True))
    assert answer.content == b"".join(events(usage=False))
    assert "stream_options" not in provider.seen[0].body


def test_only_what_a_client_needs_of_the_providers_headers_is_handed_on(server: Any) -> None:
    answer = post(server, ask("text", stream=True))
    assert answer.headers["content-type"] == "text/event-stream"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_takes_the_providers_connection_with_it(server: Any, provider: Any, stream: bool) -> None:
    with connected(server.port) as client:
        client.sendall(request_bytes(ask("silent", stream=stream), server.port))
        assert provider.arrived.acquire(timeout=WAIT)
        if stream:
            assert b"Hi" not in client.recv(65536)
    gone = time.monotonic()
    assert provider.seen[0].closed.wait(WAIT)
    # A second is promised; the machine may be slow.
    assert time.monotonic() - gone < 10
    eventually(lambda: server.gateway.open, 0)
    assert metric(server, "dragoman_requests_total{") == 1
    assert metric(server, 'dragoman_requests_total{endpoint="chat/completions"') == 1


def test_a_client_that_reads_slowly_is_waited_for_and_not_for_ever(serve: Any, provider: Any) -> None:
    server = serve(stall=1.0)
    with connected(server.port) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(request_bytes(ask("flood", stream=True), server.port))
        # The client reads nothing. What the provider could send is what sockets hold, and stays that.
        assert provider.arrived.acquire(timeout=WAIT)
        assert provider.seen[0].closed.wait(WAIT)
        assert 0 < provider.seen[0].sent < 64 * 1024 * 1024
    eventually(lambda: server.gateway.open, 0)


def test_a_provider_that_stalls_is_not_waited_for(serve: Any, provider: Any) -> None:
    server = serve(request_timeout=0.3)
    answer = post(server, ask("silent"))
    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "timeout"
    assert "0.3 seconds" in answer.json()["error"]["message"]
    streamed = post(server, ask("silent", stream=True))
    assert streamed.status_code == 200
    assert streamed.content.startswith(events(usage=False)[0])
    assert last_error(streamed.content)["code"] == "timeout"
    assert all(seen.closed.wait(WAIT) for seen in provider.seen)


def test_a_stream_that_was_cut_never_looks_whole(server: Any) -> None:
    content = post(server, ask("cut", stream=True)).content
    assert content.startswith(b"".join(events(usage=False)[:2]))
    assert "not whole" in last_error(content)["message"]
    assert b"[DONE]" not in content


def test_a_failure_inside_a_stream_before_its_first_word_has_a_status(server: Any) -> None:
    answer = post(server, ask("broken", stream=True))
    assert answer.status_code == 502
    assert answer.json()["error"]["message"] == "out of memory"
    assert answer.json()["error"]["code"] == "oom"


@pytest.mark.parametrize("model", ["liar", "page"])
def test_an_answer_that_is_none_is_a_bad_gateway(server: Any, model: str) -> None:
    answer = post(server, ask(model))
    assert answer.status_code == 502
    assert "openai" in answer.json()["error"]["message"]


def test_a_provider_that_floods_is_cut_off_with_the_client(server: Any, provider: Any) -> None:
    with connected(server.port) as client:
        client.sendall(request_bytes(ask("flood", stream=True), server.port))
        read = 0
        while read < 4 * 1024 * 1024:
            read += len(client.recv(1 << 20))
    assert provider.seen[0].closed.wait(WAIT)


def test_a_rate_limit_is_handed_on_and_a_key_is_not(server: Any) -> None:
    limited = post(server, ask("busy"))
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "7")
    for stream, status in ((False, 401), (True, 502)):
        refused = post(server, ask("unknown-key", stream=stream))
        assert refused.status_code == status
        assert refused.json()["error"]["code"] == "invalid_api_key"
        assert refused.json()["error"]["param"] == "…"
        assert KEY not in refused.text
        assert "sk-" not in refused.text
