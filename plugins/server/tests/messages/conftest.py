"""A gateway on loopback, and vendors for it to talk to."""

from __future__ import annotations

import json
import threading
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn

from dragoman.core.policy import forget_warnings
from dragoman.server.app import make_app
from dragoman.server.settings import Configuration, ServerSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dragoman.core import Json


@pytest.fixture(autouse=True)
def warned_anew() -> None:
    """What is said once in a process is said once in every test."""
    forget_warnings()


@dataclass
class Seen:
    """A request that a vendor got."""

    path: str
    headers: dict[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content)


@dataclass
class Told:
    """What a vendor shall answer: the bytes of a body, whole, or in pieces if there are several."""

    pieces: tuple[bytes, ...]
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    #: Whether to hang up before the end of the body.
    cut: bool = False


class Vendor:
    """A real HTTP server that answers from a script. `seen` are the requests it got."""

    def __init__(self) -> None:
        self.script: deque[Told] = deque()
        self.seen: list[Seen] = []
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                headers = {name.lower(): value for name, value in self.headers.items()}
                vendor.seen.append(Seen(self.path, headers, self.rfile.read(length)))
                vendor.answer(self)

            def log_message(self, *_: object) -> None:
                """Be silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        told = self.script.popleft()
        handler.send_response(told.status)
        handler.send_header("content-type", told.content_type)
        for name, value in told.headers.items():
            handler.send_header(name, value)
        streamed = told.content_type.startswith("text/event-stream")
        if streamed:
            handler.send_header("transfer-encoding", "chunked")
        else:
            handler.send_header("content-length", str(sum(map(len, told.pieces))))
        handler.end_headers()
        with suppress(ConnectionError):
            for piece in told.pieces:
                handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if streamed else piece)
                handler.wfile.flush()
            if told.cut:
                handler.close_connection = True
            elif streamed:
                handler.wfile.write(b"0\r\n\r\n")

    def says(self, body: Any, status: int = 200, **headers: str) -> None:
        """Answer with JSON."""
        self.script.append(Told((json.dumps(body).encode(),), status, headers=headers))

    def streams(self, *pieces: bytes, cut: bool = False, **headers: str) -> None:
        """Answer with events."""
        self.script.append(Told(pieces, content_type="text/event-stream", headers=headers, cut=cut))

    def chunks(self, *deltas: Json, reason: str | None = "stop", usage: Json | None = None, cut: bool = False) -> None:
        """Answer as OpenAI's servers stream."""
        head = {"id": "chatcmpl-9", "object": "chat.completion.chunk", "created": 1, "model": "small-1"}
        found = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
        if reason:
            found.append({"index": 0, "delta": {}, "finish_reason": reason})
        bodies: list[Json] = [{**head, "choices": [choice]} for choice in found]
        if usage:
            bodies.append({**head, "choices": [], "usage": usage})
        written = [b"data: " + json.dumps(body).encode() + b"\n\n" for body in bodies]
        self.streams(*written, *(() if cut else (b"data: [DONE]\n\n",)), cut=cut)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def _vendor() -> Iterator[Vendor]:
    found = Vendor()
    yield found
    found.close()


@pytest.fixture
def vendor(_vendor: Vendor) -> Vendor:
    """A vendor with a script, which is empty; one server for all tests of a file."""
    _vendor.script.clear()
    _vendor.seen.clear()
    return _vendor


@pytest.fixture(scope="module")
def vendor_url(_vendor: Vendor) -> str:
    """The vendor's address."""
    return _vendor.url


@contextmanager
def served(client: Json, settings: ServerSettings) -> Iterator[Any]:
    app = make_app(Configuration(client, settings))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="on"))
    ready = threading.Event()
    startup = server.startup

    async def tell(sockets: Any = None) -> None:
        await startup(sockets)
        ready.set()

    server.startup = tell  # type: ignore[method-assign]  # uvicorn has no other way to say that it listens
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert ready.wait(60)
    app.state.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    yield app
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[..., Any]]:
    """A function that starts a gateway: `make_dispatcher`'s arguments, and `settings`. Its address is `state.url`."""
    open_ones = []

    def start(settings: ServerSettings | None = None, **client: Any) -> Any:
        one = served(client, settings or ServerSettings())
        app = one.__enter__()
        open_ones.append(one)
        return app

    yield start
    for one in open_ones:
        one.__exit__(None, None, None)
