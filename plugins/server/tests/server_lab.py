"""A provider on loopback that does what its models' names say, and the server in front of it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_ProviderT = TypeVar("_ProviderT", bound="Provider")
KEY = "sk-upstream-01234567"
USAGE = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
#: The same in the words of Responses.
COUNTS = {"input_tokens": 4, "output_tokens": 6}
#: What a flood is made of.
BLOCK = b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": "x" * 4000}}]}).encode() + b"\n\n"


def completion(model: str, text: str = "Hello!") -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [choice],
        "usage": USAGE,
    }


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}
    return b"data: " + json.dumps({**body, **more}).encode() + b"\n\n"


def events(*, usage: bool) -> list[bytes]:
    """A whole stream, written in a way that nobody but this provider has."""
    said = [chunk({"role": "assistant"}), *(chunk({"content": word}) for word in ("Hel", "lo", "!"))]
    counted = [chunk({}, choices=[], usage=USAGE)] if usage else []
    return [*said, chunk({}, "stop"), *counted, b"data: [DONE]\n\n"]


def responses_events(model: str) -> bytes:
    """A whole stream of Responses, which is counted in its last event."""
    told: list[tuple[str, dict[str, Any]]] = [
        ("response.created", {"response": {"id": "r", "model": model, "usage": None}}),
        ("response.output_text.delta", {"delta": "Hello!"}),
        ("response.completed", {"response": {"id": "r", "model": model, "usage": COUNTS}}),
    ]
    return b"".join(f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode() for kind, more in told)


@dataclass
class Seen:
    """One request that the provider got."""

    path: str
    headers: dict[str, str]
    body: Any
    #: Set when the connection was closed by the other side while an answer was under way.
    closed: threading.Event = field(default_factory=threading.Event)
    sent: int = 0


class Provider(ThreadingHTTPServer):
    """Keeps what it was asked; `release` lets answers go on that wait for it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[Seen] = []
        self.release = threading.Event()
        self.arrived = threading.Semaphore(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


@contextmanager
def serving(provider: _ProviderT) -> Iterator[_ProviderT]:
    """Serve in a thread; whatever waits is let go at the end."""
    thread = threading.Thread(target=provider.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield provider
    finally:
        provider.release.set()
        provider.shutdown()
        thread.join()
        provider.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Provider

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        pass

    def do_GET(self) -> None:
        self._note(None)
        models = [{"id": name, "object": "model", "created": 1, "owned_by": "me"} for name in ("text", "org/deep/er")]
        if self.path == "/v1/models":
            self._json(200, {"object": "list", "data": models})
        else:
            self._json(200, {**models[0], "id": unquote(self.path).removeprefix("/v1/models/")})

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length", 0)))
        body = json.loads(content) if "json" in self.headers.get("content-type", "") else content
        seen = self._note(body)
        if isinstance(body, dict) and body.get("model") == "busy":
            self._busy(body, seen, stream=False)
        elif self.path == "/v1/embeddings":
            data = [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}]
            self._json(200, {"object": "list", "model": "e", "data": data, "usage": {"prompt_tokens": 2}})
        elif self.path == "/v1/responses" and body.get("stream"):
            self._open()
            self.wfile.write(responses_events(body["model"]))
        elif self.path == "/v1/messages" and body.get("stream"):
            self._open()
            start = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": []}
            start["usage"] = {"input_tokens": 10, "output_tokens": 1}
            told = [{"type": "message_start", "message": start}, {"type": "content_block_start", "index": 0}]
            delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "word"}}
            for event in [*told, *[delta] * 10]:
                self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
            self._wait_for_the_end(seen)
        elif self.path != "/v1/chat/completions":
            self._json(200, {"id": "other", "object": self.path, "usage": COUNTS})
        else:
            with_stream = body.get("stream", False)
            getattr(self, "_" + body["model"].replace("-", "_"), self._text)(body, seen, with_stream)

    def _note(self, body: Any) -> Seen:
        seen = Seen(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        self.server.seen.append(seen)
        self.server.arrived.release()
        return seen

    def _json(self, status: int, body: Any, **headers: str) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "X-Request-Id": "up-1", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _open(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Set-Cookie", "upstream=1")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def _wait_for_the_end(self, seen: Seen) -> None:
        """Until the other side closes the connection."""
        while self.connection.recv(65536):
            pass
        seen.closed.set()

    # What models do.

    def _text(self, body: Any, seen: Seen, stream: bool) -> None:
        if not stream:
            tools = body.get("tools")
            answer = completion(body["model"], '{"answer": 42}' if "response_format" in body else "Hello!")
            if tools:
                call = {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": tools[0]["function"]["name"], "arguments": "{}"},
                }
                answer["choices"][0] |= {
                    "finish_reason": "tool_calls",
                    "message": {"role": "assistant", "content": None, "tool_calls": [call]},
                }
            self._json(200, answer)
            return
        self._open()
        for event in events(usage=bool((body.get("stream_options") or {}).get("include_usage"))):
            self.wfile.write(event)

    def _wait(self, body: Any, seen: Seen, stream: bool) -> None:
        """The first word, and the rest when it is told."""
        if stream:
            self._open()
            first, *rest = events(usage=False)
            self.wfile.write(first)
        self.server.release.wait(60)
        if stream:
            self.wfile.write(b"".join(rest))
        else:
            self._json(200, completion("wait"))

    def _silent(self, body: Any, seen: Seen, stream: bool) -> None:
        """Nothing at all, or after the first word nothing more."""
        if stream:
            self._open()
            self.wfile.write(events(usage=False)[0])
        self._wait_for_the_end(seen)

    def _returns(self, body: Any, seen: Seen, stream: bool) -> None:
        """Lines that end as HTTP's do, and no end."""
        self._open()
        self.wfile.write(b"".join(events(usage=False)[:3]).replace(b"\n", b"\r\n"))
        self._wait_for_the_end(seen)

    def _cut(self, body: Any, seen: Seen, stream: bool) -> None:
        self._open()
        self.wfile.write(b"".join(events(usage=False)[:2]))

    def _flood(self, body: Any, seen: Seen, stream: bool) -> None:
        """Without an end."""
        self._open()
        try:
            while True:
                self.wfile.write(BLOCK)
                seen.sent += len(BLOCK)
        except OSError:
            seen.closed.set()

    def _liar(self, body: Any, seen: Seen, stream: bool) -> None:
        """Less than it promised."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "5000")
        self.end_headers()
        self.wfile.write(json.dumps(completion("liar")).encode())
        self.close_connection = True

    def _page(self, body: Any, seen: Seen, stream: bool) -> None:
        content = b"<html>no API here</html>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _busy(self, body: Any, seen: Seen, stream: bool) -> None:
        error = {"message": "slow down", "type": "requests", "param": None, "code": "rate_limit_exceeded"}
        self._json(429, {"error": error}, Retry_After="7", X_Should_Retry="false")

    def _unknown_key(self, body: Any, seen: Seen, stream: bool) -> None:
        key = self.headers["authorization"].split()[1]
        message = f"Incorrect API key provided: {key}. Or sk-ups*********cdef?"
        error = {
            "message": message,
            "type": "auth",
            "param": key,
            "code": "invalid_api_key",
            "metadata": {"raw": [key]},
        }
        if stream:
            self._open()
            self.wfile.write(b"data: " + json.dumps({"error": error}).encode() + b"\n\n")
        else:
            self._json(401, {"error": error})

    def _quotes(self, body: Any, seen: Seen, stream: bool) -> None:
        """The key, and the prompt."""
        message = f"cannot do with {self.headers['authorization']}: {body['messages']}"
        self._json(500, {"error": {"message": message, "type": "server_error", "param": None, "code": None}})

    def _broken(self, body: Any, seen: Seen, stream: bool) -> None:
        self._open()
        self.wfile.write(b'data: {"error": {"message": "out of memory", "code": "oom"}}\n\n')


class Served:
    """A server in a thread of this process."""

    def __init__(self, app: Any, *, stall: float = 600.0) -> None:
        import uvicorn

        from dragoman.server.protocols import BoundedConfig

        self.app = app
        self.gateway = app.state.gateway
        self._listener = socket.create_server(("127.0.0.1", 0))
        options = {"ws": "none", "lifespan": "on", "log_config": None, "access_log": False, "loop": "asyncio"}
        config = BoundedConfig(app, stall=stall, timeout_graceful_shutdown=1, **options)
        self._server = uvicorn.Server(config)
        self.loop: Any = None
        self._thread = threading.Thread(target=self._run)

    @property
    def port(self) -> int:
        return self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def _run(self) -> None:
        async def run() -> None:
            self.loop = asyncio.get_running_loop()
            await self._server.serve(sockets=[self._listener])

        asyncio.run(run())

    def call(self, function: Callable[[], Any]) -> Any:
        """Call a function in the server's loop."""

        async def run() -> Any:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(60)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    """A socket of one's own, for what no client library does."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        yield connection


def request_bytes(body: Any, port: int, *, path: str = "/v1/chat/completions", **headers: str) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = {
        "Host": f"127.0.0.1:{port}",
        "Content-Type": "application/json",
        "Content-Length": str(len(content)),
        **headers,
    }
    lines = [f"POST {path} HTTP/1.1", *(f"{name.replace('_', '-')}: {value}" for name, value in found.items()), "", ""]
    return "\r\n".join(lines).encode() + content


def ask(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "Hi, I am secret-prompt!"}], **more}
