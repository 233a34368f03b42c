"""A fake LM Studio on loopback, written from its documentation, and both clients in front of it."""

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
from dragoman.lmstudio import LMStudio

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

    def close(self) -> None:
        self.run(self.client.close())
        if self._runner is not None:
            self._runner.close()


HEAD = {"id": "chatcmpl-7", "created": 1700000000, "model": "loaded-model"}
TOKENS = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}


def answer(seen: Seen) -> tuple[int, Any, dict[str, str]]:
    """LM Studio's server, as its documentation and reports about it describe it: a refusal is a bare text."""
    chat = seen.json
    if seen.path != "/v1/chat/completions":
        return 200, {"data": [{"id": "loaded-model", "object": "model", "owned_by": "organization_owner"}]}, {}
    if (chat.get("response_format") or {"type": "text"})["type"] not in {"json_schema", "text"}:
        return 400, {"error": "'response_format.type' must be 'json_schema' or 'text'"}, {}
    if isinstance(chat.get("tool_choice"), dict):
        fault = "Invalid tool_choice type: 'object'. Supported string values: none, auto, required"
        return 400, {"error": fault}, {}
    if chat["model"] == "gemma" and chat["messages"][0]["role"] == "system":
        return 400, {"error": "Error rendering prompt with jinja template: System role not supported"}, {}
    if chat["model"] == "huge":
        return 500, {"error": "Failed to load model"}, {}
    return 200, Stream(pieces(chat)) if chat.get("stream") else whole(chat), {}


def whole(chat: Json) -> Json:
    message: Json = {"role": "assistant", "content": "Hello", "reasoning": "hm", "tool_calls": []}
    reason = "stop"
    if chat.get("tool_choice") == "required":
        calls = [
            {"id": str(1000 + number), "type": "function", "function": {"name": name, "arguments": "{}"}}
            for number, name in enumerate(tool["function"]["name"] for tool in chat["tools"])
        ]
        message, reason = {"role": "assistant", "content": "", "tool_calls": calls}, "tool_calls"
    elif chat.get("response_format"):
        message = {"role": "assistant", "content": '{"a": 1}', "tool_calls": []}
    elif chat.get("max_tokens") == 1:
        reason = "length"
    choice = {"index": 0, "logprobs": None, "finish_reason": reason, "message": message}
    extras = {"stats": {}, "system_fingerprint": "loaded-model"}
    return {**HEAD, "object": "chat.completion", "choices": [choice], "usage": TOKENS, **extras}


def pieces(chat: Json) -> list[Json | str]:
    head = {**HEAD, "object": "chat.completion.chunk"}
    first = {**head, "choices": [{"index": 0, "delta": {"role": "assistant", "reasoning_content": "hm"}}]}
    if chat["model"] == "broken":
        return [first, 'event: error\ndata: {"error":{"message":"The model has crashed"}}']
    deltas: list[Json] = [{"role": "assistant", "content": "Hel"}, {"role": "assistant", "content": "lo"}]
    found: list[Json | str] = [first, *({**head, "choices": [{"index": 0, "delta": delta}]} for delta in deltas)]
    found.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if (chat.get("stream_options") or {}).get("include_usage"):
        found.append({**head, "choices": [], "usage": TOKENS})
    return [*found, "data: [DONE]"]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key or address of whoever runs the tests."""
    for name in ("LM_API_TOKEN", "LM_STUDIO_API_BASE", "DRAGOMAN_OFFLINE"):
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
    made = Caller(LMStudio(base_url=fake.url, api_key="lm-token"), asynchronous=asynchronous)
    yield made
    made.close()
