"""A fake router on loopback, written from its documentation, and both clients in front of it."""

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
from dragoman.huggingface import HuggingFace

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


HEAD = {"id": "", "created": 1700000000, "model": "meta-llama/Llama-3.3-70B-Instruct", "system_fingerprint": "3.0.1"}
TOKENS = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
REFUSALS: dict[str, tuple[int, Json]] = {
    "org/poor": (402, {"error": "You have exceeded your monthly included credits for Inference Providers."}),
    "org/busy": (429, {"error": {"message": "Too many requests", "type": "rate_limit"}}),
    "org/cold": (503, {"error": "Model org/cold is currently loading", "estimated_time": 20.5}),
    "org/strict": (422, {"error": "Tool error: unknown tool", "error_type": "tool_error"}),
    "org/flat": (400, {"message": "response_format json_schema is not supported", "code": "unsupported"}),
    "org/none": (
        400,
        {"error": {"message": "The requested model 'org/none' is not supported", "code": "model_not_supported"}},
    ),
}


def answer(seen: Seen) -> tuple[int, Any, dict[str, str]]:
    """The router, as its documentation describes it; behind it a Text Generation Inference, as its own does."""
    chat = seen.json
    if seen.path == "/v1/models":
        providers = [{"provider": "groq", "status": "live"}, {"provider": "cerebras", "status": "live"}]
        return 200, {"object": "list", "data": [{"id": "org/name", "object": "model", "providers": providers}]}, {}
    if chat["model"] in REFUSALS:
        return *REFUSALS[chat["model"]], {"x-request-id": "Root=1-2"}
    return 200, Stream(pieces(chat)) if chat.get("stream") else whole(chat), {"x-inference-provider": "tgi"}


def whole(chat: Json) -> Json:
    message: Json = {"role": "assistant", "content": "Hello"}
    reason = "eos_token" if chat.get("stop") is None else "stop_sequence"
    if chat.get("tools"):
        calls = [
            {"id": "0", "type": "function", "function": {"description": None, "name": "look", "arguments": {"at": at}}}
            for at in ("sea", "land")
        ]
        message, reason = {"role": "assistant", "tool_calls": calls}, "stop"
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    return {**HEAD, "object": "chat.completion", "choices": [choice], "usage": TOKENS}


def pieces(chat: Json) -> list[Json | str]:
    """No `[DONE]` at the end, as with a third of the recorded streams; the name of a tool in each piece of its call."""
    head = {**HEAD, "object": "chat.completion.chunk"}
    deltas: list[Json] = [{"role": "assistant", "content": "Hel"}, {"role": "assistant", "content": "lo"}]
    if chat.get("tools"):
        texts = ('{"at": ', '"sea"}')
        functions = [{"name": "look", "arguments": text} for text in texts]
        calls = [{"index": 0, "id": "0", "type": "function", "function": function} for function in functions]
        # Versions before 3.1 did not put the call into a list.
        deltas = [{"role": "assistant", "tool_calls": call if chat["model"] == "org/old" else [call]} for call in calls]
    found: list[Json | str] = [{**head, "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    found.insert(1, ": FEATHERLESS PROCESSING")
    last = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": "eos_token"}
    return [*found, {**head, "choices": [last], "usage": TOKENS}]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key or address of whoever runs the tests."""
    for name in ("HF_TOKEN", "DRAGOMAN_OFFLINE"):
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
    made = Caller(HuggingFace(base_url=fake.url, api_key="token-hf"), asynchronous=asynchronous)
    yield made
    made.close()
