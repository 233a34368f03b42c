"""What several of core's test files need."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import os
import socket
import struct
import sys
import threading
from collections import defaultdict, deque
from contextlib import suppress
from dataclasses import dataclass, field
from textwrap import dedent
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import openai
import pytest

from dragoman.core import (
    AsyncClient,
    Call,
    Client,
    Json,
    Provider,
    async_http_client,
    hookimpl,
    http_client,
)
from dragoman.core.plugins import Plugins, plugins
from dragoman.core.policy import forget_warnings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedReader
    from pathlib import Path


#: The first byte of a TLS connection.
TLS_HANDSHAKE = b"\x16"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Plugins]]:
    """A function that puts a distribution on disk and on `sys.path`, and returns fresh `Plugins` of all such.

    It takes the distribution's name, its entry points as `group:name=value`, and the code of its one module,
    which is called like it.
    """
    monkeypatch.delenv("DRAGOMAN_PLUGINS", raising=False)
    folders: list[str] = []
    modules: list[str] = []

    def install(distribution: str, *points: str, code: str = "", version: str = "1.0", folder: str = "site") -> Plugins:
        site = tmp_path / folder
        info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n\nText\n")
        (info / "entry_points.txt").write_text("".join("[{}]\n{}\n".format(*point.split(":", 1)) for point in points))
        module = distribution.replace("-", "_").lower()
        (site / f"{module}.py").write_text(dedent(code))
        modules.append(module)
        if str(site) not in folders:
            folders.append(str(site))
            monkeypatch.syspath_prepend(str(site))
        return Plugins(path=folders)

    yield install
    for module in modules:
        sys.modules.pop(module, None)


@dataclass
class Seen:
    """A request that the server read."""

    method: str
    target: str
    headers: dict[str, str]
    lines: list[str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


#: A step of a scripted body: bytes to send, an event to wait for, "reset" (RST), "cut" (close, without the end),
#: or "watch" (wait until the client closes, then say so).
Step = bytes | threading.Event | Literal["reset", "cut", "watch"]


@dataclass
class Scripted:
    """What to answer: a whole `body`, or `steps` in chunked encoding."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    steps: tuple[Step, ...] | None = None


