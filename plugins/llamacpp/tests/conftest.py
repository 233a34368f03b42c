"""The real engine, with the rehearsal model, for all tests of this folder."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core import Call, Event, Json, Reply, Sender
from dragoman.llamacpp import LlamaCpp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@pytest.fixture(scope="session", autouse=True)
def _own_places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The model is built in a folder of the tests, and the developer's settings do not count."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        for name in ("LLAMACPP_API_BASE", "DRAGOMAN_OFFLINE", "HF_TOKEN"):
            patch.delenv(name, raising=False)
        yield


@dataclass
class Desk:
    """A provider with its sender: calls in, OpenAI's JSON out."""

    provider: LlamaCpp
    sender: Sender = field(init=False)

    def __post_init__(self) -> None:
        sender = self.provider.sender()
        assert sender is not None
        self.sender = sender

    def call(self, said: str | list[Json] = "Hello", **params: Any) -> Call:
        messages = [{"role": "user", "content": said}] if isinstance(said, str) else said
        model = params.pop("model", "demo")
        policy = params.pop("on_unsupported", "raise")
        request = {"model": model, "messages": messages, **params}
        return Call("llamacpp", model, request, id="chatcmpl-1", created=1, on_unsupported=policy)

    def send(self, call: Call) -> Reply:
        return self.sender.send(call, self.provider.encode(call))

    def ask(self, said: str | list[Json] = "Hello", **params: Any) -> Json:
        call = self.call(said, **params)
        reply = self.send(call)
        body = json.loads(reply.content)
        assert reply.status == 200, body
        return self.provider.decode(call, body)

    def fail(self, said: str | list[Json] = "Hello", **params: Any) -> tuple[int, Json]:
        reply = self.send(self.call(said, **params))
        assert reply.status != 200
        return reply.status, self.provider.decode_error(reply.status, json.loads(reply.content))

    def stream(self, said: str | list[Json] = "Hello", **params: Any) -> list[Json]:
        call = self.call(said, stream=True, **params)
        reply = self.send(call)
        assert reply.status == 200, reply.content
        assert reply.pieces is not None
        decoder = self.provider.decode_stream(call)
        assert decoder is not None
        *events, done, rest = b"".join(reply.pieces).split(b"\n\n")
        assert (done, rest) == (b"data: [DONE]", b"")
        chunks = [chunk for event in events for chunk in decoder.feed(Event(event.removeprefix(b"data: ")))]
        return [*chunks, *decoder.finish()]


@pytest.fixture(scope="session")
def desk(_own_places: None) -> Iterator[Desk]:
    """The provider as it comes."""
    desk = Desk(LlamaCpp())
    yield desk
    desk.sender.close()


@pytest.fixture
def make_desk(_own_places: None) -> Iterator[Any]:
    """A function that makes a desk with the provider's options."""
    desks: list[Desk] = []

    def make(**options: Any) -> Desk:
        desks.append(Desk(LlamaCpp(**options)))
        return desks[-1]

    yield make
    for desk in desks:
        desk.sender.close()


def weather(**properties: Json) -> Json:
    known = {
        "city": {"type": "string"},
        "days": {"type": "integer", "minimum": 1},
        "unit": {"type": "string", "enum": ["C", "F"]},
        **properties,
    }
    parameters = {"type": "object", "properties": known, "required": list(known)}
    function = {"name": "get_weather", "description": "The weather of a city", "parameters": parameters}
    return {"type": "function", "function": function}


@pytest.fixture
def tool() -> Json:
    """The demonstration's tool."""
    return weather()


@pytest.fixture
def run_python(_own_places: None) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A function that runs Python code in a process of its own."""

    def run(code: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code]
        return subprocess.run(command, env=env, capture_output=True, check=False, text=True, timeout=60)  # noqa: S603 (our own code)

    return run
