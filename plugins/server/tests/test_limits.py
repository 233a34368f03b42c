"""The limits against a simple model of them: all that was counted, with its time, and no clock but the test's."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.server.limits import SPAN, Denial, Limits, LocalStore, Subject, Window


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Model:
    """Keeps every event. A second's events are forgotten together, a minute after the second has ended."""

    limits: Limits
    requests: list[float] = field(default_factory=list)
    tokens: list[tuple[float, int]] = field(default_factory=list)
    open: int = 0

    def asked(self, now: float) -> int:
        return sum(1 for at in self.requests if int(now) - int(at) < SPAN)

    def used(self, now: float) -> int:
        return sum(count for at, count in self.tokens if int(now) - int(at) < SPAN)

    def has_room(self, now: float) -> bool:
        most = self.limits
        return (
            (most.max_concurrency is None or self.open < most.max_concurrency)
            and (most.requests_per_minute is None or self.asked(now) < most.requests_per_minute)
            and (most.tokens_per_minute is None or self.used(now) < most.tokens_per_minute)
        )


SOME = st.none() | st.integers(1, 5)
LIMITS = st.builds(Limits, SOME, st.none() | st.integers(1, 40), SOME)
STEPS = st.lists(
    st.one_of(
        st.just("take"),
        st.tuples(st.just("settle"), st.integers(0, 30)),
        st.tuples(st.just("wait"), st.sampled_from([0.0, 0.3, 1.0, 7.5, 30.0, 59.9, 61.0])),
    ),
    max_size=60,
)


@given(LIMITS, LIMITS, STEPS)
def test_it_counts_as_the_model_does(first: Limits, second: Limits, steps: list[Any]) -> None:
    asyncio.run(compare(first, second, steps))


async def compare(first: Limits, second: Limits, steps: list[Any]) -> None:
    clock = Clock()
    store = LocalStore(clock)
    subjects = [Subject("first", first), Subject("second", second)]
    models = [Model(first), Model(second)]
    held = []
    for step in steps:
        if step == "take":
            found = await store.take(subjects)
            room = [model.has_room(clock.now) for model in models]
            assert isinstance(found, Denial) is not all(room)
            if isinstance(found, Denial):
                assert found.subject is subjects[room.index(False)]
                await check_wait(store, subjects, models, found, clock)
                continue
            held.append(found)
            for model in models:
                model.requests.append(clock.now)
                model.open += 1
        elif step[0] == "settle" and held:
            await held.pop().give_back(step[1])
            for model in models:
                model.tokens.append((clock.now, step[1]))
                model.open -= 1
        elif step[0] == "wait":
            clock.now += step[1]


async def check_wait(
    store: LocalStore, subjects: list[Subject], models: list[Model], denial: Denial, clock: Clock
) -> None:
    """What is promised holds: no room just before, and room for this limit right then."""
    if denial.what == "concurrency":
        return
    model = models[subjects.index(denial.subject)]
    used = model.asked if denial.what == "requests" else model.used
    limit = model.limits.requests_per_minute if denial.what == "requests" else model.limits.tokens_per_minute
    assert limit is not None
    assert used(clock.now) == denial.used
    assert used(clock.now + denial.wait - 0.01) >= limit
    assert used(clock.now + denial.wait + 0.01) < limit
    assert 0 < denial.wait <= SPAN


def test_no_more_than_the_limit_in_any_minute() -> None:
    clock, times = Clock(), []
    store, subject = LocalStore(clock), Subject("s", Limits(requests_per_minute=7))

    async def run() -> None:
        for _ in range(2000):
            if not isinstance(await store.take([subject]), Denial):
                times.append(clock.now)
            clock.now += 0.37

    asyncio.run(run())
    assert len(times) > 70
    assert all(later - earlier >= 60 for earlier, later in zip(times, times[7:], strict=False))


def test_requests_at_once_are_counted_one_by_one() -> None:
    store, subject = LocalStore(Clock()), Subject("s", Limits(requests_per_minute=100, max_concurrency=30))

    async def run() -> list[Any]:
        return await asyncio.gather(*(store.take([subject]) for _ in range(200)))

    found = asyncio.run(run())
    assert sum(not isinstance(one, Denial) for one in found) == 30


def test_a_denied_request_is_counted_nowhere() -> None:
    store = LocalStore(Clock())
    free, full = Subject("free", Limits(requests_per_minute=1)), Subject("full", Limits(max_concurrency=1))

    async def run() -> None:
        await store.take([full])
        assert isinstance(await store.take([free, full]), Denial)
        assert not isinstance(await store.take([free]), Denial)

    asyncio.run(run())


def test_a_place_is_given_back_once() -> None:
    store, subject = LocalStore(Clock()), Subject("s", Limits(max_concurrency=1))

    async def run() -> None:
        held = await store.take([subject])
        assert not isinstance(held, Denial)
        await held.give_back(0)
        await held.give_back(0)
        assert not isinstance(await store.take([subject]), Denial)
        assert isinstance(await store.take([subject]), Denial)

    asyncio.run(run())


def test_memory_does_not_grow_with_what_is_asked() -> None:
    clock = Clock()
    store, subject = LocalStore(clock), Subject("s", Limits(requests_per_minute=10**6, tokens_per_minute=10**9))

    async def run() -> None:
        for _ in range(20_000):
            held = await store.take([subject])
            assert not isinstance(held, Denial)
            await held.give_back(3)
            clock.now += 0.01

    asyncio.run(run())
    assert len(store) <= 2 * SPAN


def test_a_debt_is_waited_for() -> None:
    window = Window()
    for second, count in ((1000.5, 5), (1010.5, 5), (1020.5, 1)):
        window.add(second, count)
    assert [window.wait(1020.5, limit) for limit in (12, 11, 7, 6, 2, 1)] == [0, 40.5, 40.5, 50.5, 50.5, 60.5]


def test_a_clock_that_is_set_back_counts_on() -> None:
    window = Window()
    window.add(1000.0, 2)
    window.add(990.0, 3)
    assert (window.total, len(window)) == (5, 1)
    assert window.wait(1000.0, 6) == 0
    assert window.wait(1000.0, 5) == SPAN


@pytest.mark.parametrize(("limits", "expected"), [(Limits(), False), (Limits(max_concurrency=1), True)])
def test_limits_without_any_are_none(limits: Limits, expected: bool) -> None:
    assert bool(limits) is expected
