"""A loopback server that answers as Ollama's documentation says, and a client of each colour that asks it."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest

from dragoman.core import AsyncClient, Call, Client, Json
from dragoman.core.policy import forget_warnings
from dragoman.ollama import Ollama

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's settings do not count, and what is said once is said once in every test."""
    for name in ("OLLAMA_HOST", "OLLAMA_API_KEY", "DRAGOMAN_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    forget_warnings()


#: What a test may put in the place of a line: the connection is closed there.
CUT = b"cut"
DONE: Json = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 4883583458,
    "load_duration": 1334875,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 342546000,
    "eval_count": 282,
    "eval_duration": 4535599000,
}
TIME = "2026-08-04T19:22:45.499127385-07:00"
MODEL: Json = {
    "name": "llama3.2:latest",
    "model": "llama3.2:latest",
    "modified_at": "2025-05-04T17:37:44.706015396-07:00",
    "size": 3826793677,
    "digest": "a80c4f17acd55265feec403c7aef86be0c25983ab279d83f3bcd3abbcb5b8b72",
    "details": {"parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"]},
}
SHOWN: Json = {
    "modelfile": "FROM llama3.2",
    "details": MODEL["details"],
    "capabilities": ["completion", "tools", "thinking"],
    "thinking": {"values": ["low", "medium", "high"], "default": "medium"},
    "modified_at": "2025-05-04T17:37:44.706015396-07:00",
}


