"""A server that speaks OpenAI's wire on loopback, and the program: in this process, or in one of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from inspect import signature
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from dragoman.core.cli import program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEY = "key-of-this-test-only"
CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 2, "b": 3}'}}


@dataclass
class Server:
    """The model's name says what it does; `requests` keeps the bodies, `keys` the Authorization headers."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    #: What lets a stream of the model `slow` go on.
    go_on: threading.Event = field(default_factory=threading.Event)

    def message(self, request: dict[str, Any]) -> tuple[dict[str, Any], str]:
        last = request["messages"][-1]
        model = request["model"]
        if model == "loop" or (model == "tool" and last["role"] != "tool"):
            return {"content": None, "tool_calls": [CALL]}, "tool_calls"
        if model == "stranger" and last["role"] != "tool":
            function = {"name": "rm", "arguments": "{}"}
            return {"content": None, "tool_calls": [{**CALL, "function": function}]}, "tool_calls"
        if model == "think":
            return {"reasoning_content": "two and two", "content": "four"}, "stop"
        if model == "cut":
            return {"content": "once upon a"}, "length"
        if model == "escape":
            return {"content": "red \x1b[31malert"}, "stop"
        said = last["content"] if isinstance(last["content"], str) else json.dumps(last["content"])
        return {"content": f"You said: {said}"}, "stop"


