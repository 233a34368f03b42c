"""A fake LiteLLM proxy on loopback, written from its documentation, and both clients in front of it."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core import AsyncClient, Client, Json, Provider
from dragoman.core.policy import forget_warnings
from dragoman.litellm import LiteLLM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from email.message import Message


@dataclass
class Seen:
    """A request that arrived."""

    path: str
    headers: Message
    json: Json


@dataclass
class Stream:
    """An answer in pieces: events as JSON, or as the lines that stand for them."""

    events: list[Json | str]


class Fake:
    """A server on loopback; `answer` says what the real one would: a status, a body, and headers if there are any."""

    def __init__(self, answer: Callable[[Seen], tuple[int, Any, dict[str, str]]]) -> None:
        self.seen: list[Seen] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers.get("content-length") or 0))
                fake.seen.append(Seen(self.path, self.headers, json.loads(sent or b"{}")))
                status, body, headers = answer(fake.seen[-1])
                content = body_of(body)
                kind = "text/event-stream" if isinstance(body, Stream) else "application/json"
                self.send_response(status)
                for name, value in {"content-type": kind, "content-length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST  # noqa: N815 (http.server's own spelling)

            def log_message(self, *args: Any) -> None:
                """Tests are quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def last(self) -> Json:
        return self.seen[-1].json

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


def body_of(body: Any) -> bytes:
    if not isinstance(body, Stream):
        return json.dumps(body).encode()
    lines = [event if isinstance(event, str) else f"data: {json.dumps(event)}" for event in body.events]
    return "".join(f"{line}\n\n" for line in lines).encode()


class Caller:
    """Makes calls by one of the two clients; the asynchronous one's look like the other's."""

    def __init__(self, provider: Provider, *, asynchronous: bool) -> None:
        options: Json = {"default_provider": provider.name, "providers": [provider], "max_retries": 0}
        self._runner = asyncio.Runner() if asynchronous else None
        self.client: Any = AsyncClient(**options) if asynchronous else Client(**options)
        self.name = provider.name

    def run(self, result: Any) -> Any:
        async def wait() -> Any:
            found = await result
            return [item async for item in found] if hasattr(found, "__anext__") else found

        return self._runner.run(wait()) if self._runner is not None else result

    def create(self, content: Any = "Hi", **request: Any) -> Any:
        """The answer, or the list of its chunks."""
        request.setdefault("messages", [{"role": "user", "content": content}])
        model = f"{self.name}/{request.pop('model', 'm')}"
        found = self.run(self.client.chat.completions.create(model=model, **request))
        return list(found) if request.get("stream") else found

    def models(self) -> list[Any]:
        """All models: the provider's own first, then those of other providers that happen to be installed."""
        return list(self.run(self.client.models.list()).data)

    def close(self) -> None:
        self.run(self.client.close())
        if self._runner is not None:
            self._runner.close()


