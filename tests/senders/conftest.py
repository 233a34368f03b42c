"""A server whose every byte is scripted, and all senders, in both colours, as one kind of caller."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import struct
import threading
import zlib
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar
from unittest import mock

import openai
import pytest

from dragoman.anthropic import Anthropic
from dragoman.core import AsyncClient, Client, CompatibleProvider, async_http_sender, direct, http_sender
from dragoman.mistralai import Mistral
from dragoman.openai import OpenAI
from dragoman.together import Together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dragoman.core import AsyncSender, Call, Provider, Sender

TEXT = "Grüße aus Köln: 12 °C, 🌧️ bis 18 Uhr."
KEY = "sk-plain-1111"
#: A step of an answer: bytes as they are, an event to wait for, the end of the connection, or work of the test's own.
Step = Any


class Faulty:
    """Answers each request with the next script, and with what `usual` makes where there is none.

    `seen` are the heads and bodies of the requests, `connections` the sockets accepted; `gone` is released once for
    each connection that the client has closed.
    """

    def __init__(self, context: Any = None) -> None:
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.connections = 0
        self.gone = threading.Semaphore(0)
        self.arrived = threading.Semaphore(0)
        self.usual: Callable[[bytes], tuple[Step, ...]] = lambda _: (http(200, b"{}"),)
        self._scripts: deque[tuple[Step, ...]] = deque()
        self._context = context
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        self.origin = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        self._run(self._accept)

    def script(self, *steps: Step) -> None:
        self._scripts.append(steps)

    def close(self) -> None:
        for sock in [self._listener, *self._sockets]:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive(), "a scripted answer still waits"

    def _run(self, work: Any, *arguments: Any) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                self._sockets.add(sock)
                self._run(self._serve, sock)

    def _serve(self, plain: socket.socket) -> None:
        sock = plain
        with suppress(OSError):
            if self._context is not None:
                sock = self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
                self._sockets.add(sock)
                sock.do_handshake()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with sock.makefile("rb") as file:
                while self._answer(sock, file):
                    pass
        self._sockets -= {plain, sock}
        with suppress(OSError):
            sock.close()
        self.gone.release()

    def _answer(self, sock: Any, file: Any) -> bool:
        line = file.readline()
        if not line:
            return False
        lines = iter(lambda: file.readline().decode("latin-1").strip(), "")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = file.read(int(headers.get("content-length", 0))) if "x-unread" not in headers else b""
        self.seen.append((line.decode("latin-1").strip(), headers, body))
        self.arrived.release()
        for step in self._scripts.popleft() if self._scripts else self.usual(body):
            if isinstance(step, bytes):
                sock.sendall(step)
            elif isinstance(step, threading.Event):
                assert step.wait(20)
            elif callable(step):
                step(sock)
            else:
                if step == "reset":
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
        return True


def http(status: int, body: bytes, **headers: str) -> bytes:
    """A whole answer, with its length."""
    named = {"content-type": "application/json", "content-length": str(len(body))}
    named.update({name.replace("_", "-"): value for name, value in headers.items()})
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status} So\r\n{lines}\r\n".encode() + body


def head(**headers: str) -> bytes:
    """The head of a stream in chunks."""
    named = {"content-type": "text/event-stream", "transfer-encoding": "chunked"}
    named.update({name.replace("_", "-"): value for name, value in headers.items()})
    return ("HTTP/1.1 200 So\r\n" + "".join(f"{name}: {value}\r\n" for name, value in named.items()) + "\r\n").encode()


def chunked(body: bytes, size: int = 65536) -> bytes:
    """A body in chunks of so many bytes, with its end."""
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def begun(wire: Any, *texts: str) -> bytes:
    """A stream in chunks that goes on: its last events are still to come."""
    events = wire.stream(*texts).split(b"\n\n")
    body = b"\n\n".join([*events[: -wire.last - 1], b""])
    return head() + chunked(body).removesuffix(b"0\r\n\r\n")


def gzipped(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(body) + packer.flush()


class OpenAIWire:
    """What an OpenAI-compatible vendor sends for a text."""

    end = b"data: [DONE]\n\n"
    #: How many events end a stream that is whole.
    last = 2

    @staticmethod
    def answer(text: str) -> bytes:
        message = {"role": "assistant", "content": text}
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        head = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m1"}
        return json.dumps({**head, "choices": choices, "usage": usage}, ensure_ascii=False).encode()

    @classmethod
    def stream(cls, *texts: str) -> bytes:
        deltas = [
            ({"role": "assistant", "content": ""}, None),
            *(({"content": text}, None) for text in texts),
            ({}, "stop"),
        ]
        return b"".join(map(cls._event, deltas)) + cls.end

    @staticmethod
    def _event(delta: Any) -> bytes:
        choice = {"index": 0, "delta": delta[0], "finish_reason": delta[1]}
        head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m1"}
        text = json.dumps({**head, "choices": [choice]}, ensure_ascii=False, separators=(",", ":"))
        return f"data: {text}\n\n".encode()


class AnthropicWire:
    """What Anthropic sends for a text: https://docs.claude.com/en/api/messages-streaming."""

    end = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    last = 3

    _MESSAGE: ClassVar = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m1",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 3, "output_tokens": 1},
    }

    @classmethod
    def answer(cls, text: str) -> bytes:
        content = [{"type": "text", "text": text}]
        return json.dumps({**cls._MESSAGE, "content": content, "stop_reason": "end_turn"}, ensure_ascii=False).encode()

    @classmethod
    def stream(cls, *texts: str) -> bytes:
        start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        deltas = [
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": t}} for t in texts
        ]
        stop = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}
        events = [{"type": "message_start", "message": cls._MESSAGE}, start, *deltas]
        events += [{"type": "content_block_stop", "index": 0}, stop]
        texts_ = [json.dumps(event, ensure_ascii=False, separators=(",", ":")) for event in events]
        lines = [f"event: {event['type']}\ndata: {text}\n\n" for event, text in zip(events, texts_, strict=True)]
        return "".join(lines).encode() + cls.end


