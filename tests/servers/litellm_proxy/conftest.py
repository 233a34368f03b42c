"""LiteLLM's real proxy, in front of the llama.cpp engine's server: `nox -s litellm_proxy` installs and names it."""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.llamacpp import EngineOptions, serve
from dragoman.llamacpp.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dragoman.core import Json


@dataclass
class Proxy:
    """Where the proxy is, and its key."""

    address: str
    key: str


class Cutter(threading.Thread):
    """A model server that begins each stream and breaks it off when it is told to."""

    CHUNK = (
        b'data: {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "cut", "choices": '
        b'[{"index": 0, "delta": {"role": "assistant", "content": "la "}, "finish_reason": null}]}\n\n'
    )

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"
        self.cut = threading.Semaphore(0)

    def run(self) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                client.recv(65536)
                # The proxy holds the first ones back.
                client.sendall(head + (b"%x\r\n%b\r\n" % (len(self.CHUNK), self.CHUNK)) * 10)
                self.cut.acquire(timeout=30)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.join(10)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def alias(name: str, model: str, address: str, key: str = "none-is-needed") -> Json:
    return {"model_name": name, "litellm_params": {"model": model, "api_base": address, "api_key": key}}


@pytest.fixture(scope="session")
def cutter() -> Iterator[Cutter]:
    cutter = Cutter()
    cutter.start()
    yield cutter
    cutter.close()


@pytest.fixture(scope="session")
def models(cutter: Cutter) -> Iterator[list[Json]]:
    """What the proxy serves: the engine by OpenAI's wire and by Anthropic's, and servers that fail."""
    door_key = secrets.token_urlsafe(24)
    locked = Engine("demo", EngineOptions(), door_key=door_key)
    with serve(options=EngineOptions(pooling="mean")) as engine:
        yield [
            alias("demo", "openai/demo", f"{engine}/v1"),
            alias("claude", "anthropic/demo", engine),
            alias("locked", "openai/demo", f"{locked.address}/v1", key="not-the-key-of-the-door"),
            alias("gone", "openai/demo", f"http://127.0.0.1:{free_port()}/v1"),
            alias("cut", "openai/demo", cutter.address),
        ]


@pytest.fixture(scope="session")
def proxy(models: list[Json], tmp_path_factory: Any, run_server: Callable[..., Any]) -> Iterator[Proxy]:
    """The running proxy. It knows one key, and has no database."""
    program = os.environ["DRAGOMAN_LITELLM"]
    folder = tmp_path_factory.mktemp("litellm")
    settings = {"model_list": models, "router_settings": {"num_retries": 0, "disable_cooldowns": True}}
    (folder / "proxy.yaml").write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
    key = f"sk-{secrets.token_urlsafe(32)}"
    env = {name: os.environ[name] for name in ("HOME", "LANG", "PATH", "SYSTEMROOT", "TMPDIR") if name in os.environ}
    env |= {
        "DISABLE_ADMIN_UI": "True",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MASTER_KEY": key,
        "LITELLM_TELEMETRY": "False",
        "PYTHONUNBUFFERED": "1",
    }
    place = ["--host", "127.0.0.1", "--port", str(free_port())]
    command = [program, "--config", "proxy.yaml", "--telemetry", "False", *place]
    with run_server(command, "Uvicorn running on ", cwd=folder, env=env) as address:
        yield Proxy(address, key)


def _cases(*cases: tuple[str, str]) -> list[Any]:
    return [
        pytest.param((provider, model, colour), id=f"{provider}-{model}-{colour}")
        for provider, model in cases
        for colour in ("sync", "async")
    ]


def _seat(request: pytest.FixtureRequest, take_seat: Callable[..., Any], proxy: Proxy) -> Any:
    provider, model, colour = request.param
    return take_seat(provider, colour, proxy.address, key=proxy.key, model=model, max_retries=0)


#: dragoman-litellm at the engine by both wires, and the anthropic class at the proxy's own Anthropic endpoint.
seat = pytest.fixture(
    _seat,
    scope="module",
    params=_cases(("litellm", "demo"), ("litellm", "claude"), ("anthropic", "claude"), ("anthropic", "demo")),
    name="seat",
)
litellm = pytest.fixture(
    _seat, scope="module", params=_cases(("litellm", "demo"), ("litellm", "claude")), name="litellm"
)
plain = pytest.fixture(_seat, scope="module", params=_cases(("litellm", "demo")), name="plain")
