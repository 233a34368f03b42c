"""When a request is sent again, and after how long."""

from __future__ import annotations

import email.utils
import time

import pytest

from dragoman.core import Call
from dragoman.core.retries import retry_pauses, retry_wait


def test_how_long_it_waits() -> None:
    assert retry_wait(200, {}, 1.5) is None
    assert retry_wait(500, {}, 1.5) == 1.5
    assert retry_wait(500, {}, None) is None
    assert retry_wait(500, {"retry-after": "2"}, 1.5) == 2
    assert retry_wait(500, {"retry-after": "-5"}, 1.5) == 0
    assert retry_wait(500, {"retry-after": "soon"}, 1.5) == 1.5
    assert retry_wait(500, {"retry-after-ms": "250", "retry-after": "9"}, 1.5) == 0.25
    assert retry_wait(500, {"retry-after": "120"}, 1.5) == 120
    assert retry_wait(500, {"retry-after": "121"}, 1.5) is None
    soon = retry_wait(429, {"retry-after": email.utils.formatdate(time.time() + 30, usegmt=True)}, 1.5)
    assert soon is not None
    assert 5 < soon < 31


@pytest.mark.parametrize(
    "said",
    [
        "nan",
        "inf",
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2026 00:00:00 +99999999999999999999",
    ],
)
def test_what_is_no_time_is_not_said(said: str) -> None:
    assert retry_wait(500, {"retry-after": said}, 1.5) == 1.5
    assert retry_wait(500, {"retry-after-ms": said, "retry-after": "2"}, 1.5) == 2


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
def test_what_passes_is_tried_again(status: int) -> None:
    assert retry_wait(status, {}, 0.3) == 0.3
    assert retry_wait(status, {"x-should-retry": "false"}, 0.3) is None


@pytest.mark.parametrize("status", [200, 301, 400, 401, 404, 422])
def test_what_stands_is_not(status: int) -> None:
    assert retry_wait(status, {"retry-after": "1"}, 0.3) is None
    assert retry_wait(status, {"retry-after": "1", "x-should-retry": "true"}, 0.3) == 1


@pytest.mark.parametrize(("allowed", "expected"), [(None, 2), (0, 0), (1, 1), (7, 7)])
def test_as_many_pauses_as_retries(allowed: int | None, expected: int) -> None:
    *found, last = retry_pauses(Call("p", "m", {}, max_retries=allowed))
    assert last is None
    assert len(found) == expected
    for number, pause in enumerate(found):
        longest = min(0.5 * 2**number, 8)
        assert pause is not None
        assert 0.75 * longest <= pause <= longest


def test_a_thousand_retries_do_not_overflow() -> None:
    *_, pause, _ = retry_pauses(Call("p", "m", {}, max_retries=2000))
    assert pause is not None
    assert 6 <= pause <= 8
