"""A provider on loopback that does what a test says, files of requests, and runs in processes of their own."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import re
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    Answer = tuple[int, dict[str, str], Any]


Json = dict[str, Any]


def completion(text: str = "yes") -> Json:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }


async def usual(body: Json) -> Answer:
    return 200, {}, completion(body["messages"][-1]["content"])


@dataclass
class Vendor:
    """Answers in OpenAI's words. `asked` counts what users said last, `most` how many were open at once."""

    answer: Callable[[Json], Awaitable[Answer]] = usual
    asked: Counter[str] = field(default_factory=Counter)
    heads: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    open: int = 0
    most: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, ready: Callable[[int], None]) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**20)
        ready(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = re.search(r"(?i)content-length: *(\d+)", head)
                body = json.loads(await reader.readexactly(int(length[1])) if length else b"{}")
                writer.write(await self._reply(head, body))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _reply(self, head: str, body: Json) -> bytes:
        self.heads.append(head)
        said = body["messages"][-1]["content"] if body.get("messages") else str(body.get("input"))
        self.asked[said] += 1
        self.times.append(asyncio.get_running_loop().time())
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            status, headers, answer = await self.answer(body)
        finally:
            self.open -= 1
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        kind = "content-type: application/json\r\n"
        return f"HTTP/1.1 {status} X\r\n{kind}{lines}content-length: {len(content)}\r\n\r\n".encode() + content


class Served:
    """Serves a vendor in a thread."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._task = self._loop.create_task(self.vendor.serve(self._note))
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            others = asyncio.all_tasks(self._loop)
            for task in others:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*others, return_exceptions=True))
        finally:
            self._loop.close()

    def _note(self, port: int) -> None:
        self.vendor.port = port
        self._ready.set()

    def __enter__(self) -> Vendor:
        self._thread.start()
        assert self._ready.wait(30)
        return self.vendor

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(30)


def request(number: int, **more: Any) -> Json:
    body = {"model": "m", "messages": [{"role": "user", "content": f"question {number}"}]}
    return {"custom_id": f"r{number}", "method": "POST", "url": "/v1/chat/completions", "body": body, **more}


def write(path: Path, lines: Iterable[Any]) -> Path:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines), "utf-8")
    return path


def read(path: Path) -> list[Json]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def ids(path: Path) -> list[str]:
    return [line["custom_id"] for line in read(path)]


def environment(vendor: Vendor, **more: str) -> dict[str, str]:
    """The provider is reached through the environment, as users do it."""
    own = {"OPENAI_BASE_URL": vendor.url, "OPENAI_API_KEY": "sk-test", **more}
    return {**{name: value for name, value in os.environ.items() if not name.startswith("DRAGOMAN_")}, **own}


def program() -> list[str]:
    return [sys.executable, "-m", "dragoman", "batch"]


def run_program(arguments: tuple[str, ...], folder: str, env: dict[str, str]) -> None:
    """The program, in a process that was forked from one with everything imported."""
    from dragoman.core.cli import main

    os.environ.update(env)
    os.chdir(folder)
    sys.argv = ["dragoman", "batch", *arguments]
    with Path("said").open("w", encoding="utf-8") as said:
        os.dup2(said.fileno(), 2)
        main()


def start(vendor: Vendor, *arguments: str, cwd: Path, **env: str) -> Any:
    """Start the program; what it says on stderr is in the file "said"."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["dragoman.batch.files", "dragoman.batch.local", "openai", "aiohttp"])
    own = environment(vendor, **env)
    process = context.Process(target=run_program, args=(arguments, str(cwd), own), daemon=True)
    process.start()
    return process


def end(process: Any) -> int:
    """Wait for the program's end, and return its exit code."""
    process.join(120)
    code = process.exitcode
    assert code is not None, "it did not end"
    return code
