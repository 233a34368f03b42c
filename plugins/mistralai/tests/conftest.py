"""What the tests share: calls, a loopback server for the real SDK, recorded exchanges."""

from __future__ import annotations

import copy
import json
import os
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core import Call, Json
from dragoman.core.policy import forget_warnings
from dragoman.mistralai import Mistral

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


@dataclass
class Served:
    """What the server says next: whole, or a stream that goes on until somebody hangs up."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    endless: bool = False
    silent: bool = False


class Server:
    """Remembers what it was asked; answers with what is queued, else with ANSWER."""

    def __init__(self) -> None:
        self.seen: list[Json] = []
        self.queue: list[Served] = []
        self.hung_up = threading.Event()
        self.released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.answer(self)

            def do_POST(self) -> None:
                outer.answer(self)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        content = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.seen.append({"method": handler.command, "path": handler.path, "content": content, "headers": headers})
        served = self.queue.pop(0) if self.queue else Served(json.dumps(ANSWER).encode())
        if served.silent:
            self.released.wait(30)
            handler.close_connection = True
            return
        handler.send_response(served.status)
        for name, value in {"content-type": "application/json", **served.headers}.items():
            handler.send_header(name, value)
        if served.endless:
            handler.send_header("connection", "close")
            handler.end_headers()
            self._talk(handler, served.body)
            return
        handler.send_header("content-length", str(len(served.body)))
        handler.end_headers()
        handler.wfile.write(served.body)

    def _talk(self, handler: BaseHTTPRequestHandler, piece: bytes) -> None:
        try:
            while not self.released.is_set():
                handler.wfile.write(piece)
                handler.wfile.flush()
        except OSError:
            self.hung_up.set()
        handler.close_connection = True

    @property
    def bodies(self) -> list[Json]:
        return [json.loads(seen["content"]) for seen in self.seen]

    def says(self, body: Any, status: int = 200, **more: Any) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.queue.append(Served(content, status, **more))

    def streams(self, *chunks: Json, done: bool = True, headers: dict[str, str] | None = None) -> None:
        events = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + ["data: [DONE]\n\n"] * done
        self.says("".join(events).encode(), headers={"content-type": "text/event-stream", **(headers or {})})


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.http.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.released.set()
    made.http.shutdown()
    made.http.server_close()
    thread.join()
