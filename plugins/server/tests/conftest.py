"""The provider and the server of a test."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from server_lab import KEY, Provider, Served, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def provider() -> Iterator[Provider]:
    with serving(Provider()) as server:
        yield server


@pytest.fixture(autouse=True)
def nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "DRAGOMAN_PLUGINS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DRAGOMAN_OFFLINE", "1")


@pytest.fixture
def serve(provider: Provider) -> Iterator[Callable[..., Served]]:
    """`serve(gate_of=…, max_body_bytes=…)`: a server whose default provider is the one of this test."""
    from dragoman.server.app import make_app
    from dragoman.server.settings import Configuration, ServerSettings

    with ExitStack() as stack:

        def start(
            *, client: dict[str, Any] | None = None, stall: float = 600.0, make: Any = None, **settings: Any
        ) -> Served:
            options = {"default_options": {"base_url": provider.url, "api_key": KEY}, "max_retries": 0}
            configuration = Configuration({**options, **(client or {})}, ServerSettings(**settings))
            return stack.enter_context(Served(make_app(configuration, **(make or {})), stall=stall))

        yield start


@pytest.fixture
def server(serve: Callable[..., Served]) -> Served:
    return serve()