class Loopback:
    """A real HTTP/1.1 server with scripted answers; without a script it answers `COMPLETION`, whole or in chunks.

    `script` queues answers, for one path (below `/v1`) or for any. `requests` are those read, `connections` the
    number of sockets accepted. `arrived` is set when a request was read, `closed` when a "watch" step saw the client
    close its socket.
    """

    COMPLETION: ClassVar[dict[str, Any]] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello there", "refusal": None},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }

    def __init__(self) -> None:
        self.requests: list[Seen] = []
        self.connections = 0
        self.closed = threading.Event()
        self.arrived = threading.Event()
        self._scripts: dict[str, deque[Scripted]] = defaultdict(deque)
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.origin = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"{self.origin}/v1"
        self._start(self._accept)

    def script(self, *answers: Scripted, path: str = "*") -> None:
        self._scripts[path].extend(answers)

    @staticmethod
    def chunk(content: str | None = None, finish_reason: str | None = None, **more: Any) -> bytes:
        delta = {"content": content} if content is not None else more.pop("delta", {})
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m1"}
        return Loopback.event({**head, "choices": [choice], **more})

    @staticmethod
    def event(data: Any) -> bytes:
        text = data if isinstance(data, str) else json.dumps(data)
        return f"data: {text}\n\n".encode()

    @staticmethod
    def stream(*steps: Step, status: int = 200, **headers: str) -> Scripted:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Scripted(status, {"content-type": "text/event-stream", **named}, steps=steps)

    @staticmethod
    def json(body: Any, status: int = 200, **headers: str) -> Scripted:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Scripted(status, {"content-type": "application/json", **named}, json.dumps(body).encode())

    @staticmethod
    def error(status: int, message: str = "no", **headers: str) -> Scripted:
        body = {"error": {"message": message, "type": "t", "param": None, "code": "c"}}
        return Loopback.json(body, status, **headers)

    def close(self) -> None:
        for sock in [self._listener, *self._open]:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive(), "a scripted answer still waits"

    def _start(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(sock)
            self._start(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError), sock, sock.makefile("rb") as file:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (seen := self._read(file)) is not None:
                self.requests.append(seen)
                self.arrived.set()
                try:
                    if not self._answer(sock, self._next(seen)):
                        break
                except OSError:
                    # The client went away before all was sent.
                    self.closed.set()
                    raise
        self._open.discard(sock)

    def _read(self, file: BufferedReader) -> Seen | None:
        first = file.readline().decode("latin-1").split() if file.peek(1)[:1] != TLS_HANDSHAKE else []
        if len(first) != 3:
            return None
        lines = list(iter(lambda: file.readline().decode("latin-1").strip(), ""))
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = file.read(int(headers.get("content-length", 0)))
        return Seen(first[0], first[1], headers, lines, body)

    def _next(self, seen: Seen) -> Scripted:
        for path in (seen.path.removeprefix("/v1"), "*"):
            if self._scripts[path]:
                return self._scripts[path].popleft()
        if b'"stream":true' in seen.body:
            return self.stream(
                self.chunk(delta={"role": "assistant"}),
                self.chunk("Hello"),
                self.chunk(" there"),
                self.chunk(None, "stop"),
                self.event("[DONE]"),
            )
        return self.json(self.COMPLETION, x_request_id="req-1")

    def _answer(self, sock: socket.socket, answer: Scripted) -> bool:
        """Send an answer; False: the connection is over."""
        headers = dict(answer.headers)
        if answer.steps is None:
            headers.setdefault("content-length", str(len(answer.body)))
        else:
            headers["transfer-encoding"] = "chunked"
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        sock.sendall(f"HTTP/1.1 {answer.status} Scripted\r\n{lines}\r\n".encode())
        for step in answer.steps or ():
            if isinstance(step, bytes):
                sock.sendall(b"%x\r\n%b\r\n" % (len(step), step))
            elif isinstance(step, threading.Event):
                assert step.wait(10)
            else:
                if step == "reset":
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                elif step == "watch":
                    with suppress(ConnectionResetError):
                        assert sock.recv(1) == b""
                    self.closed.set()
                return False
        if answer.steps is not None:
            sock.sendall(b"0\r\n\r\n")
            return True
        sock.sendall(answer.body)
        return int(headers["content-length"]) == len(answer.body)


class Road:
    """One of the ways to make a call; asynchronous ones run on a loop of their own, so that all look alike.

    `plain`: the client's own `create`. `http`: the same client's raw responses, parsed. `door`: the SDK's own client
    with our HTTP client under it. `client` is the SDK's object.
    """

    def __init__(self, kind: str, *, asynchronous: bool) -> None:
        self.kind = kind
        self.asynchronous = asynchronous
        self.client: Any = None
        self._loop = asyncio.new_event_loop() if asynchronous else None
        self._made: list[Any] = []

    def make(self, provider: Provider, **options: Any) -> Road:
        """Make the client, whose default provider is this one."""
        providers = [provider, *options.pop("providers", ())]
        options.setdefault("max_retries", 0)
        if self.kind != "door":
            kind = AsyncClient if self.asynchronous else Client
            return self.use(kind(default_provider=provider.name, providers=providers, **options))
        names = {"aliases", "on_unsupported", "max_retries", "record", "replay"} & options.keys()
        own = {name: options.pop(name) for name in names}
        door = (async_http_client if self.asynchronous else http_client)(
            default_provider=provider.name, providers=providers, **own
        )
        sdk = openai.AsyncOpenAI if self.asynchronous else openai.OpenAI
        return self.use(sdk(api_key="sk-outer-0000", base_url="https://api.openai.com/v1", http_client=door, **options))

    def use(self, client: Any) -> Road:
        self._made.append(client)
        self.client = client
        return self

    def run(self, value: Any) -> Any:
        """What the call came to: asynchronous ones are awaited."""
        if self._loop is None or not inspect.isawaitable(value):
            return value

        async def wait() -> Any:
            return await value

        return self._loop.run_until_complete(wait())

    def create(self, client: Any = None, **arguments: Any) -> Any:
        completions = (client or self.client).chat.completions
        arguments = {"model": "m1", "messages": [{"role": "user", "content": "Hi"}], **arguments}
        if self.kind != "http":
            return self.run(completions.create(**arguments))
        return self.run(completions.with_raw_response.create(**arguments)).parse()

    def stream(self, client: Any = None, **arguments: Any) -> Any:
        return self.create(client, stream=True, **arguments)

    def items(self, stream: Any) -> Iterator[Any]:
        """The items of a stream, one by one."""
        if self._loop is None:
            yield from stream
            return
        while (item := self.run(self._anext(stream))) is not None:
            yield item

    async def _anext(self, stream: Any) -> Any:
        try:
            return await anext(stream)
        except StopAsyncIteration:
            return None

    def text(self, stream: Any) -> str:
        return "".join(c.delta.content or "" for chunk in self.items(stream) for c in chunk.choices)

    def settle(self) -> None:
        """Let what waits on the loop (the closing of forgotten generators) happen."""
        gc.collect()
        if self._loop is not None:
            self._loop.run_until_complete(asyncio.sleep(0.01))

    def close(self) -> None:
        for client in self._made:
            self.run(client.close())
        if self._loop is not None:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()


class Diary:
    """A plugin that writes down what the hooks were told; `on` replaces a hook's work by a function."""

    def __init__(self) -> None:
        self.before: list[Call] = []
        self.chunks: list[Json] = []
        self.after: list[Call] = []
        self.on: dict[str, Callable[..., Any]] = {}

    @property
    def outcomes(self) -> list[str]:
        return [call.outcome for call in self.after]

    @hookimpl
    def before_call(self, call: Call) -> None:
        self.before.append(call)
        self.on.get("before_call", lambda call: None)(call)

    @hookimpl
    def answer_call(self, call: Call) -> Json | None:
        answer: Json | None = self.on.get("answer_call", lambda call: None)(call)
        return answer

    @hookimpl
    def after_call(self, call: Call) -> None:
        self.after.append(call)
        self.on.get("after_call", lambda call: None)(call)


class ChunkDiary(Diary):
    """A diary that also sees chunks, which keeps the vendor's bytes from passing untouched."""

    @hookimpl
    def on_chunk(self, call: Call, chunk: Json) -> None:
        self.chunks.append(dict(chunk))
        self.on.get("on_chunk", lambda call, chunk: None)(call, chunk)


@pytest.fixture(autouse=True)
def _quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, address or policy of whoever runs the tests."""
    for name in [*os.environ]:
        if name.startswith(("OPENAI_", "DRAGOMAN_OFFLINE", "DRAGOMAN_RECORD", "DRAGOMAN_REPLAY")):
            monkeypatch.delenv(name)
    forget_warnings()


@pytest.fixture
def server() -> Iterator[Loopback]:
    made = Loopback()
    yield made
    made.close()


@pytest.fixture
def provider(server: Loopback) -> Provider:
    """An OpenAI-compatible provider at the server."""
    return Provider(name="here", base_url=server.url, api_key="sk-here-1111")


ROADS = [(kind, asynchronous) for asynchronous in (False, True) for kind in ("plain", "http", "door")]


def _road(request: pytest.FixtureRequest) -> Iterator[Road]:
    kind, asynchronous = request.param
    made = Road(kind, asynchronous=asynchronous)
    yield made
    made.close()


def _names(roads: list[tuple[str, bool]]) -> list[str]:
    return [f"{'async' if asynchronous else 'sync'}-{kind}" for kind, asynchronous in roads]


_OURS = [road for road in ROADS if road[0] != "door"]
_COLOURS = [road for road in ROADS if road[0] == "plain"]

#: All six ways, those through our own clients, and one of each colour.
road = pytest.fixture(_road, params=ROADS, ids=_names(ROADS), name="road")
our_road = pytest.fixture(_road, params=_OURS, ids=_names(_OURS), name="our_road")
colour = pytest.fixture(_road, params=_COLOURS, ids=_names(_COLOURS), name="colour")


@pytest.fixture
def diary() -> Iterator[Diary]:
    made = Diary()
    plugins().register_hooks(made)
    yield made
    plugins().unregister_hooks(made)


@pytest.fixture
def chunk_diary() -> Iterator[ChunkDiary]:
    made = ChunkDiary()
    plugins().register_hooks(made)
    yield made
    plugins().unregister_hooks(made)
