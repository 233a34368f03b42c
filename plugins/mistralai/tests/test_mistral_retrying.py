"""When a request is sent again, and after how long."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from dragoman.mistralai.retrying import is_transport_error, pauses, wait_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core import Call


@dataclass
class Response:
    status_code: int
    headers: dict[str, str] = field(default_factory=dict)


@pytest.mark.rule(205)
@pytest.mark.parametrize(("allowed", "expected"), [(None, 2), (0, 0), (1, 1), (7, 7)])
def test_as_many_pauses_as_retries(make_call: Callable[..., Call], allowed: int | None, expected: int) -> None:
    call = make_call()
    call.max_retries = allowed
    found = list(pauses(call))
    assert len(found) == expected
    for number, pause in enumerate(found):
        longest = min(0.5 * 2**number, 8)
        assert 0.75 * longest <= pause <= longest


@pytest.mark.rule(205)
@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_what_passes_is_tried_again(status: int) -> None:
    assert wait_after(Response(status), 0.3) == 0.3


@pytest.mark.rule(205)
@pytest.mark.parametrize("status", [200, 301, 400, 401, 404, 422])
def test_what_stands_is_not(status: int) -> None:
    assert wait_after(Response(status, {"retry-after": "1"}), 0.3) is None


@pytest.mark.rule(205)
@pytest.mark.parametrize(
    ("asked", "expected"),
    [("2", 2), ("0.5", 0.5), ("60", 60), ("61", None), ("-1", 0), ("soon", 0.3), ("", 0.3)],
)
def test_the_server_says_how_long(asked: str, expected: float | None) -> None:
    assert wait_after(Response(429, {"retry-after": asked}), 0.3) == expected


@pytest.mark.rule(205)
def test_the_server_may_say_until_when() -> None:
    then = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    wait = wait_after(Response(503, {"retry-after": then}), 0.3)
    assert wait is not None
    assert 25 < wait <= 30
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=30), usegmt=True)
    assert wait_after(Response(503, {"retry-after": past}), 0.3) == 0


def test_failures_of_the_connection_are_told_by_their_class() -> None:
    from mistralai.client.sdk import httpx  # httpx2 since mistralai 3

    assert is_transport_error(httpx.ConnectError("refused"))
    assert is_transport_error(httpx.ReadTimeout("late"))
    assert not is_transport_error(ValueError("else"))
    assert not is_transport_error(httpx.InvalidURL("bad"))
