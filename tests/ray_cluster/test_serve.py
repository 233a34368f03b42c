"""The gateway on Ray Serve, asked by the openai package."""

from __future__ import annotations

import signal
import socket
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import openai
import pytest

if find_spec("ray") is None:
    pytest.skip("needs Ray: nox -s ray", allow_module_level=True)

from cluster_lab import PROGRAMS, WAIT, Cluster, Program, tell
from server_lab import KEY

from dragoman.core.errors import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAME = "dragoman.server.ray:deployment"
CLIENT_KEY = "client-0123456789-0123456789"
HELLO = [{"role": "user", "content": "Hi!"}]


def write(folder: Path, base_url: str, *, key: str = KEY, keys: bool = True) -> Path:
    entry = f'base_url = "{base_url}"\napi_key = "{key}"\nmax_retries = 0\n'
    models = [f'[[models.{name}]]\nmodel = "openai/{name}"\n{entry}' for name in ("text", "busy", "silent", "wait")]
    client = ['[[server.keys]]\nname = "ci"\nkey = "env:CLIENT_KEY"\n'] if keys else []
    path = folder / "gateway.toml"
    path.write_text("\n".join([*models, *client]), "utf-8")
    return path


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Each test has Serve for itself. The clients' key is in the environment of the nodes."""
    made = Cluster(tmp_path_factory.mktemp("r"), cpus=4, CLIENT_KEY=CLIENT_KEY, DRAGOMAN_PLUGINS="server,openai")
    yield made
    assert made.close() == []


@pytest.fixture
def start(cluster: Cluster) -> Iterator[Callable[..., tuple[str, Program]]]:
    """`start(config, …)`: the address, and `serve run`."""
    programs: list[Program] = []

    def run(*arguments: str, host: str = "127.0.0.1") -> tuple[str, Program]:
        port = free_port()
        where = f"--address={cluster.address}"
        begun = Program(str(PROGRAMS / "serve"), "start", where, f"--http-host={host}", f"--http-port={port}")
        assert begun.wait() == 0, begun.said
        programs.append(Program(str(PROGRAMS / "serve"), "run", where, NAME, *arguments))
        return f"http://127.0.0.1:{port}/v1", programs[-1]

    yield run
    for program in programs:
        program.kill()


def client_of(url: str, key: str = CLIENT_KEY) -> openai.OpenAI:
    return openai.OpenAI(base_url=url, api_key=key, max_retries=0, timeout=WAIT)


def text_of(chunks: list[Any]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_it_answers_as_dragoman_serve_does(start: Any, provider: Any, tmp_path: Path) -> None:
    url, program = start(f"config={write(tmp_path, provider.url)}", "num_replicas=2")
    program.until("is ready at")
    with client_of(url) as client:
        answer = client.chat.completions.create(model="text", messages=HELLO)
        assert (answer.choices[0].message.content, answer.usage.total_tokens) == ("Hello!", 8)
        chunks = list(client.chat.completions.create(model="text", messages=HELLO, stream=True))
        assert text_of(chunks) == "Hello!"
        assert "text" in [model.id for model in client.models.list()]
        check_refusals(client, url)
        assert all(seen.headers["authorization"] == f"Bearer {KEY}" for seen in provider.seen)

        leaver = client.chat.completions.create(model="silent", messages=HELLO, stream=True)
        assert next(leaver).choices
        leaver.close()
        assert provider.seen[-1].closed.wait(WAIT)
    # Both replicas answer, each of which counts for itself.
    until_two_have_answered(url)
    program.send(signal.SIGINT)
    assert program.wait() == 0
    tell(program.said)


def check_refusals(client: openai.OpenAI, url: str) -> None:
    with pytest.raises(openai.RateLimitError) as busy:
        client.chat.completions.create(model="busy", messages=HELLO)
    assert busy.value.response.headers["retry-after"] == "7"
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="anthropic/claude-sonnet-4-5", messages=HELLO)
    assert unknown.value.code == "model_not_found"
    assert "dragoman-anthropic" in unknown.value.message
    with client_of(url, "not-a-key-of-this-server") as stranger, pytest.raises(openai.AuthenticationError):
        stranger.chat.completions.create(model="text", messages=HELLO)


def until_two_have_answered(url: str) -> None:
    """Until the metrics of two replicas were seen, each of which counts its own requests."""
    headers = {"authorization": f"Bearer {CLIENT_KEY}"}
    pages: set[str] = set()
    until = time.monotonic() + WAIT
    while len(pages) < 2:
        assert time.monotonic() < until, pages
        answer = httpx.get(f"{url.removesuffix('/v1')}/metrics", headers=headers, timeout=WAIT, trust_env=False)
        pages.add("\n".join(line for line in answer.text.splitlines() if line.startswith("dragoman_requests_total")))


def test_without_keys_it_serves_this_machine_only(start: Any, provider: Any, tmp_path: Path) -> None:
    path = write(tmp_path, provider.url, keys=False)
    _, refused = start(f"config={path}", host="0.0.0.0")  # noqa: S104 (it is refused)
    refused.until("no keys are configured")
    refused.wait()
    assert "is ready at" not in refused.said
    url, program = start(f"config={path}")
    program.until("is ready at")
    with client_of(url, "none") as client:
        assert client.chat.completions.create(model="text", messages=HELLO).usage is not None


def test_it_drains_and_is_redeployed(start: Any, provider: Any, tmp_path: Path) -> None:
    url, program = start(f"config={write(tmp_path, provider.url)}", f"graceful_shutdown_timeout_s={WAIT}")
    program.until("is ready at")
    with client_of(url) as client:
        stream = client.chat.completions.create(model="wait", messages=HELLO, stream=True)
        said = [next(stream)]
        write(tmp_path, provider.url, key="sk-another-0123456789")
        again = program.again()
        # What the old replica has begun is still under way when the new one answers.
        while provider.seen[-1].headers["authorization"] != "Bearer sk-another-0123456789":
            client.chat.completions.create(model="text", messages=HELLO)
        provider.release.set()
        assert text_of([*said, *stream]) == "Hello!"

        again.until("is ready at")
        provider.release.clear()
        stream = client.chat.completions.create(model="wait", messages=HELLO, stream=True)
        said = [next(stream)]
        again.send(signal.SIGINT)
        again.until("shutting down")
        provider.release.set()
        assert text_of([*said, *stream]) == "Hello!"
    assert again.wait() == 0
