from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dragoman.core.cli import program

sys.path.insert(0, str(Path(__file__).parent))

from batch_lab import Served, Vendor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    """A provider that this process reaches as its OpenAI."""
    with Served(Vendor()) as vendor:
        monkeypatch.setenv("OPENAI_BASE_URL", vendor.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        yield vendor


@dataclass
class Said:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run `dragoman batch …` in this process, in the test's folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Said:
        with pytest.raises(SystemExit) as ended:
            program.main(["batch", *arguments])
        return Said(int(ended.value.code or 0), *capsys.readouterr())

    return run
