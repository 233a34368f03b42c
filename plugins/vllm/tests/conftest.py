"""A fake vLLM on loopback, written from its documentation, and both clients in front of it."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core import AsyncClient, Client, Json, Provider
from dragoman.core.policy import forget_warnings
from dragoman.vllm import VLLM

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


#: Tokens that the fake's model can read, each a character long.
LIMIT = 400
TOKENS = {"prompt_tokens": 5, "total_tokens": 8, "completion_tokens": 3}
HEAD = {"id": "chatcmpl-7", "created": 1700000000, "model": "m"}
DELTAS: list[Json] = [{"role": "assistant", "content": ""}, {"reasoning": "hm"}, {"content": "Hel"}, {"content": "lo"}]


def refuse(status: int, kind: str, message: str) -> tuple[int, Any, dict[str, str]]:
    error = {"message": message, "type": kind, "param": None, "code": status}
    return status, {"error": error}, {}


def answer(seen: Seen) -> tuple[int, Any, dict[str, str]]:  # noqa: PLR0911 (one return for each documented answer)
    """`vllm serve`, as its documentation and its source describe it."""
    if seen.path == "/v1/models":
        return 200, {"object": "list", "data": [{"id": "m", "object": "model", "max_model_len": LIMIT}]}, {}
    chat = seen.json
    text = json.dumps(chat["messages"])
    if seen.headers["authorization"] != "Bearer token-abc":
        return 401, {"error": "Unauthorized"}, {}
    if chat["model"] == "other":
        return refuse(404, "NotFoundError", "The model `other` does not exist.")
    if chat.get("tools") and chat.get("tool_choice", "auto") == "auto":
        flags = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
        return refuse(400, "BadRequestError", flags)
    if len(text) > LIMIT:
        long = f"This model's maximum context length is {LIMIT} tokens. However, you requested {len(text)} tokens."
        if chat["model"] == "old":
            # Versions of 2024 did not wrap it.
            return 400, {"object": "error", "message": long, "type": "BadRequestError", "param": None, "code": 400}, {}
        return refuse(400, "BadRequestError", long)
    roles = [message["role"] for message in chat["messages"]]
    if roles[:2] == ["user", "user"]:
        return refuse(400, "BadRequestError", "Conversation roles must alternate user/assistant/user/assistant/...")
    if chat["model"] == "mistral" and (fault := mistral_fault(chat["messages"])):
        return refuse(400, "BadRequestError", fault)
    return 200, Stream(pieces(chat)) if chat.get("stream") else whole(chat), {}


def mistral_fault(messages: list[Json]) -> str | None:
    """What mistral-common says, once vLLM has cut the ids."""
    made = [call["id"] for message in messages for call in message.get("tool_calls") or ()]
    given = [message["tool_call_id"] for message in messages if message["role"] == "tool"]
    for tool_call_id in [*made, *given]:
        if not re.fullmatch(r"[a-zA-Z0-9]{9}", tool_call_id[-9:]):
            return f"Tool call id was {tool_call_id} but must be a-z, A-Z, 0-9, with a length of 9."
    for before, after in pairwise(message["role"] for message in messages):
        if (before, after) == ("tool", "user"):
            return "Unexpected role 'user' after role 'tool'"
    return None


def whole(chat: Json) -> Json:
    message: Json = {"role": "assistant", "content": "Hello", "reasoning": "hm", "tool_calls": []}
    if chat.get("tools"):
        # Forced calls are written under a grammar, and end as any text does.
        function = {"name": chat["tools"][0]["function"]["name"], "arguments": "{}"}
        message = {"role": "assistant", "content": "", "tool_calls": [{"id": "t1", "type": "function"}]}
        message["tool_calls"][0]["function"] = function
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop", "stop_reason": 151645}
    extras = {"prompt_logprobs": None, "kv_transfer_params": {"a": 1}}
    return {**HEAD, "object": "chat.completion", "choices": [choice], "usage": TOKENS, **extras}


def pieces(chat: Json) -> list[Json | str]:
    head = {**HEAD, "object": "chat.completion.chunk"}
    if chat["model"] == "broken":
        error = {"message": "EngineCore died", "type": "InternalServerError", "param": None, "code": 500}
        return [{**head, "choices": [{"index": 0, "delta": DELTAS[0]}]}, {"error": error}, "data: [DONE]"]
    options = chat.get("stream_options") or {}
    so_far = {"usage": {**TOKENS, "completion_tokens": 1}} if options.get("continuous_usage_stats") else {}
    found: list[Json | str] = [{**head, "choices": [{"index": 0, "delta": delta}], **so_far} for delta in DELTAS]
    found.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "stop_reason": 9}], **so_far})
    if options.get("include_usage"):
        found.append({**head, "choices": [], "usage": TOKENS})
    return [*found, "data: [DONE]"]


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key or address of whoever runs the tests."""
    for name in ("VLLM_API_KEY", "VLLM_API_BASE", "DRAGOMAN_OFFLINE"):
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
    made = Caller(VLLM(base_url=fake.url, api_key="token-abc"), asynchronous=asynchronous)
    yield made
    made.close()


@pytest.fixture
def caller_of(asynchronous: bool) -> Iterator[Callable[[Provider], Caller]]:
    """Callers for providers with other options."""
    made: list[Caller] = []

    def make(provider: Provider) -> Caller:
        made.append(Caller(provider, asynchronous=asynchronous))
        return made[-1]

    yield make
    for one in made:
        one.close()
