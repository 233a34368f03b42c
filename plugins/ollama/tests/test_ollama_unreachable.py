"""What the caller hears where no server answers."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import openai
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def nobody() -> str:
    """An address on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("openai_endpoint", [False, True])
def test_no_server(asker: Callable[..., Any], nobody: str, openai_endpoint: bool) -> None:
    one = asker(base_url=f"http://ann:secret@{nobody}", openai_endpoint=openai_endpoint)
    with pytest.raises(openai.APIConnectionError) as caught:
        one.create()
    said = str(caught.value)
    assert said.startswith(f"no ollama answers at http://{nobody} (")
    assert said.endswith("start it with `ollama serve`, or set OLLAMA_HOST")
    assert "secret" not in said
    assert caught.value.__cause__ is not None
    _, error = one.stream()
    assert str(error) == said


def test_another_failure_keeps_its_own_words(asker: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_OFFLINE", "1")
    with pytest.raises(openai.APIConnectionError, match=r"DRAGOMAN_OFFLINE is set and ollama\.com is not"):
        asker(base_url="https://ollama.com").create()
