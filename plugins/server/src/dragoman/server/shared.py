"""The limits of several workers and machines, counted together in Valkey or Redis 7 (`redis_url`).

The counts are those of `limits`, taken and given back by scripts, each of which is one step for the server. Its own
clock decides. While it cannot be reached, each worker counts for itself by the same limits, and says so in the log.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from typing import TYPE_CHECKING, Any

from dragoman.core import ConfigError
from dragoman.server.limits import SPAN, Denial, Held, LocalStore, Subject

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

log = logging.getLogger("dragoman.server")

#: All keys are in one slot of a cluster, as a script wants them.
_PREFIX = "{dragoman}"
#: Seconds after which a request that no worker gave back counts no longer: its worker has died.
_FORGOTTEN = 3600
#: Seconds to wait for an answer, and after a failure until the next try.
_PATIENCE = 1.0
_PAUSE = 2.0
_CONNECTIONS = 64
_WHAT = ("concurrency", "requests", "tokens")

_COMMON = f"""
local now = tonumber(ARGV[1])
if not now then
    local time = redis.call('TIME')
    now = tonumber(time[1]) + tonumber(time[2]) / 1000000
end
local second = math.floor(now)
local span = {SPAN}
local function add(key, count)
    redis.call('HINCRBY', key, second, count)
    redis.call('EXPIRE', key, span + 1)
end
"""

#: KEYS: requests, tokens and open places of each subject. ARGV: the time or nothing, the place's name, seconds until
#: it is forgotten, and each subject's limits in that order, -1 for none.
_TAKE = f"""{_COMMON}
local function window(key)
    local flat = redis.call('HGETALL', key)
    local found, total = {{}}, 0
    for i = 1, #flat, 2 do
        local at, count = tonumber(flat[i]), tonumber(flat[i + 1])
        if at <= second - span then
            redis.call('HDEL', key, flat[i])
        else
            found[#found + 1] = {{at, count}}
            total = total + count
        end
    end
    table.sort(found, function(a, b) return a[1] < b[1] end)
    return found, total
end
local function denied(subject, what, key, limit)
    if limit < 0 then return nil end
    local found, total = window(key)
    if total < limit then return nil end
    local left, wait = total, span
    for _, one in ipairs(found) do
        left = left - one[2]
        if left < limit then
            wait = one[1] + span - now
            break
        end
    end
    return {{subject, what, total, tostring(wait)}}
end
for i = 1, #KEYS / 3 do
    local open, limit = KEYS[3 * i], tonumber(ARGV[3 * i + 3])
    redis.call('ZREMRANGEBYSCORE', open, '-inf', now)
    local used = redis.call('ZCARD', open)
    if limit >= 0 and used >= limit then return {{i, 0, used, '1'}} end
    local denial = denied(i, 1, KEYS[3 * i - 2], tonumber(ARGV[3 * i + 1]))
        or denied(i, 2, KEYS[3 * i - 1], tonumber(ARGV[3 * i + 2]))
    if denial then return denial end
end
for i = 1, #KEYS / 3 do
    add(KEYS[3 * i - 2], 1)
    redis.call('ZADD', KEYS[3 * i], now + tonumber(ARGV[3]), ARGV[2])
    redis.call('EXPIRE', KEYS[3 * i], tonumber(ARGV[3]))
end
return {{}}
"""

#: KEYS as above. ARGV: the time or nothing, the place's name, the tokens.
_GIVE_BACK = f"""{_COMMON}
for i = 1, #KEYS / 3 do
    redis.call('ZREM', KEYS[3 * i], ARGV[2])
    if tonumber(ARGV[3]) > 0 then add(KEYS[3 * i - 1], ARGV[3]) end
end
return 1
"""


class SharedStore:
    """Counts in Valkey or Redis, and in `local` while that cannot be reached. `clock`: for tests, in place of its own.

    Raises `ConfigError` for an address that is none, or without the package `redis`.
    """

    def __init__(self, url: str, local: LocalStore, *, clock: Callable[[], float] | None = None) -> None:
        self._local = local
        self._clock = clock
        self._client = _connect(url)
        self._take = self._client.register_script(_TAKE)
        self._give_back = self._client.register_script(_GIVE_BACK)
        #: When to try again; 0: it is there.
        self._down_until = 0.0
        self._tasks: set[asyncio.Task[Any]] = set()

    async def take(self, subjects: Sequence[Subject]) -> Held | Denial:
        """Count a request for all subjects, or for none."""
        if time.monotonic() < self._down_until:
            return await self._local.take(subjects)
        place = _Place(self, subjects)
        limits = [
            -1 if limit is None else limit
            for subject in subjects
            for limit in (
                subject.limits.requests_per_minute,
                subject.limits.tokens_per_minute,
                subject.limits.max_concurrency,
            )
        ]
        taking = self._start(self._run(self._take, place, _FORGOTTEN, *limits))
        try:
            answer = await asyncio.shield(taking)
        except asyncio.CancelledError:
            self._start(self._undo(taking, place))
            raise
        if answer is None:
            return await self._local.take(subjects)
        if not answer:
            return place
        number, what, used, wait = answer
        return Denial(subjects[number - 1], _WHAT[what], used, float(wait))  # type: ignore[arg-type]  # one of the words

    async def give_back(self, place: _Place, tokens: int) -> None:
        """Free a place; a caller that is cancelled does not stop it."""
        await asyncio.shield(self._start(self._run(self._give_back, place, tokens)))

    async def _undo(self, taking: asyncio.Task[Any], place: _Place) -> None:
        """Free a place that nobody waited for; not before it is taken, for the server may see the two in any order."""
        if await taking == []:
            await self._run(self._give_back, place, 0)

    def _start(self, work: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _run(self, script: Callable[..., Awaitable[Any]], place: _Place, *args: object) -> Any:
        """Run a script; None: it could not be reached."""
        from redis.exceptions import RedisError

        now = "" if self._clock is None else repr(self._clock())
        try:
            answer = await script(keys=place.keys, args=[now, place.name, *args])
        except (RedisError, OSError) as error:
            if not self._down_until:
                log.warning("limits: redis_url cannot be used, each worker counts for itself: %s", type(error).__name__)
            self._down_until = time.monotonic() + _PAUSE
            return None
        if self._down_until:
            self._down_until = 0.0
            log.warning("limits: redis_url can be used again, all workers count together")
        return answer

    async def close(self) -> None:
        """Wait for what is being given back, and close the connections."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose(close_connection_pool=True)


class _Place:
    """A request that is counted for some subjects."""

    def __init__(self, store: SharedStore, subjects: Sequence[Subject]) -> None:
        self._store = store
        self.name = secrets.token_hex(8)
        self.keys = [
            f"{_PREFIX}:{subject.name}:{part}" for subject in subjects for part in ("requests", "tokens", "open")
        ]

    async def give_back(self, tokens: int) -> None:
        await self._store.give_back(self, tokens)


def _connect(url: str) -> Any:
    try:
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError as cause:
        message = "redis_url needs the package redis: pip install 'dragoman-server[redis]'"
        raise ConfigError(message) from cause
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=_PATIENCE,
            socket_timeout=_PATIENCE,
            socket_connect_timeout=_PATIENCE,
            # A connection that was closed while nobody used it is made anew.
            retry=Retry(NoBackoff(), 1),
        )
    except ValueError as cause:
        # The address may hold a password.
        message = "redis_url is no address: write redis://HOST:6379/0, rediss://… or unix://…"
        raise ConfigError(message) from cause
    return Redis(connection_pool=pool)
