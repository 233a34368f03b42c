"""`dragoman serve` as a process of its own: signals, workers, the log, and curl."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from server_lab import KEY, ask, connected, events, request_bytes

from dragoman.core.errors import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WAIT = 60
pytestmark = pytest.mark.skipif(
    os.name == "nt", reason="Windows has neither SIGHUP nor SIGTERM for a process like this"
)


class Program:
    """`dragoman serve`, its address, and the lines of its log."""

    def __init__(self, *arguments: str, folder: Path | None = None, **environment: str) -> None:
        env = {**os.environ, "DRAGOMAN_PLUGINS": "server", **environment}
        command = [sys.executable, "-m", "dragoman", "serve", "--port", "0", *arguments]
        self.process = subprocess.Popen(command, env=env, cwd=folder, stderr=subprocess.PIPE, text=True)  # noqa: S603 (ours)
        self.lines: list[dict[str, Any]] = []
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as log:
            for line in log:
                with self._more:
                    self.lines.append(json.loads(line) if line.startswith("{") else {"event": "text", "text": line})
                    self._more.notify_all()
        with self._more:
            self.lines.append({"event": "end"})
            self._more.notify_all()

    def line(self, event: str, count: int = 1) -> dict[str, Any]:
        """Wait for the log's line of an event, the `count`th of them."""
        with self._more:
            found: list[dict[str, Any]] = []
            while len(found) < count:
                found = [line for line in self.lines if line["event"] == event]
                if len(found) < count:
                    assert not any(line["event"] == "end" for line in self.lines), self.lines
                    assert self._more.wait(WAIT), self.lines
            return found[count - 1]

    @property
    def port(self) -> int:
        return int(self.line("serving")["url"].rpartition(":")[2].partition("/")[0])

    def post(self, body: Any) -> Any:
        url = f"http://127.0.0.1:{self.port}/v1/chat/completions"
        return httpx.post(url, json=body, timeout=WAIT, trust_env=False)

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(WAIT)
        self._reader.join()
        return code


@pytest.fixture
def start(provider: Any, tmp_path: Path) -> Iterator[Callable[..., Program]]:
    running: list[Program] = []

    def run(*arguments: str, table: str = "", base_url: str = "", key: str = KEY, **more: Any) -> Program:
        write(tmp_path, base_url or provider.url, table, key)
        running.append(Program("--config", str(tmp_path / "dragoman.toml"), *arguments, **more))
        return running[-1]

    yield run
    provider.release.set()
    for program in running:
        if program.process.poll() is None:
            program.process.kill()
            program.process.wait()
        # Its workers hold the log open until they have ended too.
        program._reader.join()


def write(folder: Path, base_url: str, table: str = "", key: str = KEY) -> None:
    text = f'max_retries = 0\n[providers.openai]\nbase_url = "{base_url}"\napi_key = "{key}"\n[server]\n{table}\n'
    (folder / "dragoman.toml").write_text(text, "utf-8")


def test_it_says_where_it_is_and_logs_no_prompt(start: Any) -> None:
    program = start()
    assert program.post(ask("text")).status_code == 200
    line = program.line("request")
    assert (line["model"], line["provider"], line["status"], line["prompt_tokens"]) == ("text", "openai", 200, 5)
    assert line["request_id"].startswith("req_")
    assert program.post(ask("unknown-key")).status_code == 401
    assert program.line("request", 2)["error"] == {"kind": "AuthenticationError", "code": "invalid_api_key"}
    assert program.end() == -signal.SIGTERM
    told = json.dumps(program.lines)
    assert "secret-prompt" not in told
    assert KEY not in told


def test_prompts_are_logged_where_that_is_asked_for(start: Any) -> None:
    program = start(table="log_prompts = true")
    program.post(ask("text"))
    assert "secret-prompt" in json.dumps(program.line("request")["request"])


def test_curl_and_a_model_that_nobody_serves(start: Any) -> None:
    if (curl := shutil.which("curl")) is None:
        pytest.skip("curl is not installed")
    program = start()
    url = f"http://127.0.0.1:{program.port}/v1/chat/completions"
    asked = [
        curl,
        "--silent",
        "--show-error",
        "--no-buffer",
        "--noproxy",
        "*",
        url,
        "--data",
        json.dumps(ask("text", stream=True)),
    ]
    run = subprocess.run(asked, capture_output=True, check=True)  # noqa: S603 (curl, at our own server)
    assert run.stdout == b"".join(events(usage=False))


def test_a_model_that_nobody_serves_names_the_package(tmp_path: Path) -> None:
    program = Program()
    try:
        answer = program.post(ask("anthropic/claude-sonnet-4-5"))
        assert answer.status_code == 404
        error = answer.json()["error"]
        assert (error["code"], error["param"]) == ("model_not_found", "model")
        assert "dragoman-anthropic" in error["message"]
    finally:
        program.end()


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_lets_streams_end(start: Any, provider: Any, workers: int) -> None:
    program = start("--workers", str(workers))
    with connected(program.port) as client:
        client.sendall(request_bytes(ask("wait", stream=True), program.port))
        assert provider.arrived.acquire(timeout=WAIT)
        found = client.recv(65536)
        program.process.send_signal(signal.SIGTERM)
        # It no longer takes connections, and the stream goes on.
        until_refused(program.port)
        provider.release.set()
        while part := client.recv(65536):
            found += part
    assert b"[DONE]" in found
    assert b"error" not in found
    program.process.wait(WAIT)


