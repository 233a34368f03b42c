"""`dragoman serve` in a process, and node with the `openai` package."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
#: Read before the tests' own environment is made, which has none of dragoman's variables.
FOLDER = os.environ.get("DRAGOMAN_NODE")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    command = [sys.executable, "-m", "dragoman", "serve", "--port", "0"]
    env = {**os.environ, "DRAGOMAN_OFFLINE": "1"}
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as server:  # noqa: S603 (ours)
        assert server.stderr is not None
        yield json.loads(server.stderr.readline())["url"]
        server.terminate()
        server.stderr.read()


@pytest.fixture(scope="module")
def node() -> tuple[str, str]:
    """The program, and a folder beside whose `node_modules` scripts run."""
    program = shutil.which("node")
    if program is None or not FOLDER:
        pytest.skip("needs node and its openai package: nox -s server_clients")
    shutil.copy(HERE / "client.mjs", FOLDER)
    return program, FOLDER
