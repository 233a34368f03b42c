"""The llama.cpp engine's own HTTP server, and each provider class that reaches it: `ROWS` is the list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.llamacpp import EngineOptions, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class Row:
    """One provider class, and what its answers from this server differ in."""

    provider: str
    #: Parameters that it refuses before anything is sent.
    refused: frozenset[str] = frozenset()
    #: The `content` of a message that only calls tools.
    silence: str | None = None
    #: `code` of a prompt that is longer than the context.
    too_long: str = "context_length_exceeded"
    #: Whether its vendor has embeddings.
    embeds: bool = True
    #: Whether a path that OpenAI does not have either reaches the server.
    passes_paths: bool = True


ROWS = (
    # What OpenAI's own class passes through untouched is the server's word for it.
    Row("openai", silence="", too_long="400"),
    Row("llamacpp", passes_paths=False),
    Row("vllm"),
    Row("lmstudio", refused=frozenset({"n", "logprobs"})),
    Row("anthropic", refused=frozenset({"n", "logprobs"}), too_long="400", embeds=False, passes_paths=False),
)
CASES = [pytest.param((row, colour), id=f"{row.provider}-{colour}") for row in ROWS for colour in ("sync", "async")]


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The server's root: OpenAI's wire is below `/v1`, Anthropic's at `/v1/messages`."""
    with serve(options=EngineOptions(pooling="mean")) as address:
        yield address


@pytest.fixture(scope="session")
def endless() -> Iterator[str]:
    """A server that answers one request at a time, with `x` until `max_tokens` is reached."""
    # The rehearsal model repeats what stands 1,024 tokens before, and no end stands there.
    options = EngineOptions(parallel=1, context_size=65536, chat_template="{{ 'x' * 1100 }}")
    with serve(options=options) as address:
        yield address


@pytest.fixture(scope="module", params=CASES)
def seat(request: pytest.FixtureRequest, take_seat: Callable[..., Any], address: str) -> Any:
    """Each provider, both ways."""
    row, colour = request.param
    return take_seat(row.provider, colour, address, row=row)


@pytest.fixture(scope="module", params=CASES)
def endless_seat(request: pytest.FixtureRequest, take_seat: Callable[..., Any], endless: str) -> Any:
    """Each provider at the endless server."""
    row, colour = request.param
    return take_seat(row.provider, colour, endless, row=row)
