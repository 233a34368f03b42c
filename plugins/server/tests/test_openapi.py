"""The server's description, and whether what it answers is as described. `nox -s openapi` tries far more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest
from server_lab import KEY, ask

from dragoman.core.errors import httpx
from dragoman.server.keys import Key, hash_key, new_key

WAIT = 60
OWN = new_key()


def described(server: Any) -> Any:
    return httpx.get(f"http://127.0.0.1:{server.port}/openapi.json", timeout=WAIT, trust_env=False).json()


def check(description: Any, method: str, path: str, answer: Any) -> None:
    """The status is described, the answer is as its schema has it, and the described headers are there."""
    told = description["paths"][path][method]["responses"][str(answer.status_code)]
    if "$ref" in told:
        told = description["components"]["responses"][told["$ref"].rpartition("/")[2]]
    kind = answer.headers["content-type"].partition(";")[0]
    schema = {**told["content"][kind]["schema"], "components": description["components"]}
    if kind == "application/json":
        jsonschema.Draft202012Validator(schema).validate(answer.json())
    wanted = set(told.get("headers", ())) - {"retry-after"}
    assert wanted <= answer.headers.keys()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/chat/completions", ask("text"), 200),
        ("/v1/chat/completions", ask("text", stream=True), 200),
        ("/v1/chat/completions", ask("text", stream="yes"), 400),
        ("/v1/chat/completions", {"model": "text", "messages": "none"}, 400),
        ("/v1/chat/completions", ask("busy"), 429),
        ("/v1/chat/completions", ask("unknown-key"), 401),
        ("/v1/chat/completions", ask("page"), 502),
        ("/v1/embeddings", {"model": "e", "input": "x"}, 200),
        ("/v1/messages", ask("text", max_tokens=9), 200),
        ("/v1/messages", ask("text", max_tokens=9, stream=True), 200),
        ("/v1/messages", {"model": "text"}, 400),
        ("/v1/messages", ask("busy", max_tokens=9), 429),
        ("/v1/messages/count_tokens", ask("text"), 404),
    ],
)
def test_answers_are_as_described(server: Any, path: str, body: Any, status: int) -> None:
    answer = httpx.post(f"http://127.0.0.1:{server.port}{path}", json=body, timeout=WAIT, trust_env=False)
    assert answer.status_code == status, answer.text
    check(described(server), "post", path, answer)


@pytest.mark.parametrize(
    ("path", "at"),
    [
        ("/v1/models", "/v1/models"),
        ("/v1/models/{model}", "/v1/models/org/deep/er"),
        ("/health/liveness", "/health/liveness"),
        ("/health/readiness", "/health/readiness"),
        ("/metrics", "/metrics"),
        ("/openapi.json", "/openapi.json"),
    ],
)
def test_pages_are_as_described(server: Any, path: str, at: str) -> None:
    answer = httpx.get(f"http://127.0.0.1:{server.port}{at}", timeout=WAIT, trust_env=False)
    assert answer.status_code == 200
    check(described(server), "get", path, answer)


def test_every_path_that_is_described_has_its_methods_and_no_other(server: Any) -> None:
    paths = described(server)["paths"]
    tried = [(*one, method) for one in paths.items() for method in ("DELETE", "GET", "PATCH", "POST", "PUT", "TRACE")]
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=WAIT, trust_env=False) as client:
        for path, methods, method in tried:
            answer = client.request(method, path.replace("{model}", "m"))
            assert (answer.status_code == 405) is (method.lower() not in methods), (method, path)
            if answer.status_code == 405:
                assert {one.lower() for one in methods} <= {*answer.headers["allow"].lower().split(", ")}


def test_keys_are_described_where_there_are_any_and_then_wanted(serve: Any) -> None:
    keyed = serve(keys=(Key("own", hash_key(OWN)),))
    description = described(keyed)
    assert description["security"] == [{"bearer": []}, {"header": []}]
    assert "security" not in described(serve())
    operations = [(path, *one) for path, methods in description["paths"].items() for one in methods.items()]
    with httpx.Client(base_url=f"http://127.0.0.1:{keyed.port}", timeout=WAIT, trust_env=False) as client:
        for path, method, operation in operations:
            given = {"json": ask("text", input="x")} if method == "post" else {}
            refused = client.request(method, path, **given)
            open_to_all = operation.get("security") == []
            assert (refused.status_code == 401) is not open_to_all, (method, path)
            if not open_to_all and path != "/metrics":
                check(description, method, path, refused)
            for header in ({"authorization": f"Bearer {OWN}"}, {"x-api-key": OWN}):
                answer = client.request(method, path, headers=header, **given)
                assert answer.status_code != 401, (method, path)


def test_an_expired_key_is_refused_as_described(serve: Any) -> None:
    keyed = serve(keys=(Key("old", hash_key(OWN), expires=datetime(2020, 1, 1, tzinfo=UTC)),))
    answer = httpx.get(f"{keyed.url}/models", headers={"x-api-key": OWN}, timeout=WAIT, trust_env=False)
    assert answer.status_code == 401
    assert KEY not in answer.text
    check(described(keyed), "get", "/v1/models", answer)
