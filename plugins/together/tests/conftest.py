"""A server on loopback that answers as it is told, calls without a network, and the recordings."""

from __future__ import annotations

import itertools
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core import Call, Json
from dragoman.core.policy import forget_warnings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_numbers = itertools.count()


class Server:
    """Remembers what it was asked. `answer`: status, content (JSON, or the bytes of a stream), headers."""

    def __init__(self) -> None:
        self.seen: list[Json] = []
        self.answer: tuple[int, Any, dict[str, str]] = (200, {}, {})
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.reply(b"")

            def do_POST(self) -> None:
                self.reply(self.rfile.read(int(self.headers["content-length"])))

            def reply(self, body: bytes) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.seen.append({"path": self.path, "content": body, "headers": headers})
                status, answer, extra = outer.answer
                stream = isinstance(answer, bytes)
                content = answer if stream else json.dumps(answer).encode()
                kind = "text/event-stream" if stream else "application/json"
                self.send_response(status)
                for name, value in {"content-type": kind, "content-length": str(len(content)), **extra}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def answers(self, answer: Any, status: int = 200, **headers: str) -> None:
        """Answer like this from now on; underscores in names of headers stand for hyphens."""
        self.answer = status, answer, {name.replace("_", "-"): value for name, value in headers.items()}

    @property
    def body(self) -> Json:
        """The body of the latest request."""
        found: Json = json.loads(self.seen[-1]["content"])
        return found


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TOGETHER_")]:
        monkeypatch.delenv(name)
    forget_warnings()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.http.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.http.shutdown()
    made.http.server_close()
    thread.join()


@pytest.fixture
def make_call() -> Callable[..., Call]:
    """Make a call; its provider has a name of its own, so that what is warned of once is warned of in every test."""

    def make(policy: Any = "raise", endpoint: str = "chat/completions", method: str = "POST", **request: Any) -> Call:
        if endpoint == "chat/completions":
            request.setdefault("messages", [{"role": "user", "content": "Hello"}])
        body = {"model": "openai/gpt-oss-20b", **request}
        name = f"together{next(_numbers)}"
        return Call(name, body["model"], body, endpoint, method, id="call-1", created=7, on_unsupported=policy)

    return make


@pytest.fixture(scope="session")
def recordings() -> list[Json]:
    """Every recorded exchange with Together."""
    folder = os.environ.get("DRAGOMAN_RECORDINGS")
    if not folder:
        pytest.skip("DRAGOMAN_RECORDINGS is unset: there are no recorded exchanges to compare with")
    lines = (Path(folder) / "together.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
