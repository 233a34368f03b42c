"""A desk for trying suites on: the good provider, its tapes, and a run of pytest inside the test."""

from __future__ import annotations

import json
import shutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

import dragoman.core.client
import dragoman.core.tapes  # noqa: F401 (what an inner run of pytest imports first, each of them would import anew)

pytest_plugins = ["pytester"]

# httpx imports its lower half at the first request, and knows no exceptions but those of that import.
for _name in ("httpcore", "httpcore2"):
    if find_spec(_name):
        import_module(_name)

ACME = Path(__file__).parent / "acme"
FILE = """
from acme_llm import *
from acme_senders import *
from dragoman.testing import ProviderSuite

class Tried(Acme):
{}

class TestAcme(ProviderSuite):
    provider = Tried
    history = "turns"
"""


class Desk:
    """A folder with the provider, its tapes and a test file."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        shutil.copytree(ACME, pytester.path, dirs_exist_ok=True)
        pytester.syspathinsert()

    def write(self, code: str = "pass", suite: str = "pass") -> None:
        text = FILE.format(indent(dedent(code), "    "))
        (self.pytester.path / "test_acme.py").write_text(text + indent(suite, "    ") + "\n", "utf-8")

    def tape(self, name: str) -> Any:
        return json.loads(self.path(name).read_text("utf-8"))

    def path(self, name: str) -> Path:
        return self.pytester.path / "tapes" / f"{name}.json"

    def run(self, *args: str) -> tuple[dict[str, int], str]:
        """How many passed, failed, …, and what was printed."""
        result = self.pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-rsx", *args)
        return result.parseoutcomes(), result.stdout.str() + result.stderr.str()


@pytest.fixture
def desk(pytester: pytest.Pytester) -> Desk:
    return Desk(pytester)


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is waited for in vain need not be waited for long."""
    monkeypatch.setattr("dragoman.testing.network.PATIENCE", 1)
    monkeypatch.setattr("dragoman.testing.vendor._Handler.timeout", 1)
