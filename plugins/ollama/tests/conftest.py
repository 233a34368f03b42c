"""An environment that is nobody's, and calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core import Call, Json
from dragoman.core.policy import forget_warnings

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's settings do not count, and what is said once is said once in every test."""
    for name in ("OLLAMA_HOST", "OLLAMA_API_KEY", "DRAGOMAN_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    forget_warnings()


@pytest.fixture
def make_call() -> Callable[..., Call]:
    """A function that makes a call of chats."""

    def make(policy: Any = "raise", extra_body: Json | None = None, **chat: Any) -> Call:
        chat = {"model": "llama3.2", "messages": [{"role": "user", "content": "Hi"}], **chat}
        return Call(
            "ollama",
            chat["model"],
            chat,
            id="chatcmpl-1",
            created=1700000000,
            on_unsupported=policy,
            extra_body=extra_body or {},
        )

    return make
