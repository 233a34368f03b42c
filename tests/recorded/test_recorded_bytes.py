"""What goes to OpenAI is what the openai SDK would have sent, byte for byte."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest
from recorded_judge import traffic
from recorded_judge.capture import CaptureServer
from recorded_judge.roads import AsyncRoad, Road, SyncRoad

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from recorded_judge.traffic import Exchange

SAMPLE = 60


def sample() -> list[Exchange]:
    """Requests spread over the files; a recording without one, or without a model, is no candidate."""
    found = [x for x in traffic.judged() if x.family.name == "openai" and (x.request_body or {}).get("model")]
    return found[:: max(1, len(found) // SAMPLE)]


@pytest.fixture(scope="module")
def capture() -> Iterator[CaptureServer]:
    with CaptureServer() as server:
        yield server


@pytest.fixture(scope="module")
def ways(capture: CaptureServer, runner: asyncio.Runner) -> Iterator[list[Road]]:
    """The plain SDK first, then ours."""
    from dragoman.core import AsyncClient, Client

    options: dict[str, Any] = {"base_url": f"{capture.url}/v1", "api_key": "test-key", "max_retries": 0}
    plain, client, async_client = openai.OpenAI(**options), Client(**options), AsyncClient(**options)
    yield [
        SyncRoad("openai", http=False, client=plain),
        SyncRoad("Client", http=False, client=client),
        SyncRoad("Client, raw response", http=True, client=client),
        AsyncRoad("AsyncClient", http=False, client=async_client, runner=runner),
    ]
    plain.close()
    client.close()
    runner.run(async_client.close())


@pytest.mark.rule(222)
@pytest.mark.skipif(traffic.folder() is None, reason=f"{traffic.VARIABLE} does not name a folder of recordings")
def test_the_bytes_are_those_of_the_openai_sdk(capture: CaptureServer, ways: list[Road]) -> None:
    exchanges = sample()
    assert len(exchanges) >= min(SAMPLE, 50)
    different = []
    for exchange in exchanges:
        capture.bodies.clear()
        for way in ways:
            way.call(**(exchange.request_body or {}))
        wanted, *sent = capture.bodies
        different += [f"{exchange.id}: {way.name}" for way, body in zip(ways[1:], sent, strict=True) if body != wanted]
    assert not different, "\n".join(different)
