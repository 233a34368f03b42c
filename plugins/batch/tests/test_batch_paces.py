from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.batch.levels import Level
from dragoman.batch.limits import Bucket, Estimate, Limits
from dragoman.batch.options import Options
from dragoman.batch.records import Result
from dragoman.batch.summary import Latencies, Summary


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Provider:
    """Answers in `latency` seconds as long as no more than `most` are open; beyond, they wait for each other."""

    def __init__(self, level: Level, clock: Clock, most: int, refuses: int = 10**9) -> None:
        self.level, self.clock, self.most, self.refuses = level, clock, most, refuses
        self.refused = 0

    def round(self) -> None:
        open_ = self.level.room
        begun = self.clock.now
        self.level.filled()
        self.clock.now += max(1.0, open_ / self.most)
        for number in range(open_):
            if number >= self.refuses:
                self.refused += 1
                self.level.congested(begun)
            else:
                self.level.answered()
                self.level.filled()


def test_it_grows_while_that_pays() -> None:
    clock = Clock()
    level = Level(1000, clock)
    provider = Provider(level, clock, most=100)
    for _ in range(12):
        provider.round()
    assert 64 <= level.room <= 256


def test_it_is_never_more_than_was_allowed() -> None:
    clock = Clock()
    level = Level(20, clock)
    provider = Provider(level, clock, most=10**9)
    for _ in range(50):
        provider.round()
        assert level.room <= 20
    assert level.room == 20


def test_it_finds_the_limit_of_a_provider_that_refuses() -> None:
    clock = Clock()
    level = Level(1000, clock)
    provider = Provider(level, clock, most=10**9, refuses=40)
    rooms = []
    for _ in range(200):
        provider.round()
        rooms.append(level.room)
    late = rooms[50:]
    assert 20 <= sum(late) / len(late) <= 45
    assert provider.refused < 0.15 * sum(rooms)


def test_one_congestion_is_answered_once() -> None:
    clock = Clock()
    level = Level(100, clock)
    before = level.value
    begun = clock.now
    clock.now += 1
    for _ in range(50):
        level.congested(begun)
    assert level.value == pytest.approx(before * 0.7)
    clock.now += 1
    level.congested(clock.now)
    assert level.value == pytest.approx(before * 0.49)


def test_it_does_not_grow_where_it_was_not_filled() -> None:
    clock = Clock()
    level = Level(1000, clock)
    for _ in range(500):
        clock.now += 1
        level.answered()
    assert level.room == 8


@given(st.integers(1, 100_000), st.integers(0, 2**32))
def test_no_minute_has_more_than_it_may(per_minute: int, seed: int) -> None:
    chance, clock = random.Random(seed), Clock()  # noqa: S311 (no secret)
    bucket = Bucket(per_minute, clock)
    taken: list[float] = []
    while clock.now < 1130 and len(taken) < 400:
        wait = bucket.wait()
        if wait:
            # Timers are late.
            clock.now += wait + chance.choice([0, 0, 0.001, 0.2])
            continue
        bucket.take(1)
        taken.append(clock.now)
    for at in taken:
        # A timer of floats may be early by as much as they are inexact.
        assert sum(at <= other < at + 60 - 1e-6 for other in taken) <= per_minute


def test_a_limit_is_used() -> None:
    clock = Clock()
    bucket = Bucket(600, clock)
    taken = 0
    while clock.now < 1060:
        if wait := bucket.wait():
            clock.now += wait
        else:
            bucket.take(1)
            taken += 1
    assert 595 <= taken <= 601


def test_tokens_that_were_too_many_are_waited_for() -> None:
    clock = Clock()
    bucket = Bucket(6000, clock)
    assert bucket.wait(1000) == 0
    bucket.take(1000)
    assert bucket.wait(1000) == pytest.approx(10, rel=0.05)
    bucket.take(-1000)
    assert bucket.wait(1000) == 0


def test_an_estimate_learns() -> None:
    estimate = Estimate()
    assert estimate.of(400) == 356
    for _ in range(100):
        estimate.learn(1000)
    assert estimate.of(400) == pytest.approx(1000)


def test_a_providers_own_limits_come_first() -> None:
    options = Options(limits={"": Limits(100, None, 10), "openai": Limits(tokens_per_minute=5)})
    assert options.limits_of("openai") == Limits(100, 5, 10)
    assert options.limits_of("other") == Limits(100, None, 10)
    more = options.with_limits({"openai": Limits(7), "": Limits(max_concurrency=3)})
    assert more.limits_of("openai") == Limits(7, 5, 3)


@given(st.lists(st.floats(0.001, 1000), min_size=1, max_size=300), st.sampled_from([0.5, 0.9, 0.99]))
def test_percentiles_are_right_within_one_percent(values: list[float], share: float) -> None:
    latencies = Latencies()
    for value in values:
        latencies.add(value)
    exact = sorted(values)[-(-len(values) * round(share * 100) // 100) - 1]
    assert latencies.percentile(share) == pytest.approx(exact, rel=0.011)


def test_a_summary_counts() -> None:
    summary = Summary(clock=Clock())
    usage = {"input_tokens": 3, "output_tokens": 4}
    summary.count(Result("a", status=200, usage=usage, seconds=1.0))
    summary.count(Result("b", status=400, error={}))
    assert (summary.answered, summary.failed, summary.tokens, summary.unpriced) == (1, 1, 7, 1)
    assert Latencies().percentile(0.5) is None
