"""An endpoint that nobody wrote a plugin for: the engine's own server, which is one to core alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from dragoman.core import Client, CompatibleProvider

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SAYS = "This is the rehearsal model: it follows a script and knows nothing. You said: Hi"

PROGRAM = """
import asyncio, json, sys
from dragoman.core import AsyncClient, Client
from dragoman.core.plugins import plugins

messages = [{"role": "user", "content": "Hi"}]
found = {"usable": [name for name in plugins().providers() if plugins().has(name)]}
with Client(base_url=sys.argv[1]) as client:
    found["text"] = client.chat.completions.create(model="org/demo", messages=messages).choices[0].message.content
    stream = client.chat.completions.create(model="demo", messages=messages, stream=True)
    found["stream"] = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    found["models"] = [model.id for model in client.models.list().data]
    found["vector"] = len(client.embeddings.create(model="demo", input="x").data[0].embedding)

async def main():
    async with AsyncClient(base_url=sys.argv[1]) as client:
        answer = await client.chat.completions.create(model="demo", messages=messages)
        found["async"] = answer.choices[0].message.content

asyncio.run(main())
print(json.dumps(found))
"""


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python in a process where no plugin is installed, in an empty folder."""

    def run(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", *args]
        return subprocess.run(  # noqa: S603 (our own code)
            command,
            env={**os.environ, "DRAGOMAN_PLUGINS": "", **env},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )

    return run


@pytest.mark.parametrize("form", ["{}", "{}/", "{}/v1", "{}/v1/"])
def test_core_alone(run: Any, address: str, form: str) -> None:
    done = run("-c", PROGRAM, form.format(address))
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "usable": [],
        "text": SAYS,
        "stream": SAYS,
        "models": ["demo"],
        "vector": 128,
        "async": SAYS,
    }


def test_the_address_from_the_environment(run: Any, address: str) -> None:
    done = run("-m", "dragoman", "chat", "-m", "demo", "Hi", OPENAI_BASE_URL=f"{address}/v1")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{SAYS}\n", "")


@pytest.mark.parametrize("more", [(), ("--no-stream",)])
def test_on_the_command_line(run: Any, address: str, more: tuple[str, ...]) -> None:
    done = run("-m", "dragoman", "chat", "--base-url", f"{address}/v1", "-m", "demo", *more, "Hi")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{SAYS}\n", "")


def test_on_the_command_line_as_json(run: Any, address: str) -> None:
    done = run("-m", "dragoman", "chat", "--base-url", address, "-m", "org/demo", "--json", "Hi")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["choices"][0]["message"]["content"] == SAYS


def test_its_errors_on_the_command_line(run: Any, address: str) -> None:
    done = run("-m", "dragoman", "chat", "--base-url", address, "-m", "demo", "x" * 9000)
    assert (done.returncode, done.stdout) == (5, "")
    assert "exceeds the available context size" in done.stderr
    assert len(done.stderr.splitlines()) == 1


class Acme(CompatibleProvider):
    """A server of one's own, in ten lines."""

    name = "acme"
    base_url = "http://127.0.0.1:8080/v1"
    base_url_env: ClassVar = ("ACME_BASE_URL",)
    key_env: ClassVar = ("ACME_API_KEY",)
    absent: ClassVar = {"store": "Acme stores nothing"}
    renamed: ClassVar = {"max_completion_tokens": "max_tokens"}


def test_a_class_of_ten_lines(address: str, monkeypatch: pytest.MonkeyPatch, weather: Any) -> None:
    monkeypatch.setenv("ACME_BASE_URL", address.removeprefix("http://"))
    with Client(providers=[Acme()]) as client:
        create = client.chat.completions.create
        messages: Any = [{"role": "user", "content": "What is the weather in Oslo and Bergen?"}]
        message: Any = create(model="acme/demo", messages=messages, tools=[weather]).choices[0].message
        assert message.content is None
        results = [{"role": "tool", "tool_call_id": call.id, "content": "rain"} for call in message.tool_calls]
        history = [*messages, message.model_dump(exclude_none=True), *results]
        answer = create(model="acme/demo", messages=history, tools=[weather], max_completion_tokens=11)
        assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("The tools a", "length")
        with client.chat.completions.stream(model="acme/demo", messages=history, tools=[weather]) as stream:
            final = stream.get_final_completion()
        assert final.choices[0].message.content == "The tools answered: rain | rain"
