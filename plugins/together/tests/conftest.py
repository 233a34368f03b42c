"""A server on loopback that answers as it is told, and calls without a network."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core import Call
from dragoman.core.policy import forget_warnings
from dragoman.testing import FakeVendor, Scripted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TOGETHER_")]:
        monkeypatch.delenv(name)
    forget_warnings()


@pytest.fixture
def server() -> Iterator[FakeVendor]:
    """A server in Together's place."""
    with FakeVendor(Scripted.json({})) as vendor:
        yield vendor


@pytest.fixture
def make_call() -> Callable[..., Call]:
    """Make a call; its provider has a name of its own, so that what is warned of once is warned of in every test."""

    def make(policy: Any = "raise", endpoint: str = "chat/completions", method: str = "POST", **request: Any) -> Call:
        if endpoint == "chat/completions":
            request.setdefault("messages", [{"role": "user", "content": "Hello"}])
        body = {"model": "openai/gpt-oss-20b", **request}
        name = f"together{next(_numbers)}"
        return Call(name, body["model"], body, endpoint, method, id="call-1", created=7, on_unsupported=policy)

    return make
