"""What goes wrong at the engine's own HTTP server, and the stream that is given up."""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import openai
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 20_000


def predicted(address: str) -> int:
    """How many tokens the server has generated since it started."""
    with urlopen(f"{address}/metrics", timeout=20) as page:  # noqa: S310 (http, loopback)
        found = re.search(r"^llamacpp:tokens_predicted_total (\d+)", page.read().decode(), re.MULTILINE)
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("streamed", [False, True])
def test_a_prompt_that_is_too_long(seat: Any, streamed: bool) -> None:
    with pytest.raises(openai.BadRequestError, match="exceeds the available context size") as caught:
        seat.ask("x" * 9000, stream=streamed)
    assert caught.value.code == seat.row.too_long


@pytest.mark.parametrize("streamed", [False, True])
def test_a_value_of_the_wrong_type(seat: Any, streamed: bool) -> None:
    with pytest.raises(openai.BadRequestError, match="must be number, but is string") as caught:
        seat.ask("Hi", extra_body={"top_k": "hot"}, stream=streamed)
    assert caught.value.type == "invalid_request_error"


def test_an_unknown_path(seat: Any) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        seat.run(seat.client.post("/no/such/path", body={}, cast_to=object))
    theirs = "File Not Found" in str(caught.value)
    assert theirs == seat.row.passes_paths, str(caught.value)


def test_nobody_is_there(seat: Any, take_seat: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    lost = take_seat(seat.row.provider, "async" if seat.runner else "sync", address, max_retries=0)
    with pytest.raises(openai.APIConnectionError, match=seat.row.provider):
        lost.ask("Hi")


@pytest.mark.rule(18)
def test_a_stream_that_is_closed_early_ends_at_the_server_too(endless_seat: Any, endless: str) -> None:
    before = predicted(endless)
    stream = endless_seat.ask("Hi", stream=True, max_tokens=LIMIT)
    seen = [endless_seat.run(anext(stream)) if endless_seat.runner else next(stream) for _ in range(5)]
    assert "x" in "".join(choice.delta.content or "" for chunk in seen for choice in chunk.choices)
    endless_seat.run(stream.close())
    # There is one slot: this waits until the server has let the stream go.
    assert endless_seat.choice("Hi", max_tokens=2).message.content == "xx"
    assert predicted(endless) - before < LIMIT // 2


def test_a_time_limit(endless_seat: Any) -> None:
    hurried = replace(endless_seat, client=endless_seat.client.with_options(timeout=0.2, max_retries=0))
    with pytest.raises(openai.APITimeoutError):
        hurried.ask("Hi", max_tokens=LIMIT)
