"""The queue between an engine's thread and its reader."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from dragoman.llamacpp.generation import Generation
from dragoman.llamacpp.source import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable


def taken(generation: Generation) -> list[bytes]:
    found: list[bytes] = []
    ended = False
    while not ended:
        items, ended = generation.wait(10)
        found += items
    return found


def test_everything_arrives_in_order_through_a_full_queue() -> None:
    def work(deliver: Callable[[bytes], bool]) -> None:
        for number in range(1000):
            assert deliver(b"%d" % number) is False

    assert taken(Generation(work)) == [b"%d" % number for number in range(1000)]


def test_the_engine_waits_for_its_reader_and_stops_when_it_leaves() -> None:
    delivered: list[int] = []
    full = threading.Event()

    def work(deliver: Callable[[bytes], bool]) -> None:
        for number in range(1000):
            if number == 64:
                full.set()
            if deliver(b"x"):
                return
            delivered.append(number)

    generation = Generation(work)
    assert full.wait(10)
    assert len(delivered) == 64
    generation.close()
    generation.join(10)
    assert len(delivered) == 64
    assert generation.take() == ([], True)


@pytest.mark.parametrize(
    ("raised", "status", "kind"),
    [
        (ValueError("bad"), 400, "invalid_request_error"),
        (RuntimeError("audio input is not supported"), 400, "invalid_request_error"),
        (RuntimeError("broken"), 500, "server_error"),
        (EngineError(404, "gone", code="model_not_found"), 404, "invalid_request_error"),
    ],
)
def test_what_the_engine_raises_is_delivered(raised: Exception, status: int, kind: str) -> None:
    def work(deliver: Callable[[bytes], bool]) -> None:
        raise raised

    generation = Generation(work)
    (item,) = taken(generation)
    error = json.loads(item)["error"]
    assert (generation.status, error["type"], error["message"]) == (status, kind, str(raised))


def test_a_failure_in_the_middle_does_not_change_the_status() -> None:
    def work(deliver: Callable[[bytes], bool]) -> None:
        deliver(b"{}")
        msg = "broken"
        raise RuntimeError(msg)

    generation = Generation(work)
    first, last = taken(generation)
    assert first == b"{}"
    assert json.loads(last)["error"]["code"] == 500
    assert generation.status == 200


def test_the_reader_is_woken_for_each_piece_and_at_the_end() -> None:
    woken = threading.Semaphore(0)

    def work(deliver: Callable[[bytes], bool]) -> None:
        deliver(b"a")
        deliver(b"b")

    generation = Generation(work, woken.release)
    generation.join(10)
    assert [woken.acquire(timeout=1) for _ in range(3)] == [True] * 3
    assert generation.take() == ([b"a", b"b"], True)
