"""What the tests with real servers share: a provider at an address, in a client of either colour."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core import AsyncClient, Client
from dragoman.core.plugins import plugins
from dragoman.core.policy import forget_warnings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from dragoman.core import Json


#: Seconds that a program may take to start; importing LiteLLM's proxy for the first time needs many.
START = 240


@dataclass
class Seat:
    """A provider in its client, synchronous or asynchronous; both are used in the same way."""

    provider: str
    client: Any
    model: str
    runner: asyncio.Runner | None = None
    #: What the suite's own table says about the provider.
    row: Any = None

    def run(self, value: Any) -> Any:
        """What a call came to: asynchronous ones are awaited."""
        if self.runner is None:
            return value

        async def wait() -> Any:
            return await value

        return self.runner.run(wait())

    def ask(self, said: str | list[Json] = "Hi", **params: Any) -> Any:
        """The completion, or with `stream=True` the stream."""
        messages = [{"role": "user", "content": said}] if isinstance(said, str) else said
        params = {"model": self.model, "messages": messages, **params}
        return self.run(self.client.chat.completions.create(**params))

    def choice(self, said: str | list[Json] = "Hi", **params: Any) -> Any:
        return self.ask(said, **params).choices[0]

    def chunks(self, said: str | list[Json] = "Hi", **params: Any) -> list[Any]:
        return self.read(self.ask(said, stream=True, **params), [])

    def read(self, stream: Any, seen: list[Any]) -> list[Any]:
        """Append what a stream brings, until it ends or fails."""
        if self.runner is None:
            for item in stream:
                seen.append(item)  # noqa: PERF402 (what came before a failure is kept)
            return seen

        async def read() -> None:
            async for item in stream:
                seen.append(item)  # noqa: PERF401 (as above)

        self.runner.run(read())
        return seen

    def close(self) -> None:
        self.run(self.client.close())


@pytest.fixture(autouse=True, scope="module")
def _nobodys_settings() -> Iterator[None]:
    """No key and no address of whoever runs the tests, and no way out of this machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.endswith(("_API_KEY", "_AUTH_TOKEN", "_BASE_URL", "_API_BASE")) or name.startswith("DRAGOMAN_"):
                patch.delenv(name)
        patch.setenv("DRAGOMAN_OFFLINE", "1")
        yield


@pytest.fixture(autouse=True)
def _warned_anew() -> None:
    """What is said once in a process is said once in every test."""
    forget_warnings()


@contextmanager
def _running(command: list[str], sign: str, **options: Any) -> Iterator[str]:
    """Run a server until the block ends; the value is the word that follows `sign` in what it prints."""
    said: list[str] = []
    ready = threading.Event()

    def listen() -> None:
        for line in child.stdout or ():
            said.append(line)
            if sign in line:
                ready.set()
        ready.set()

    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, encoding="utf-8", errors="replace", **pipes, **options) as child:  # noqa: S603 (ours)
        reader = threading.Thread(target=listen)
        reader.start()
        try:
            ready.wait(START)
            _, _, rest = "".join(said).partition(sign)
            assert rest, f"{command[0]} did not start: {''.join(said)}"
            yield rest.split()[0]
        finally:
            child.terminate()
            reader.join()


@pytest.fixture(scope="session")
def run_server() -> Callable[..., AbstractContextManager[str]]:
    """A function that runs a server's program: the command, and what it prints before its address."""
    return _running


@pytest.fixture(scope="session")
def take_seat() -> Iterator[Callable[..., Seat]]:
    """A function that seats a plugin's provider at an address, in a "sync" or "async" client with these options."""
    seats: list[Seat] = []
    with asyncio.Runner() as runner:

        def take(
            name: str,
            colour: str,
            address: str,
            *,
            key: str = "none-is-needed",
            model: str = "demo",
            row: Any = None,
            **options: Any,
        ) -> Seat:
            provider = plugins().provider(name)(base_url=address, api_key=key)
            made = {"sync": Client, "async": AsyncClient}[colour]
            client = made(providers=[provider], default_provider=name, **options)
            seats.append(Seat(name, client, model, runner if colour == "async" else None, row))
            return seats[-1]

        yield take
        for seat in seats:
            seat.close()


@pytest.fixture(scope="session")
def weather() -> Json:
    """A tool."""
    properties = {"city": {"type": "string"}, "days": {"type": "integer"}}
    parameters = {"type": "object", "properties": properties, "required": ["city", "days"]}
    function = {"name": "get_weather", "description": "The weather of a city", "parameters": parameters}
    return {"type": "function", "function": function}
