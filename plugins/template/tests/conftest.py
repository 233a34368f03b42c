"""`dragoman new` as people run it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from pathlib import Path


class Run(Protocol):
    """Runs Python modules in processes of their own, in a folder, with nothing to read."""

    def __call__(self, *args: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture(scope="session")
def run() -> Run:
    def run(*args: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *args]
        return subprocess.run(  # noqa: S603 (what the tests say)
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )

    return run