class FakeOllama(ThreadingHTTPServer):
    """Answers like https://docs.ollama.com/api; `script` holds the pieces of the next chat's answer."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        #: (method, path, headers, body) of each request.
        self.seen: list[tuple[str, str, dict[str, str], Json]] = []
        #: Messages, whole lines (with `done` or `error`), or CUT.
        self.script: list[Any] = [{"content": "Hello"}, {"content": " there"}]
        self.last: Json = DONE

    @property
    def body(self) -> Json:
        """What was asked last."""
        return self.seen[-1][3]

    def lines(self) -> list[Json | bytes]:
        """The answer in lines, as it is streamed."""
        head = {"model": "llama3.2", "created_at": TIME}
        lines: list[Json | bytes] = []
        for piece in self.script:
            if piece == CUT or "error" in piece:
                return [*lines, piece]
            message = {key: value for key, value in piece.items() if key != "logprobs"}
            beside = {key: value for key, value in piece.items() if key == "logprobs"}
            lines.append({**head, "message": {"role": "assistant", "content": "", **message}, **beside, "done": False})
        return [*lines, {**head, "message": {"role": "assistant", "content": ""}, **self.last}]

    def whole(self) -> Json:
        """The answer in one object."""
        lines = cast("list[Json]", self.lines())
        message: Json = {"role": "assistant", "content": ""}
        logprobs: list[Json] = []
        for line in lines:
            logprobs += line.get("logprobs", [])
            for key, value in line["message"].items():
                if key != "role":
                    message[key] = message[key] + value if key in message else value
        return {**lines[-1], "message": message, **({"logprobs": logprobs} if logprobs else {})}


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: FakeOllama
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    known: ClassVar = {"llama3.2", "llama3.2:latest", "hf.co/someone/model:Q4_K_M"}

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.note({})
        if self.path == "/api/tags":
            self.whole(200, {"models": [MODEL]})
        elif self.path == "/v1/models":
            self.whole(200, {"object": "list", "data": [{"id": "llama3.2", "object": "model", "created": 1}]})
        else:
            self.whole(404, "404 page not found")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.note(body)
        model = body.get("model")
        if model not in self.known:
            message = f"model '{model}' not found"
            openai = {"message": message, "type": "not_found_error", "param": None, "code": None}
            self.whole(404, {"error": openai if self.path.startswith("/v1") else message})
        elif self.path == "/api/chat":
            # Streaming is Ollama's default.
            self.lines(self.server.lines()) if body.get("stream", True) else self.whole(200, self.server.whole())
        elif self.path == "/api/embed":
            texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
            vectors = [[0.5, -0.25, float(len(text))][: body.get("dimensions")] for text in texts]
            answer = {"model": model, "embeddings": vectors, "total_duration": 14143917, "prompt_eval_count": 8}
            self.whole(200, answer)
        elif self.path == "/api/show":
            self.whole(200, SHOWN)
        elif self.path == "/v1/chat/completions":
            self.compatible(body)
        else:
            self.whole(200, {"object": "text_completion", "path": self.path})

    def note(self, body: Json) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append((self.command, self.path, headers, body))

    def whole(self, status: int, answer: Any) -> None:
        is_text = isinstance(answer, str)
        content = answer.encode() if is_text else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "text/plain" if is_text else "application/json; charset=utf-8")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def lines(self, lines: list[Json | bytes]) -> None:
        self.stream(
            "application/x-ndjson", [line if line == CUT else json.dumps(line).encode() + b"\n" for line in lines]
        )

    def stream(self, kind: str, pieces: list[Any]) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for piece in pieces:
            if piece == CUT:
                break
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        # A cut answer ends properly for HTTP: only its own end mark is missing.
        self.wfile.write(b"0\r\n\r\n")

    def compatible(self, body: Json) -> None:
        """Answer as openai.go does: thoughts in `reasoning`, `fp_ollama`, calls whole in one chunk."""
        head = {"id": "chatcmpl-92", "created": 1733488443, "model": body["model"], "system_fingerprint": "fp_ollama"}
        call = {"id": "call_1", "index": 0, "type": "function", "function": {"name": "look", "arguments": "{}"}}
        said = {"role": "assistant", "content": "", "reasoning": "Hm.", "tool_calls": [call]}
        if not body.get("stream"):
            choice = {"index": 0, "message": said, "finish_reason": "tool_calls"}
            usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
            self.whole(200, {**head, "object": "chat.completion", "choices": [choice], "usage": usage})
            return
        choices = [
            {"index": 0, "delta": said, "finish_reason": None},
            {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": "tool_calls"},
        ]
        chunks = [{**head, "object": "chat.completion.chunk", "choices": [choice]} for choice in choices]
        events = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
        self.stream("text/event-stream", [*events, b"data: [DONE]\n\n"])


@pytest.fixture
def server() -> Iterator[FakeOllama]:
    """The loopback server."""
    with FakeOllama() as fake:
        thread = threading.Thread(target=fake.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield fake
        fake.shutdown()
        thread.join()


@dataclass
class Asker:
    """A client of one colour. Answers come as JSON."""

    asynchronous: bool
    provider: Ollama
    options: Json

    def run(self, work: Callable[[Any], Any]) -> Any:
        """Do `work` with a client; where it returns an awaitable, wait for it."""
        if not self.asynchronous:
            with Client(providers=[self.provider], max_retries=0, **self.options) as client:
                return work(client)

        async def main() -> Any:
            async with AsyncClient(providers=[self.provider], max_retries=0, **self.options) as client:
                return await work(client)

        return asyncio.run(main())

    def create(self, said: str = "Hi", **params: Any) -> Json:
        """Ask for a chat completion."""
        answer = self.run(lambda client: client.chat.completions.create(**_request(said, params)))
        dumped: Json = answer.model_dump(exclude_unset=True)
        return dumped

    def stream(self, said: str = "Hi", **params: Any) -> tuple[list[Json], BaseException | None]:
        """Ask for a stream; return its chunks, and what it ended with."""
        chunks: list[Json] = []
        request = _request(said, {**params, "stream": True})

        def read(client: Any) -> BaseException | None:
            try:
                chunks.extend(
                    chunk.model_dump(exclude_unset=True) for chunk in client.chat.completions.create(**request)
                )
            except Exception as exception:  # noqa: BLE001 (the test judges it)
                return exception
            return None

        async def aread(client: Any) -> BaseException | None:
            try:
                stream = await client.chat.completions.create(**request)
                async for chunk in stream:
                    chunks.append(chunk.model_dump(exclude_unset=True))  # noqa: PERF401 (kept when the stream breaks)
            except Exception as exception:  # noqa: BLE001 (as above)
                return exception
            return None

        return chunks, self.run(aread if self.asynchronous else read)


def _request(said: str, params: Json) -> Json:
    messages = [{"role": "user", "content": said}]
    return {"model": "ollama/llama3.2", "messages": messages, **params}


@pytest.fixture(params=["sync", "async"])
def asker(request: pytest.FixtureRequest, server: FakeOllama) -> Callable[..., Asker]:
    """A function that makes a client of the server, with options of the provider and (as `client`) of the client."""

    def make(client: Json | None = None, **options: Any) -> Asker:
        provider = Ollama(**{"base_url": server.url, **options})
        return Asker(request.param == "async", provider, client or {})

    return make


@pytest.fixture
def make_call() -> Callable[..., Call]:
    """A function that makes a call of chats."""

    def make(policy: Any = "raise", extra_body: Json | None = None, **chat: Any) -> Call:
        chat = {"model": "llama3.2", "messages": [{"role": "user", "content": "Hi"}], **chat}
        return Call(
            "ollama",
            chat["model"],
            chat,
            id="chatcmpl-1",
            created=1700000000,
            on_unsupported=policy,
            extra_body=extra_body or {},
        )

    return make


@pytest.fixture
def joined() -> Callable[[list[Json]], Json]:
    """A function that puts chunks together again, as a program does that knows OpenAI's promises only."""

    def join(chunks: list[Json]) -> Json:
        head = {key: chunks[0][key] for key in ("id", "created", "model")}
        message: Json = {}
        whole: Json = {**head, "object": "chat.completion", "finish_reason": None, "usage": None, "logprobs": []}
        for chunk in chunks:
            assert {key: chunk[key] for key in head} == head
            whole["usage"] = chunk.get("usage") or whole["usage"]
            for choice in chunk["choices"]:
                assert whole["finish_reason"] is None, "nothing comes after the finish"
                whole["finish_reason"] = choice["finish_reason"]
                assert message or choice["delta"].get("role"), "the role comes first"
                whole["logprobs"] += (choice.get("logprobs") or {}).get("content") or []
                _add(message, choice["delta"])
        return {**whole, "message": message}

    return join


def _add(message: Json, delta: Json) -> None:
    for key, value in delta.items():
        if key == "tool_calls":
            for call in value:
                calls = message.setdefault(key, [])
                assert call["index"] == len(calls)
                calls.append({name: part for name, part in call.items() if name != "index"})
        elif key == "role":
            assert key not in message, "the role comes once"
            message[key] = value
        elif isinstance(value, str):
            message[key] = (message.get(key) or "") + value
        else:
            message[key] = value