class Plain(CompatibleProvider):
    """A vendor without an SDK, on a machine without aiohttp; with it, the sender is the one of "direct"."""

    name = "plain"

    def sender(self) -> Sender:
        return http_sender(self.base_url, self._headers)

    def async_sender(self) -> AsyncSender:
        with mock.patch.object(direct, "aiohttp_serves", return_value=False):
            return async_http_sender(self.base_url, self._headers)

    def headers(self, key: str) -> dict[str, str]:
        return super().headers(key)

    def _headers(self, call: Call) -> dict[str, str]:
        return self.headers(call.api_key or self.api_key or "")


#: Sender -> the provider, what its address ends with, its wire, and who sends. The SDKs get an HTTP client of ours;
#: "own" is one that keeps what it makes by itself.
SENDERS: dict[str, tuple[type[Provider], str, Any, str]] = {
    "openai": (OpenAI, "/v1", OpenAIWire, "sdk"),
    "anthropic": (Anthropic, "", AnthropicWire, "sdk"),
    "together": (Together, "/v1", OpenAIWire, "sdk"),
    "mistralai": (Mistral, "", OpenAIWire, "sdk"),
    "http": (Plain, "/v1", OpenAIWire, "sdk"),
    "own": (OpenAI, "/v1", OpenAIWire, "sdk"),
    "direct": (OpenAI, "/v1", OpenAIWire, "direct"),
    "direct-anthropic": (Anthropic, "", AnthropicWire, "direct"),
}
OURS = ("http", "direct", "direct-anthropic")


class Caller:
    """One sender in one colour. Asynchronous calls run on a loop of the caller's own, so that all look alike."""

    def __init__(self, kind: str, *, asynchronous: bool) -> None:
        self.kind, self.asynchronous = kind, asynchronous
        self.provider, self._suffix, self.wire, self._sender = SENDERS[kind]
        self.ours = kind in OURS
        self._runner = asyncio.Runner() if asynchronous else None
        self._clients: list[Any] = []
        self.client: Any = None

    def make(self, origin: str, **options: Any) -> Caller:
        more: dict[str, Any] = {}
        if self.kind == "own":
            more["http_client"] = (openai.DefaultAsyncHttpxClient if self.asynchronous else openai.DefaultHttpxClient)()
        provider = self.provider(name="here", api_key=KEY, base_url=origin + self._suffix, **more)
        kind = AsyncClient if self.asynchronous else Client
        options = {"max_retries": 0, "timeout": 20.0, **options}
        self.client = kind(default_provider="here", providers=[provider], sender=self._sender, **options)
        self._clients.append(self.client)
        return self

    def run(self, value: Any) -> Any:
        if self._runner is None:
            return value

        async def wait() -> Any:
            return await value

        return self._runner.run(wait())

    def create(self, **more: Any) -> Any:
        arguments = {"model": "m1", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 99, **more}
        return self.run(self.client.chat.completions.create(**arguments))

    def text(self, **more: Any) -> str:
        content: str = self.create(**more).choices[0].message.content
        return content

    def next(self, stream: Any) -> Any:
        """The next chunk; None at the end."""
        return self.run(anext(stream, None)) if self.asynchronous else next(stream, None)

    def listen(self, **more: Any) -> Heard:
        """Read a stream to its end, and remember what came before a failure."""
        heard = Heard()
        try:
            stream = self.create(stream=True, **more)
            if self.asynchronous:
                self.run(heard.alisten(stream))
            else:
                for chunk in stream:
                    heard.add(chunk)
        except Exception as exception:  # noqa: BLE001 (the test looks at it)
            heard.failure = exception
        return heard

    def close(self) -> None:
        for client in self._clients:
            self.run(client.close())
        if self._runner is not None:
            self._runner.close()


class Heard:
    """What came of a stream."""

    def __init__(self) -> None:
        self.text = ""
        self.finished = False
        self.failure: Exception | None = None

    def add(self, chunk: Any) -> None:
        for choice in chunk.choices:
            self.text += choice.delta.content or ""
            self.finished = self.finished or choice.finish_reason is not None

    async def alisten(self, stream: Any) -> None:
        async for chunk in stream:
            self.add(chunk)


_OWN = re.compile(r"_(API_KEY|BASE_URL|AUTH_TOKEN)$|^OPENAI_|^DRAGOMAN_OFFLINE|^SSL_CERT_|(?i:_proxy)$")


@pytest.fixture(autouse=True)
def _nobodys_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if _OWN.search(name):
            monkeypatch.delenv(name)


@pytest.fixture
def server() -> Iterator[Faulty]:
    made = Faulty()
    yield made
    made.close()


def _caller(request: pytest.FixtureRequest) -> Iterator[Caller]:
    kind, asynchronous = request.param
    made = Caller(kind, asynchronous=asynchronous)
    yield made
    made.close()


def _fixture(kinds: Any, colours: tuple[bool, ...] = (False, True)) -> Any:
    params = [(kind, colour) for kind in kinds for colour in colours]
    ids = [f"{kind}-{'async' if colour else 'sync'}" for kind, colour in params]
    return pytest.fixture(_caller, params=params, ids=ids)


#: Every sender in both colours, our own alone, and those of one colour.
caller = _fixture(SENDERS)
our_caller = _fixture(OURS)
sync_caller = _fixture(SENDERS, (False,))
our_sync_caller = _fixture(OURS, (False,))
async_caller = _fixture(SENDERS, (True,))
