"""aimock (npm), which speaks OpenAI's, Anthropic's and Ollama's wire and fails on demand: `nox -s aimock` brings it."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dragoman.core import Json

LINES = "a long answer of many words, and it is broken off somewhere in the middle of them all"
#: What the server answers, by a word of the question; the first that fits.
ANSWERS: list[Json] = [
    {"match": {"userMessage": "weather", "hasToolResult": True}, "response": {"content": "Rain, and sun."}},
    {
        "match": {"userMessage": "weather"},
        "response": {
            "content": "Let me look.",
            "toolCalls": [
                {"name": "get_weather", "arguments": {"city": "Oslo", "days": 1}},
                {"name": "get_weather", "arguments": {"city": "Bergen", "days": 2}},
            ],
        },
    },
    {"match": {"userMessage": "hello"}, "response": {"content": "Good morning to you, and a very fine day."}},
    {"match": {"userMessage": "form"}, "response": {"content": '{"name": "Ada"}'}},
    # Time between the pieces, or none would leave the server before it breaks the connection.
    {"match": {"userMessage": "cut"}, "response": {"content": LINES}, "latency": 30, "truncateAfterChunks": 4},
    {
        "match": {"userMessage": "busy"},
        "response": {"error": {"message": "Too many", "type": "rate_limit_error"}, "status": 429, "retryAfter": 7},
    },
    {
        "match": {"userMessage": "second", "sequenceIndex": 0},
        "response": {"error": {"message": "Too many", "type": "rate_limit_error"}, "status": 429, "retryAfter": 1},
    },
    {"match": {"userMessage": "second"}, "response": {"content": "At the second try."}},
    *(
        {"match": {"userMessage": f"status {status}"}, "response": {"error": {"message": "No"}, "status": status}}
        for status in (400, 401, 403, 404, 409, 413, 422, 500, 503, 529)
    ),
]


@dataclass(frozen=True)
class Row:
    """One provider class, and what its vendor's wire differs in."""

    provider: str
    model: str
    #: How a stream fails whose body is not the wire's at all.
    nonsense: str = "APIResponseValidationError"


ROWS = (
    Row("openai", "gpt-4o"),
    Row("anthropic", "claude-sonnet-4-5"),
    # A line without its end is one that was cut off.
    Row("ollama", "llama3.2", nonsense="APIConnectionError"),
)


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory, run_server: Callable[..., Any]) -> Iterator[str]:
    """The running server's root."""
    answers = tmp_path_factory.mktemp("aimock") / "answers.json"
    answers.write_text(json.dumps({"fixtures": ANSWERS}), encoding="utf-8")
    how = ["--port", "0", "--host", "127.0.0.1", "--fixtures", str(answers), "--chunk-size", "5"]
    command = ["node", os.environ["DRAGOMAN_AIMOCK"], *how]
    with run_server(command, "listening on ") as address:
        yield address


CASES = [pytest.param((row, colour), id=f"{row.provider}-{colour}") for row in ROWS for colour in ("sync", "async")]


@pytest.fixture(scope="module", params=CASES)
def seat(request: pytest.FixtureRequest, take_seat: Callable[..., Any], address: str) -> Any:
    """Each provider, both ways; a call that fails is not tried again."""
    row, colour = request.param
    return take_seat(row.provider, colour, address, model=row.model, row=row, max_retries=0)


@dataclass
class Counted:
    """A seat whose calls the server counts apart; a failed one is tried again, at most twice."""

    seat: Any
    address: str
    test: str

    @property
    def statuses(self) -> list[int]:
        """What the server answered to this seat's calls, one by one."""
        with urlopen(f"{self.address}/__aimock/journal?testId={self.test}", timeout=20) as page:  # noqa: S310 (loopback)
            return [entry["response"]["status"] for entry in json.load(page)]


@pytest.fixture
def counted(seat: Any, address: str) -> Counted:
    test = secrets.token_hex(8)
    client = seat.client.with_options(max_retries=2, default_headers={"x-test-id": test})
    return Counted(replace(seat, client=client), address, test)
