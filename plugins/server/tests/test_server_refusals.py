"""What the server refuses itself, within which bounds, and what of a request never reaches the provider."""

from __future__ import annotations

import json
import logging
from typing import Any

import openai
import pytest
from server_lab import KEY, ask, connected, request_bytes

from dragoman.core.errors import httpx
from dragoman.server import protocols
from dragoman.server.keys import Key, hash_key

WAIT = 60


def post(server: Any, body: Any, path: str = "/v1/chat/completions", **more: Any) -> Any:
    url = f"http://127.0.0.1:{server.port}{path}"
    return httpx.post(url, **(more or {"json": body}), timeout=WAIT, trust_env=False)


def get(server: Any, path: str, **more: Any) -> Any:
    return httpx.get(f"http://127.0.0.1:{server.port}{path}", timeout=WAIT, trust_env=False, **more)


def read_all(client: Any) -> bytes:
    found = b""
    while part := client.recv(65536):
        found += part
    return found


@pytest.mark.parametrize("prefix", ["/v1", ""])
def test_paths_with_and_without_v1(server: Any, prefix: str) -> None:
    assert (
        post(server, ask("text"), f"{prefix}/chat/completions").json()["choices"][0]["message"]["content"] == "Hello!"
    )
    assert post(server, {"model": "e", "input": "x"}, f"{prefix}/embeddings").json()["data"][0]["embedding"] == [
        0.5,
        0.25,
    ]
    assert post(server, {"model": "t", "input": "x"}, f"{prefix}/responses").json()["object"] == "/v1/responses"
    assert get(server, f"{prefix}/models/org/deep/er").json()["id"] == "org/deep/er"


def test_a_path_that_is_none_and_a_method_that_is_wrong(server: Any) -> None:
    found = get(server, "/v1/nothing")
    assert (found.status_code, found.json()["error"]["code"]) == (404, "unknown_url")
    wrong = get(server, "/v1/chat/completions")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert wrong.json()["error"]["message"] == "there is no GET /v1/chat/completions here"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/messages/batches", {}, 404),
        ("/v1/messages", {}, 405),
        ("/messages/count_tokens", {}, 405),
        ("/v1/files", {"anthropic-version": "2023-06-01"}, 404),
        ("/metrics", {"anthropic-version": "2023-06-01", "host": "elsewhere.example"}, 403),
    ],
)
def test_a_client_of_anthropics_is_told_so_in_its_own_words(
    server: Any, path: str, headers: dict[str, str], status: int
) -> None:
    answer = get(server, path, headers={**headers, "x-request-id": "mine-1"})
    assert answer.status_code == status
    types = {403: "permission_error", 404: "not_found_error", 405: "invalid_request_error"}
    assert (answer.json()["type"], answer.json()["error"]["type"]) == ("error", types[status])
    assert [answer.json()["request_id"], answer.headers["request-id"]] == ["mine-1"] * 2


def test_each_answer_has_an_id_and_each_refusal_its_line(
    server: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("dragoman"), "propagate", True)
    with caplog.at_level(logging.INFO, logger="dragoman.server"):
        for path, status in (("/v1/nope", 404), ("/v1/embeddings", 405), ("/metrics", 403), ("/page/nope", 404)):
            headers = {"x-request-id": f"mine{path}", **({"host": "elsewhere.example"} if status == 403 else {})}
            answer = get(server, path, headers=headers)
            assert (answer.status_code, answer.headers["x-request-id"]) == (status, f"mine{path}")
            line: Any = caplog.records[-1]
            assert line.fields["request_id"] == f"mine{path}"
            assert (line.fields["status"], line.fields["endpoint"], line.fields["method"]) == (status, path, "GET")
    for path in ("/metrics", "/health/liveness", "/openapi.json", "/", "/page/settings.json", "/v1/models"):
        answer = get(server, path)
        assert answer.status_code == 200
        assert answer.headers.get_list("x-request-id") == [answer.headers["x-request-id"]]


