"""A server that speaks OpenAI's wire on loopback, and the program: in this process, or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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
        return CliRunner().invoke(program, args, **more)

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
