"""What the tests share: calls, and a loopback server for the real SDK."""

from __future__ import annotations

import copy
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core import Call, Json
from dragoman.core.policy import forget_warnings
from dragoman.mistralai import Mistral
from dragoman.testing import FakeVendor, Scripted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANSWER: Json = {
    "id": "a1",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": "mistral-small-2603",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials of the developer's, and every warning anew."""
    for name in [name for name in os.environ if name.startswith("MISTRAL_")]:
        monkeypatch.delenv(name)
    forget_warnings()


@pytest.fixture
def make_call() -> Callable[..., Call]:
    def make(*messages: Json, policy: Any = "raise", endpoint: str = "chat/completions", **more: Any) -> Call:
        request = {"model": "m", **more}
        if endpoint == "chat/completions":
            request["messages"] = list(messages or ({"role": "user", "content": "Hi"},))
        return Call("mistralai", "m", request, endpoint, id="c1", created=7, on_unsupported=policy)

    return make


@pytest.fixture
def encode(make_call: Callable[..., Call]) -> Callable[..., Json]:
    """Encode a request and see that it was left as it is, and that the wire is JSON."""

    def run(*messages: Json, **settings: Any) -> Json:
        call = make_call(*messages, **settings)
        before = copy.deepcopy(call.request)
        body = Mistral(api_key="k").encode(call).body
        assert call.request == before
        assert body is not None
        json.dumps(body, allow_nan=False)
        return body

    return run


class Server(FakeVendor):
    """Answers with what it is told to say next, and then with ANSWER."""

    def __init__(self) -> None:
        super().__init__(Scripted.json(ANSWER))

    def says(self, body: Any, status: int = 200, headers: dict[str, str] | None = None, then: Any = "end") -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = {"content-type": "application/json", **(headers or {})}
        self.script.insert(len(self.script) - 1, Scripted(content, status, kind, then))


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        yield made