@pytest.mark.parametrize("headers", [{}, {"anthropic-version": "2023-06-01"}])
@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/org/deep/er"])
def test_head_is_get_without_a_body(server: Any, path: str, headers: dict[str, str]) -> None:
    url = f"http://127.0.0.1:{server.port}{path}"
    answer = httpx.head(url, headers=headers, timeout=WAIT, trust_env=False)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == get(server, path, headers=headers).headers["content-length"]


def test_what_keeps_something_at_the_provider_is_served_where_it_is_named(serve: Any, provider: Any) -> None:
    assert get(serve(), "/v1/files/f1").status_code == 404
    assert provider.seen == []
    assert get(serve(endpoints=("files",)), "/v1/files/f1").status_code == 200
    assert provider.seen[0].path == "/v1/files/f1"
    assert get(serve(endpoints=("files",)), "/v1/files/%2e%2e/models").status_code == 404


def test_an_endpoint_that_has_no_model_needs_none(serve: Any, provider: Any) -> None:
    named = ("batches", "responses", "conversations", "vector_stores")
    server = serve(endpoints=named)
    with openai.OpenAI(base_url=server.url, api_key="k", max_retries=0) as client:
        client.batches.create(completion_window="24h", endpoint="/v1/chat/completions", input_file_id="f")
        client.batches.cancel("b")
        client.responses.cancel("r")
        client.conversations.create()
        client.vector_stores.create(name="v")
    paths = ["/v1/batches", "/v1/batches/b/cancel", "/v1/responses/r/cancel", "/v1/conversations", "/v1/vector_stores"]
    assert [seen.path for seen in provider.seen] == paths
    # What a batch asks for stands in its file: a key for some models is not for it, whatever it names.
    small = serve(endpoints=named, keys=(Key("small", hash_key("key-for-one-model"), ("text",)),))
    headers = {"authorization": "Bearer key-for-one-model"}
    assert post(small, None, "/v1/batches", json={"model": "text"}, headers=headers).status_code == 403
    assert post(small, None, json=ask("text"), headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "not JSON"),
        (b"[]", "must be a JSON object"),
        (b'{"messages": []}', "model must be a name"),
        (b'{"model": 7, "messages": []}', "model must be a name"),
        (b'{"model": "text"}', "messages must be a list"),
        (b'{"model": "text", "messages": 3}', "messages must be a list"),
        (b'{"model": "text", "messages": [], "base_url": "http://elsewhere"}', "base_url is the server's to say"),
        (b'{"model": "text", "messages": [], "extra_body": {"api_key": "k"}}', "api_key is the server's to say"),
        (
            b'{"model": "text", "messages": [], "dragoman": {"on_unsupported": "never"}}',
            "on_unsupported must be one of",
        ),
    ],
)
def test_a_request_that_cannot_be_is_a_400(server: Any, provider: Any, body: bytes, said: str) -> None:
    answer = post(server, None, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]
    assert provider.seen == []


def test_what_a_client_says_of_itself_does_not_reach_the_provider(server: Any, provider: Any) -> None:
    headers = {"authorization": "Bearer mine", "x-api-key": "mine", "openai-organization": "org", "cookie": "a=b"}
    more = {"traceparent": "00-1-2-01", "openai-beta": "some=v1", "x-request-id": "mine-1", "x-other": "1"}
    answer = post(server, None, json=ask("text", user="me", own_parameter=1), headers={**headers, **more})
    assert answer.headers["x-request-id"] == "mine-1"
    seen = provider.seen[0]
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert seen.headers.keys() & {"x-api-key", "openai-organization", "cookie", "x-other", "x-request-id"} == set()
    assert (seen.headers["traceparent"], seen.headers["openai-beta"]) == ("00-1-2-01", "some=v1")
    assert (seen.body["user"], seen.body["own_parameter"]) == ("me", 1)


@pytest.mark.parametrize("log_prompts", [False, True])
def test_a_host_of_ones_own_shows_no_key_and_prompts_where_that_is_asked_for(serve: Any, log_prompts: bool) -> None:
    server = serve(client={"fallbacks": {"quotes": ["text"]}}, log_prompts=log_prompts)
    with pytest.warns(UserWarning, match="going on with") as caught:
        assert post(server, ask("quotes")).status_code == 200
    told = str([str(one.message) for one in caught])
    assert KEY not in told
    assert ("secret-prompt" in told) is log_prompts