HEAD = {"id": "chatcmpl-7", "created": 1700000000, "model": "claude-opus-5-5"}
HEADERS = {
    "x-litellm-call-id": "call-7",
    "x-litellm-model-id": "deployment-1",
    "x-litellm-response-cost": "0.0012",
}
#: Anthropic's, as LiteLLM gives it.
USAGE = {
    "prompt_tokens": 30,
    "completion_tokens": 4,
    "total_tokens": 34,
    "prompt_tokens_details": None,
    "cache_creation_input_tokens": 10,
    "cache_read_input_tokens": 15,
}
THINKING = [
    {"type": "thinking", "thinking": "let me look it up", "signature": "sig-1"},
    {"type": "redacted_thinking", "data": "xyz"},
    {"type": "thinking", "thinking": "", "signature": "sig-2"},
]
SEARCH = {"id": "srvtoolu_1", "type": "function", "function": {"name": "web_search", "arguments": '{"query": "tides"}'}}
LOOK = {"id": "toolu_1", "type": "function", "function": {"name": "look", "arguments": '{"at": "sea"}'}}
RESULTS = [{"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}]
CITATIONS = [{"type": "web_search_result_location", "url": "https://a.test"}, {"type": "char_location"}]
#: What an answer that is not streamed holds, and one that is must amount to.
MESSAGE: Json = {
    "role": "assistant",
    "content": "Hello",
    "reasoning_content": "let me look it up",
    "thinking_blocks": THINKING,
    "provider_specific_fields": {"citations": [CITATIONS], "web_search_results": RESULTS},
    "tool_calls": [SEARCH, LOOK],
}


def refuse(status: int, message: str) -> tuple[int, Any, dict[str, str]]:
    error = {"message": message, "type": "None", "param": "None", "code": str(status)}
    return status, {"error": error}, HEADERS


def answer(seen: Seen) -> tuple[int, Any, dict[str, str]]:
    """LiteLLM's proxy with Anthropic behind it, as its documentation and its source describe it."""
    chat = seen.json
    if seen.path == "/v1/models":
        return 200, {"data": [{"id": name, "object": "model"} for name in ("my-alias", "anthropic/*")]}, HEADERS
    if chat.get("logit_bias"):
        return refuse(400, "litellm.UnsupportedParamsError: anthropic does not support parameters: ['logit_bias']")
    if chat["model"] == "busy":
        return refuse(429, "No deployments available for selected model, Try again in 5 seconds.")
    if chat.get("stream"):
        return 200, Stream(pieces(chat)), HEADERS
    choice = {"index": 0, "finish_reason": "tool_calls", "message": MESSAGE}
    if chat["model"] == "searcher":
        only = {**MESSAGE, "tool_calls": [SEARCH]}
        choice = {"index": 0, "finish_reason": "stop", "message": only}
    return 200, {**HEAD, "object": "chat.completion", "choices": [choice], "usage": USAGE}, HEADERS


def pieces(chat: Json) -> list[Json | str]:
    """Anthropic's events one by one: pieces of thinking, calls counted with the vendor's own, citations."""
    head = {**HEAD, "object": "chat.completion.chunk"}
    if chat["model"] == "broken":
        error = {"message": "litellm.InternalServerError: Overloaded", "type": None, "param": None, "code": "500"}
        return [{**head, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "H"}}]}, {"error": error}]
    if chat.get("n"):
        deltas = [{**head, "choices": [{"index": n, "delta": {"content": f"answer {n}"}}]} for n in range(chat["n"])]
        return [*deltas, {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}, "data: [DONE]"]
    found: list[Json | str] = [{**head, "choices": [{"index": 0, "delta": delta}]} for delta in deltas_of_one()]
    found.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]})
    found.append({**head, "choices": [{"index": 0, "delta": {}}], "usage": USAGE})
    return [*found, "data: [DONE]"]


def deltas_of_one() -> list[Json]:
    def thought(index: int, **block: Any) -> Json:
        blocks = [{"type": "thinking", **block, "index": index}]
        return {"thinking_blocks": blocks, "provider_specific_fields": {"thinking_blocks": blocks}}

    def called(index: int, **call: Any) -> Json:
        return {"tool_calls": [{"index": index, "id": None, "type": "function", **call}]}

    redacted = [{**THINKING[1], "index": 1}]
    return [
        {"role": "assistant", "content": "", "reasoning_content": "let me ", **thought(0, thinking="let me ")},
        {"reasoning_content": "look it up", **thought(0, thinking="look it up")},
        thought(0, thinking="", signature="sig-1"),
        {"thinking_blocks": redacted, "provider_specific_fields": {"thinking_blocks": redacted}},
        thought(2, thinking="", signature="sig-2"),
        called(0, id="srvtoolu_1", function={"name": "web_search", "arguments": ""}),
        called(0, function={"name": None, "arguments": '{"query": '}),
        called(0, function={"name": None, "arguments": '"tides"}'}),
        {"provider_specific_fields": {"web_search_results": RESULTS}},
        {"content": "Hel", "provider_specific_fields": {"citation": CITATIONS[0]}},
        {"content": "lo", "provider_specific_fields": {"citation": CITATIONS[1]}},
        called(1, id="toolu_1", function={"name": "look", "arguments": ""}),
        called(1, function={"name": None, "arguments": '{"at": "sea"}'}),
    ]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key or address of whoever runs the tests."""
    for name in ("LITELLM_API_KEY", "LITELLM_API_BASE", "DRAGOMAN_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    # Each warning is given once in a process, and each test wants its own.
    forget_warnings()


@pytest.fixture
def fake() -> Iterator[Fake]:
    made = Fake(answer)
    yield made
    made.close()


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def asynchronous(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def caller(fake: Fake, asynchronous: bool) -> Iterator[Caller]:
    made = Caller(LiteLLM(base_url=fake.url, api_key="sk-proxy"), asynchronous=asynchronous)
    yield made
    made.close()


@pytest.fixture
def gave() -> Json:
    """The fake's answer, as it has to come back."""
    return MESSAGE