def test_streams_that_do_not_end_are_ended_and_say_so(start: Any, provider: Any) -> None:
    program = start(table="drain_seconds = 1")
    with connected(program.port) as client:
        client.sendall(request_bytes(ask("silent", stream=True), program.port))
        assert provider.arrived.acquire(timeout=WAIT)
        found = client.recv(65536)
        program.process.send_signal(signal.SIGTERM)
        while part := client.recv(65536):
            found += part
    assert b"shutting_down" in found
    assert b"[DONE]" not in found
    assert provider.seen[0].closed.wait(WAIT)
    program.process.wait(WAIT)


@pytest.mark.parametrize("workers", [1, 2])
def test_sighup_reads_the_configuration_and_keeps_streams(
    start: Any, provider: Any, tmp_path: Path, workers: int
) -> None:
    program = start("--workers", str(workers))
    with connected(program.port) as client:
        client.sendall(request_bytes(ask("wait", stream=True), program.port))
        assert provider.arrived.acquire(timeout=WAIT)
        write(tmp_path, provider.url, key="sk-another-0123456789")
        program.process.send_signal(signal.SIGHUP)
        program.line("reloaded", workers)
        assert program.post(ask("text")).status_code == 200
        assert provider.seen[-1].headers["authorization"] == "Bearer sk-another-0123456789"
        (tmp_path / "dragoman.toml").write_text("[server]\nport = ", "utf-8")
        program.process.send_signal(signal.SIGHUP)
        failed = program.line("reload failed: the configuration in force stays", workers)
        assert "dragoman.toml" in failed["error"]
        assert program.post(ask("text")).status_code == 200
        assert provider.seen[-1].headers["authorization"] == "Bearer sk-another-0123456789"
        provider.release.set()
        found = b""
        while b"[DONE]" not in found:
            found += client.recv(65536)
    assert program.end() in {0, -signal.SIGTERM}


def test_reloading_changes_whether_prompts_are_logged(start: Any, provider: Any, tmp_path: Path) -> None:
    models = '[[models.spare]]\nmodel = "openai/quotes"\n[[models.spare]]\nmodel = "openai/text"'
    program = start(table=f"log_prompts = true\n{models}")
    assert program.post(ask("spare")).status_code == 200
    told = program.line("warning")["message"]
    assert "secret-prompt" in told
    assert KEY not in told
    write(tmp_path, provider.url, f"log_prompts = false\n{models}")
    program.process.send_signal(signal.SIGHUP)
    program.line("reloaded")
    assert program.post(ask("spare")).status_code == 200
    told = program.line("warning", 2)["message"]
    assert "failed: InternalServerError; going on with" in told
    assert "secret-prompt" not in told


@pytest.mark.parametrize("workers", [1, 2])
def test_sighup_reads_dotenv_anew(start: Any, provider: Any, tmp_path: Path, workers: int) -> None:
    first, second = "sk-first-0123456789", "sk-second-0123456789"
    (tmp_path / ".env").write_text(f"GATEWAY_TEST_KEY={first}\n", "utf-8")
    program = start("--workers", str(workers), key="env:GATEWAY_TEST_KEY", folder=tmp_path)
    assert program.post(ask("text")).status_code == 200
    assert provider.seen[-1].headers["authorization"] == f"Bearer {first}"
    (tmp_path / ".env").write_text(f"GATEWAY_TEST_KEY={second}\nnonsense\n", "utf-8")
    program.process.send_signal(signal.SIGHUP)
    program.line("reloaded", workers)
    assert program.post(ask("text")).status_code == 200
    assert provider.seen[-1].headers["authorization"] == f"Bearer {second}"
    program.line("line 2 of .env is not NAME=value; it is left out", workers)


def test_workers_count_together(start: Any) -> None:
    program = start("--workers", "2")
    for _ in range(6):
        assert program.post(ask("text")).status_code == 200
    wanted = 'dragoman_requests_total{endpoint="chat/completions",model="text",provider="openai",status="200"} 6.0'
    until = time.monotonic() + WAIT
    page = ""
    while wanted not in page:
        assert time.monotonic() < until, page
        page = httpx.get(f"http://127.0.0.1:{program.port}/metrics", trust_env=False, timeout=WAIT).text


@pytest.mark.parametrize(
    ("arguments", "table", "said"),
    [
        (["--host", "0.0.0.0"], "", "no keys are configured"),  # noqa: S104 (it is refused)
        ([], "prot = 1", "server.prot: is unknown"),
        ([], "port = ", "is not TOML"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(tmp_path: Path, arguments: list[str], table: str, said: str) -> None:
    write(tmp_path, "http://127.0.0.1:1/v1", table)
    program = Program("--config", str(tmp_path / "dragoman.toml"), *arguments)
    assert program.process.wait(WAIT) == 2
    program._reader.join()
    told = [line["text"] for line in program.lines if line["event"] == "text"]
    assert len(told) == 1
    assert said in told[0]


def test_an_address_that_is_taken(provider: Any) -> None:
    port = provider.server_address[1]
    program = Program("--port", str(port))
    assert program.process.wait(WAIT) == 2
    program._reader.join()
    assert f"cannot listen on 127.0.0.1:{port}" in program.lines[0]["text"]


def until_refused(port: int) -> None:
    while True:
        try:
            with connected(port) as client:
                client.sendall(b"GET /health/liveness HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                if not client.recv(100):
                    return
        except OSError:
            return
        time.sleep(0.02)
