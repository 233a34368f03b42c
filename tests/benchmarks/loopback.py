"""Starts the loopback provider: the one in C where there is a compiler, else one in Python, with the same answers."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import canned

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SOURCE = Path(__file__).with_name("loopback.c")


@contextmanager
def provider(lengths: Iterable[int] = (), *, compiler: str | None = "gcc") -> Iterator[int]:
    """Serve the canned answers in a process of its own; gives the port."""
    with tempfile.TemporaryDirectory(prefix="dragoman-bench-") as temporary:
        folder = Path(temporary)
        canned.write(folder, lengths)
        command = [*_program(folder, compiler), str(folder)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 (ours)
            pin(0, process.pid)
            assert process.stdout is not None
            assert process.stdin is not None
            try:
                yield int(process.stdout.readline())
            finally:
                process.stdin.close()


def pin(place: int, process: int = 0) -> None:
    """Keep a process (0: this one) on one processor, where the system can: 0 is the first, -1 the last."""
    if hasattr(os, "sched_setaffinity"):
        usable = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(process, {usable[place]})


def _program(folder: Path, compiler: str | None) -> list[str]:
    if compiler is None or not (found := shutil.which(compiler)) or not sys.platform.startswith("linux"):
        return [sys.executable, __file__]
    program = folder / "loopback"
    subprocess.run([found, "-O2", "-o", str(program), str(_SOURCE)], check=True)  # noqa: S603 (the compiler, our source)
    return [str(program)]


class _Link(asyncio.Protocol):
    """One connection; the rules are those of `loopback.c`."""

    def __init__(self, answers: list[tuple[str, str, bool, bytes]]) -> None:
        self._answers = answers
        self._in = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._out = transport

    def data_received(self, data: bytes) -> None:
        self._in += data
        while (end := self._in.find(b"\r\n\r\n")) >= 0:
            head = self._in[:end].decode("latin-1")
            length = re.search(r"(?i)\ncontent-length: *(\d+)", head)
            size = end + 4 + (int(length[1]) if length else 0)
            if len(self._in) < size:
                return
            self._out.write(self._answer(head.split(" ", 2)[1].partition("?")[0], bytes(self._in[end + 4 : size])))
            del self._in[:size]

    def _answer(self, path: str, body: bytes) -> bytes:
        found = re.search(rb'"model": ?"([^"]*)"', body)
        model = found[1].decode() if found else ""
        streamed = re.search(rb'"stream": ?true', body) is not None
        for tail, name, stream, content in self._answers:
            if path.endswith(tail) and name == model and stream is streamed:
                return content
        sys.stderr.write(f"no answer for {path}, model {model}, stream {streamed}\n")
        return b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}"


def _answers(folder: Path) -> list[tuple[str, str, bool, bytes]]:
    lines = (folder / "index").read_text("utf-8").splitlines()
    rows = [line.split("\t") for line in lines]
    return [(tail, model, stream == "1", (folder / name).read_bytes()) for tail, model, stream, name in rows]


@contextmanager
def counting(link: type[_Link]) -> Iterator[int]:
    """Serve the canned answers in a thread of this process, through a `_Link` that counts; gives the port."""
    with tempfile.TemporaryDirectory(prefix="dragoman-bench-") as temporary:
        canned.write(Path(temporary), ())
        answers = _answers(Path(temporary))
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(lambda: link(answers), "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _serve(folder: Path) -> None:
    answers = _answers(folder)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Link(answers), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 (whoever started us waits for it)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