def test_an_id_that_is_none_is_replaced(server: Any) -> None:
    answer = get(server, "/v1/models", headers={"x-request-id": "a b" * 100})
    assert answer.headers["x-request-id"].startswith("req_")


def test_a_form_is_handed_on_as_it_is(server: Any, provider: Any) -> None:
    files = {"file": ("a.wav", b"\x00\x01", "audio/wav")}
    answer = post(server, None, "/v1/audio/transcriptions", files=files, data={"model": "whisper-1"})
    assert answer.status_code == 200
    assert b'name="model"' in provider.seen[0].body


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_that_is_too_large_is_a_413(serve: Any, provider: Any, chunked: bool) -> None:
    server = serve(max_body_bytes=1000)
    content = json.dumps(ask("text", pad="x" * 200_000)).encode()
    sent: Any = (content[at : at + 1000] for at in range(0, len(content), 1000)) if chunked else content
    answer = post(server, None, content=sent, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "request_too_large"
    assert post(server, ask("text")).status_code == 200
    assert len(provider.seen) == 1


def test_a_compressed_body_is_a_415(server: Any) -> None:
    answer = post(server, None, content=b"xx", headers={"content-encoding": "gzip"})
    assert answer.status_code == 415


def test_a_body_that_does_not_come_is_a_408(serve: Any) -> None:
    server = serve(body_timeout=0.2)
    with connected(server.port) as client:
        client.sendall(request_bytes(ask("text"), server.port)[:-5])
        answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"request_timeout" in answer


def test_a_head_has_its_bounds(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with connected(server.port) as client:
        client.sendall(b"GET /v1/models HTTP/1.1\r\n")
        try:
            while True:
                client.sendall(b"x-pad: " + b"x" * 1000 + b"\r\n")
                client.settimeout(0.0005)
                try:
                    answer = client.recv(100)
                    break
                except TimeoutError:
                    client.settimeout(WAIT)
        except OSError:
            answer = b"HTTP/1.1 431"
    assert answer.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))
    monkeypatch.setattr(protocols, "HEAD_SECONDS", 0.1)
    with connected(server.port) as client:
        client.sendall(b"GET /v1/models HTTP/1.1\r\n")
        assert read_all(client).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"host": "rebound.example:4000"}, "forbidden_host"),
        ({"origin": "https://elsewhere.example"}, "forbidden_origin"),
    ],
)
def test_without_keys_only_this_machines_programs_are_answered(server: Any, headers: dict[str, str], code: str) -> None:
    answer = get(server, "/v1/models", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, code)
    assert get(server, "/metrics", headers=headers).status_code == 403
    assert get(server, "/health/readiness", headers=headers).json() == {"status": "ready"}
    own = f"http://127.0.0.1:{server.port}"
    assert get(server, "/v1/models", headers={"origin": own}).status_code == 200


def test_what_the_server_says_of_itself(server: Any) -> None:
    assert get(server, "/health/liveness").json() == {"status": "alive"}
    described = get(server, "/openapi.json").json()
    assert described["openapi"] == "3.1.0"
    post(server, ask("text"))
    page = get(server, "/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    asked = 'dragoman_requests_total{endpoint="chat/completions",model="text",provider="openai",status="200"} 1.0'
    assert asked in page.text


def test_a_name_that_cannot_be_written_does_not_break_the_metrics(server: Any) -> None:
    assert post(server, None, content=b'{"model": "text\\ud800", "messages": []}').status_code == 200
    page = get(server, "/metrics")
    assert page.status_code == 200
    assert '{endpoint="chat/completions",model="text?",provider="openai",status="200"} 1.0' in page.text


def test_names_that_a_provider_does_not_know_are_no_labels(server: Any) -> None:
    post(server, ask("busy"))
    page = get(server, "/metrics").text
    assert '{endpoint="chat/completions",model="",provider="openai",status="429"}' in page
    assert 'dragoman_errors_total{endpoint="chat/completions",kind="RateLimitError",provider="openai"} 1.0' in page
