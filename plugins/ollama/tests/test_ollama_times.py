"""Ollama's points in time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.ollama.times import read_time


@pytest.mark.rule(2)
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2023-08-04T08:52:19.385406455-07:00", 1691164339),
        ("2023-08-04T15:52:19.385406455Z", 1691164339),
        ("2023-08-04T15:52:19Z", 1691164339),
        ("2023-08-04T15:52:19.9", 1691164339),
        ("1970-01-01T00:00:00Z", 0),
    ],
)
def test_nanoseconds_zones_and_none_of_them(text: str, seconds: int) -> None:
    assert read_time(text, 7) == seconds


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="this system has no tzset")
def test_a_time_without_a_zone_is_everywhere_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    try:
        time.tzset()
        assert read_time("2023-08-04T15:52:19") == 1691164339
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("text", [None, "", "yesterday", 12, "0001-01-01T00:00:00Z"])
def test_what_is_no_time(text: object) -> None:
    assert read_time(text, 7) == 7


@given(
    moment=st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 (the zone is drawn apart)
    minutes=st.integers(-14 * 60, 14 * 60),
    digits=st.integers(0, 999),
)
def test_every_zone_and_every_nanosecond(moment: datetime, minutes: int, digits: int) -> None:
    local = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    stamp = local.isoformat(timespec="microseconds")
    assert read_time(f"{stamp[:26]}{digits:03}{stamp[26:]}") == int(local.astimezone(UTC).timestamp())