class Handler(BaseHTTPRequestHandler):
    server: Any
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None: ...

    def do_GET(self) -> None:
        self.server.script.keys.append(self.headers.get("authorization"))
        self.reply(200, {"object": "list", "data": [{"id": "small"}, {"id": "large"}]})

    def do_POST(self) -> None:
        script: Server = self.server.script
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        script.keys.append(self.headers.get("authorization"))
        script.requests.append(request)
        if request["model"].startswith("status-"):
            message = f"no: {self.headers.get('authorization')}"
            self.reply(int(request["model"].removeprefix("status-")), {"error": {"message": message, "type": "t"}})
            return
        message, reason = script.message(request)
        if request.get("stream"):
            self.stream(request["model"], message, reason)
            return
        choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
        self.reply(200, {**self.head(request["model"], "chat.completion"), "choices": [choice]})

    def head(self, model: str, kind: str) -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": model}

    def reply(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.send_header("x-should-retry", "false")
        self.send_header("x-request-id", "req_1")
        self.end_headers()
        self.wfile.write(content)

    def stream(self, model: str, message: dict[str, Any], reason: str) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.event(model, {"role": "assistant", "content": None})
        for key in ("reasoning_content", "content"):
            for word in (message.get(key) or "").split():
                self.event(model, {key: f"{word} "})
                if model == "slow" and not self.server.script.go_on.wait(30):
                    return
        for index, call in enumerate(message.get("tool_calls") or ()):
            text = call["function"]["arguments"]
            start = {**call, "index": index, "function": {**call["function"], "arguments": text[:4]}}
            self.event(model, {"tool_calls": [start]})
            self.event(model, {"tool_calls": [{"index": index, "function": {"arguments": text[4:]}}]})
        if model == "broken":
            return
        self.event(model, {}, reason)
        self.wfile.write(b"data: [DONE]\n\n")

    def event(self, model: str, delta: dict[str, Any], reason: str | None = None) -> None:
        chunk = self.head(model, "chat.completion.chunk")
        chunk["choices"] = [{"index": 0, "delta": delta, "finish_reason": reason}]
        self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        self.wfile.flush()


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up is what some tests are about."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The server, and an environment that leads nowhere else."""
    with Quiet(("127.0.0.1", 0), Handler) as http:
        http.script = script = Server(f"http://127.0.0.1:{http.server_address[1]}/v1")  # type: ignore[attr-defined]  # the handler's
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield script
        script.go_on.set()
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder without `.env`, and an environment without keys but one."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in list(os.environ):
        if name.endswith(("_API_KEY", "_AUTH_TOKEN", "_BASE_URL", "_API_BASE")) or name.startswith("DRAGOMAN_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("DRAGOMAN_OFFLINE", "1")
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def run() -> Callable[..., Result]:
    """Run the program in this process: `run("chat", "-m", …, input="piped")`."""

    def run(*args: str, **more: Any) -> Result:
        # click 8.1 mixes the two outputs unless it is told not to; 8.2 has no such option.
        apart: dict[str, Any] = {"mix_stderr": False} if "mix_stderr" in signature(CliRunner).parameters else {}
        return CliRunner(**apart).invoke(program, args, **more)

    return run


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start the program in a process of its own, with pipes; `before` is Python code to run first."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*args: str, before: str = "", **options: Any) -> subprocess.Popen[bytes]:
        code = f"{before}\nimport runpy; runpy.run_module('dragoman', run_name='__main__', alter_sys=True)"
        command = [sys.executable, "-c", code, *args] if before else [sys.executable, "-m", "dragoman", *args]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        started.append(subprocess.Popen(command, **{**pipes, **options}))  # noqa: S603 (our own program)
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


class Listener:
    """A TCP server on loopback that answers each path with bytes, or with what a function does to the socket.

    `asked` are the request lines and headers as they came. A path that is not among the `answers` gets a 404.
    """

    def __init__(self, answers: dict[str, Any], host: str = "127.0.0.1", port: int = 0) -> None:
        self.answers = answers
        self.asked: list[str] = []
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @staticmethod
    def http(body: Any, status: int = 200, **headers: str) -> bytes:
        """An answer as bytes: JSON, or text as it is."""
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {status} Scripted\r\nContent-Length: {len(content)}\r\n{lines}\r\n".encode() + content

    @property
    def paths(self) -> list[str]:
        return [head.split()[1] for head in self.asked]

    def close(self) -> None:
        for connection in [self._socket, *self._open]:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as head:
            lines = [line.decode("latin-1") for line in takewhile(lambda line: line != b"\r\n", head)]
            if not lines[0].startswith("GET "):
                return
            self.asked.append("".join(lines))
            answer = self.answers.get(lines[0].split()[1])
            if callable(answer):
                answer(connection)
            else:
                connection.sendall(answer or self.http({"detail": "Not Found"}, 404))


@pytest.fixture
def listen() -> Iterator[Callable[..., Listener]]:
    """Make a `Listener` of its answers by path."""
    made: list[Listener] = []

    def listen(answers: dict[str, Any] | None = None, **options: Any) -> Listener:
        made.append(Listener(answers or {}, **options))
        return made[-1]

    listen.http = Listener.http  # type: ignore[attr-defined]  # so that tests need not import it
    yield listen
    for one in made:
        one.close()


def _models(*ids: str, owner: str) -> bytes:
    data = [{"id": name, "object": "model", "created": 1, "owned_by": owner} for name in ids]
    return Listener.http({"object": "list", "data": data})


_OPEN_MODEL = {"id": "qwen3-4b", "object": "model", "type": "llm", "arch": "qwen3", "state": "not-loaded"}
_UNEXPECTED = {"error": "Unexpected endpoint or method. (GET /)"}
_NEEDS_TOKEN = "An LM Studio API token is required to make requests to this server, but none was provided"
_SIGNED = {"Server": "llama.cpp"}
_LOADING = {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}


@pytest.fixture
def products() -> dict[str, dict[str, Any]]:
    """What each product answers to the paths that tell it apart, as its documentation says."""
    http = Listener.http
    loading = http(_LOADING, 503, **_SIGNED)
    return {
        "ollama": {
            "/": http("Ollama is running"),
            "/api/version": http({"version": "0.12.6"}),
            "/v1/models": _models("nomic-embed-text:latest", "llama3.2:1b", owner="library"),
        },
        "lmstudio": {
            # Every path answers 200 there.
            **dict.fromkeys(["/", "/version", "/health", "/props", "/health/liveliness"], http(_UNEXPECTED)),
            "/api/v0/models": http({"object": "list", "data": [_OPEN_MODEL]}),
            "/v1/models": _models("qwen3-4b", owner="organization_owner"),
        },
        "lmstudio locked": {
            "/v1/models": http({"error": {"message": _NEEDS_TOKEN, "code": "invalid_api_key"}}, 401),
        },
        "vllm": {
            "/version": http({"version": "0.11.0"}),
            "/v1/models": _models("Qwen/Qwen3-0.6B", owner="vllm"),
        },
        "vllm locked": {
            "/version": http({"version": "0.11.0"}),
            "/v1/models": http({"error": "Unauthorized"}, 401),
        },
        "llamacpp": {
            "/": http("<html>", **_SIGNED),
            "/health": http({"status": "ok"}, **_SIGNED),
            "/props": http({"default_generation_settings": {}, "build_info": "b8681-e1"}, **_SIGNED),
            "/v1/models": _models("demo", owner="llamacpp").replace(b"\r\n\r\n", b"\r\nServer: llama.cpp\r\n\r\n", 1),
        },
        "llamacpp loading": dict.fromkeys(["/", "/health", "/props", "/v1/models"], loading),
        "litellm": {
            "/": http("<html>"),
            "/health/liveliness": http("I'm alive!".join('""')),
            "/health/readiness": http({"status": "healthy", "litellm_version": "1.109.0"}),
            "/v1/models": _models("gpt-4o", "claude", owner="openai"),
        },
        "litellm locked": {
            "/health/liveliness": http("I'm alive!".join('""')),
            "/health/readiness": http({"status": "healthy", "db": "Not connected"}),
            "/v1/models": http("Internal Server Error", 500),
        },
        "unknown": {"/v1/models": _models("some/model", owner="sglang")},
        "web": {"/": http("<html>hello"), "/v1/models": http("<html>404", 404)},
    }
