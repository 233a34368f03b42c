"""What the caller hears where no server answers."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import openai
import pytest

from dragoman.core import AsyncClient, Client
from dragoman.ollama import Ollama

ASKED: Any = {"model": "ollama/llama3.2", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
def nobody() -> str:
    """An address on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def ask(provider: Ollama, *, stream: bool) -> None:
    with Client(providers=[provider], max_retries=0) as client:
        client.chat.completions.create(**ASKED, stream=stream)


def ask_asynchronously(provider: Ollama, *, stream: bool) -> None:
    async def run() -> None:
        async with AsyncClient(providers=[provider], max_retries=0) as client:
            await client.chat.completions.create(**ASKED, stream=stream)

    asyncio.run(run())


@pytest.mark.parametrize("asker", [ask, ask_asynchronously])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("openai_endpoint", [False, True])
def test_no_server(asker: Any, nobody: str, openai_endpoint: bool, stream: bool) -> None:
    provider = Ollama(base_url=f"http://ann:secret@{nobody}", openai_endpoint=openai_endpoint)
    with pytest.raises(openai.APIConnectionError) as caught:
        asker(provider, stream=stream)
    said = str(caught.value)
    assert said.startswith(f"no ollama answers at http://{nobody} (")
    assert said.endswith("start it with `ollama serve`, or set OLLAMA_HOST")
    assert "secret" not in said
    assert caught.value.__cause__ is not None


def test_another_failure_keeps_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_OFFLINE", "1")
    with pytest.raises(openai.APIConnectionError, match=r"DRAGOMAN_OFFLINE is set and ollama\.com is not"):
        ask(Ollama(base_url="https://ollama.com"), stream=False)
