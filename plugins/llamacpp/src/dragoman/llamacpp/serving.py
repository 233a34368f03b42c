"""The engine's own HTTP server, in a child process: for other wires, other languages, and tests."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from dragoman.llamacpp.options import EngineOptions
from dragoman.llamacpp.source import DEMO, EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHILD = "dragoman.llamacpp.standalone"


@contextmanager
def serve(model: str = DEMO, options: EngineOptions | None = None) -> Iterator[str]:
    """Run a server on a free loopback port until the block ends; the value is its address, without `/v1`.

    OpenAI's wire is below `/v1`, Anthropic's at `/v1/messages`. Raises `EngineError` if the model cannot
    be loaded. A child process, because an engine whose client still reads a stream cannot be closed, but
    a process can; it ends with this one, however that ends.
    """
    # -P: what lies in the current folder is not the standard library.
    command = [sys.executable, "-P", "-m", _CHILD, model, json.dumps(asdict(options or EngineOptions()))]
    child = subprocess.Popen(  # noqa: S603 (our own module, and no shell)
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    with child:
        try:
            yield _address(child)
        finally:
            child.kill()


def _address(child: subprocess.Popen[bytes]) -> str:
    said = json.loads((child.stdout.readline() if child.stdout else b"") or b"{}")
    if "address" in said:
        return str(said["address"])
    message = said.get("message", "The engine's process ended before it was ready.")
    raise EngineError(said.get("status", 500), message, code=said.get("code"))
