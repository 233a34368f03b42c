"""Keys and limits as the server asks for them: any gate will do that keeps to the protocol."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from server_lab import USAGE, ask

from dragoman.core.errors import httpx
from dragoman.server.refusals import Refusal

WAIT = 60


@dataclass
class Caller:
    name: str
    models: tuple[str, ...]

    def allows(self, model: str) -> bool:
        return model in self.models


@dataclass
class Lease:
    gate: Gate

    async def settle(self, tokens: int) -> None:
        self.gate.settled.append(tokens)


@dataclass
class Gate:
    begun: list[tuple[str, str]] = field(default_factory=list)
    settled: list[int] = field(default_factory=list)
    closed: int = 0

    def admit(self, headers: Any) -> Caller:
        if headers.get("authorization") != "Bearer good":
            raise Refusal(401, "this key is not known here", code="invalid_api_key", type="authentication_error")
        return Caller("team", ("text", "wait", "cut", "limited"))

    async def begin(self, caller: Any, model: str) -> Lease:
        if model == "limited":
            raise Refusal(429, "too many", code="rate_limit_exceeded", type="requests", retry_after=2.1)
        self.begun.append((caller.name, model))
        return Lease(self)

    async def close(self) -> None:
        self.closed += 1


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def guarded(serve: Any, gate: Gate) -> Any:
    return serve(make={"gate_of": lambda settings: gate})


def post(server: Any, body: Any, key: str = "good") -> Any:
    headers = {"authorization": f"Bearer {key}", "host": "gateway.example"}
    return httpx.post(f"{server.url}/chat/completions", json=body, headers=headers, timeout=WAIT, trust_env=False)


def test_a_key_that_is_none(guarded: Any, provider: Any, gate: Gate) -> None:
    answer = post(guarded, ask("text"), "bad")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert provider.seen == []
    assert gate.begun == []


def test_tokens_are_settled_of_whole_answers_and_streams(guarded: Any, gate: Gate) -> None:
    assert post(guarded, ask("text")).status_code == 200
    assert post(guarded, ask("text", stream=True)).status_code == 200
    assert post(guarded, ask("cut", stream=True)).status_code == 200
    assert gate.begun == [("team", "text"), ("team", "text"), ("team", "cut")]
    while len(gate.settled) < 3:
        pass
    total = USAGE["total_tokens"]
    # Of the last one the provider has not said: each of its pieces counts.
    assert gate.settled == [total, total, 2]


def test_a_model_that_is_not_for_the_key(guarded: Any, provider: Any, gate: Gate) -> None:
    answer = post(guarded, ask("other"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "model_not_allowed")
    assert provider.seen == []
    assert gate.begun == []


def test_a_limit_says_when_to_come_again(guarded: Any) -> None:
    answer = post(guarded, ask("limited"))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")


def test_models_that_are_not_for_the_key_are_not_listed(guarded: Any) -> None:
    headers = {"authorization": "Bearer good"}

    def get(path: str) -> Any:
        return httpx.get(f"{guarded.url}{path}", headers=headers, timeout=WAIT, trust_env=False)

    assert [model["id"] for model in get("/models").json()["data"]] == ["text"]
    assert get("/models/text").status_code == 200
    assert get("/models/org/deep/er").status_code == 404


def test_the_gate_is_closed_with_the_server(serve: Any, gate: Gate) -> None:
    server = serve(make={"gate_of": lambda settings: gate})
    server.__exit__()
    assert gate.closed == 1
