"""The limits in a real Redis or Valkey of its own, which the test starts; not there: skipped, in sight."""

from __future__ import annotations

import asyncio
import logging
import shutil
import socket
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from server_lab import ask

from dragoman.core import ConfigError
from dragoman.core.errors import httpx
from dragoman.server import shared
from dragoman.server.keys import Key, hash_key, new_key
from dragoman.server.limits import SPAN, Denial, Limits, LocalStore, Subject
from dragoman.server.shared import SharedStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

PROGRAM = next((found for name in ("valkey-server", "redis-server") if (found := shutil.which(name))), None)
#: Where nobody listens.
NOWHERE = "redis://127.0.0.1:1/0"
FIVE = Subject("key five", Limits(requests_per_minute=5))


class Server:
    """One server: no files, a port of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self.start()

    def start(self) -> None:
        options = {"bind": "127.0.0.1", "port": self.port, "save": "", "appendonly": "no", "dir": self._folder}
        flags = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        self._process = subprocess.Popen([str(PROGRAM), *flags], stdout=subprocess.DEVNULL)  # noqa: S603 (ours)
        with redis.Redis(port=self.port, retry=None) as client:
            while True:
                assert self._process.poll() is None, "it has stopped by itself"
                with suppress(redis.ConnectionError):
                    client.ping()
                    return

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if PROGRAM is None:
        pytest.skip("neither valkey-server nor redis-server is installed (Debian: apt-get install redis-server)")
    started = Server(tmp_path_factory.mktemp("redis"))
    yield started
    started.stop()


@pytest.fixture(autouse=True)
def clean(request: pytest.FixtureRequest) -> None:
    if "server" in request.fixturenames:
        with redis.Redis(port=request.getfixturevalue("server").port) as client:
            client.flushall()


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    return asyncio.run(work())  # type: ignore[arg-type]  # each is a coroutine


def test_workers_share_a_limit(server: Server) -> None:
    async def work() -> None:
        stores = [SharedStore(server.url, LocalStore()) for _ in range(3)]
        found = await asyncio.gather(*(store.take([FIVE]) for store in stores for _ in range(10)))
        assert sum(not isinstance(one, Denial) for one in found) == 5
        denial = next(one for one in found if isinstance(one, Denial))
        assert (denial.subject, denial.what, denial.used) == (FIVE, "requests", 5)
        assert 0 < denial.wait <= SPAN
        for store in stores:
            await store.close()

    run(work)


SOME = st.integers(1, 4)
STEPS = st.lists(
    st.one_of(
        st.just(("take", 0)),
        st.tuples(st.just("settle"), st.integers(0, 30)),
        st.tuples(st.just("wait"), st.sampled_from([0.25, 1.0, 7.5, 30.0, 60.0, 61.0])),
    ),
    max_size=40,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.builds(Limits, st.none() | SOME, st.none() | st.integers(1, 40), st.none() | SOME), STEPS)
def test_it_counts_as_one_process_does(server: Server, limits: Limits, steps: list[Any]) -> None:
    async def work() -> None:
        now = [1_000_000.0]
        local = LocalStore(lambda: now[0])
        store = SharedStore(server.url, LocalStore(), clock=lambda: now[0])
        await store._client.flushall()
        subjects = [Subject("a", limits), Subject("b", Limits(requests_per_minute=3))]
        held: list[Any] = []
        for name, value in steps:
            if name == "take":
                here, there = await local.take(subjects), await store.take(subjects)
                if isinstance(here, Denial):
                    assert isinstance(there, Denial)
                    assert (there.subject, there.what, there.used) == (here.subject, here.what, here.used)
                    assert there.wait == pytest.approx(here.wait)
                else:
                    held.append((here, there))
            elif name == "settle" and held:
                for one in held.pop():
                    await one.give_back(value)
            elif name == "wait":
                now[0] += value
        await store.close()

    run(work)


def test_what_is_kept_is_bounded_and_forgotten(server: Server) -> None:
    async def work() -> None:
        now = [1_000_000.0]
        store = SharedStore(server.url, LocalStore(), clock=lambda: now[0])
        subject = Subject("key x", Limits(requests_per_minute=10**6, tokens_per_minute=10**6, max_concurrency=9))
        for _ in range(150):
            held = await store.take([subject])
            assert not isinstance(held, Denial)
            await held.give_back(2)
            now[0] += 1
        keys = sorted(await store._client.keys("*"))
        assert keys == [b"{dragoman}:key x:requests", b"{dragoman}:key x:tokens"]
        for key in keys:
            assert await store._client.hlen(key) <= 150
            assert 0 < await store._client.ttl(key) <= SPAN + 1
        await store.take([subject])
        assert await store._client.hlen(keys[0]) <= SPAN + 1
        await store.close()

    run(work)


def test_a_worker_that_died_holds_no_place_for_ever(server: Server) -> None:
    async def work() -> None:
        now = [1_000_000.0]
        store = SharedStore(server.url, LocalStore(), clock=lambda: now[0])
        subject = Subject("key y", Limits(max_concurrency=1))
        assert not isinstance(await store.take([subject]), Denial)
        denial = await store.take([subject])
        assert isinstance(denial, Denial)
        assert denial.what == "concurrency"
        now[0] += 3601
        assert not isinstance(await store.take([subject]), Denial)
        await store.close()

    run(work)


def test_a_client_that_is_gone_gives_its_place_back(server: Server) -> None:
    async def work() -> None:
        store, subject = SharedStore(server.url, LocalStore()), Subject("key z", Limits(max_concurrency=1))
        held = await store.take([subject])
        assert not isinstance(held, Denial)
        giving = asyncio.ensure_future(held.give_back(1))
        await asyncio.sleep(0)
        giving.cancel()
        with suppress(asyncio.CancelledError):
            await giving
        for _ in range(3):
            taking = asyncio.ensure_future(store.take([subject]))
            await asyncio.sleep(0)
            taking.cancel()
            with suppress(asyncio.CancelledError):
                await taking
        while store._tasks:
            await asyncio.gather(*store._tasks)
        assert not isinstance(await store.take([subject]), Denial)
        await store.close()

    run(work)


def test_without_the_server_each_worker_counts_until_it_is_back(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_PAUSE", 0.0)
    own = Server(tmp_path)

    async def work() -> None:
        store = SharedStore(own.url, LocalStore())
        first = await store.take([FIVE])
        own.stop()
        alone = [await store.take([FIVE]) for _ in range(7)]
        assert [isinstance(one, Denial) for one in alone] == [False] * 5 + [True] * 2
        assert not isinstance(first, Denial)
        await first.give_back(3)
        own.start()
        for _ in range(5):
            assert not isinstance(await store.take([FIVE]), Denial)
        assert isinstance(await store.take([FIVE]), Denial)
        await store.close()

    with caplog.at_level(logging.WARNING, "dragoman.server"):
        try:
            run(work)
        finally:
            own.stop()
    assert [record.message.partition(",")[0] for record in caplog.records] == [
        "limits: redis_url cannot be used",
        "limits: redis_url can be used again",
    ]


def test_a_server_that_is_away_is_not_asked_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> int:
        store = SharedStore(NOWHERE, LocalStore())
        tries = 0
        usual = store._run

        async def count(*args: Any) -> Any:
            nonlocal tries
            tries += 1
            return await usual(*args)

        monkeypatch.setattr(store, "_run", count)
        monkeypatch.setattr(shared, "_PAUSE", 3600.0)
        for _ in range(5):
            await store.take([FIVE])
        assert isinstance(await store.take([FIVE]), Denial)
        await store.close()
        return tries

    assert run(work) == 1


def test_an_address_that_is_none_is_told_without_its_password() -> None:
    with pytest.raises(ConfigError, match="redis_url is no address") as caught:
        SharedStore("http://:secret@here", LocalStore())
    assert "secret" not in str(caught.value)


def test_two_servers_share_a_keys_limits(server: Server, serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    key = new_key()
    keys = (Key("five", hash_key(key), limits=FIVE.limits),)
    # Counts of this process alone would be shared by both, too: what the log and Redis say tells them apart.
    both = [serve(keys=keys, redis_url=server.url) for _ in range(2)]
    headers = {"authorization": f"Bearer {key}"}
    with caplog.at_level(logging.WARNING, "dragoman.server"):
        answers = [
            httpx.post(
                f"{both[number % 2].url}/chat/completions",
                json=ask("text"),
                headers=headers,
                timeout=60,
                trust_env=False,
            )
            for number in range(8)
        ]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 3
    assert all(1 <= int(answer.headers["retry-after"]) <= SPAN for answer in answers[5:])
    assert [record.message for record in caplog.records if "redis" in record.message] == []
    with redis.Redis(port=server.port) as client:
        counts = client.hvals("{dragoman}:key five:requests")
    assert sum(map(int, counts)) == 5
