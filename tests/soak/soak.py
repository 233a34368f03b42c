"""A run of the soak, and what is to be true of it."""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from gateway import Gateway
from traffic import LIMITED, Clients, Tally
from upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Callable

#: Memory is flat if the median of its last samples is so much above that of the first ones after warm-up, at most.
GROWTH = 0.05
#: Parts of the run: its begin, which fills caches and pools, and what the two medians are of.
WARM_UP, COMPARED = 0.2, 0.2
#: Seconds in which the provider's connection must be closed when a client has gone.
CLOSED = 1.0
#: Seconds between samples, and for which everything may take to settle in the end.
_EVERY, _SETTLED = 1.0, 60.0


@dataclass(frozen=True)
class Plan:
    """`seconds` of traffic by so many `workers`; a reload every `reload` seconds; a stall is one after `stall`."""

    seconds: float
    workers: int = 16
    reload: float = 10.0
    stall: float = 8.0


@dataclass
class Watch:
    """Samples `[seconds, MiB, open files]`, and what it held before and after."""

    samples: list[list[float]] = field(default_factory=list)
    before: dict[str, int] = field(default_factory=dict)
    after: dict[str, int] = field(default_factory=dict)


async def run(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Run it; return the report."""
    with tempfile.TemporaryDirectory(prefix="dragoman-soak-") as folder:
        upstream, tally, watch = Upstream(), Tally(), Watch()
        await upstream.start()
        gateway = Gateway(Path(folder), upstream.port, plan.stall)
        url = await gateway.start()
        try:
            async with Clients(url, upstream, tally) as clients:
                # Each kind once: what is imported and opened when first used is no leak.
                for name in clients.kinds:
                    await clients.ask(name)
            await _settle(gateway, upstream, {}, _held)
            tally.done.clear()
            tally.left.clear()
            watch.before = await _held(gateway, upstream)
            began = time.monotonic()
            async with Clients(url, upstream, tally) as clients:
                watching = asyncio.ensure_future(_sample(gateway, watch, plan, began, say))
                await asyncio.gather(*(clients.work(began + plan.seconds) for _ in range(plan.workers)))
                watching.cancel()
            watch.after = await _settle(gateway, upstream, watch.before, _held)
        finally:
            code = await gateway.stop()
            await upstream.stop()
    return _report(plan, tally, watch, gateway, upstream, code)


async def _sample(gateway: Gateway, watch: Watch, plan: Plan, began: float, say: Callable[[str], None]) -> None:
    reloaded = 0
    while True:
        await asyncio.sleep(_EVERY)
        passed = time.monotonic() - began
        watch.samples.append([round(passed, 1), round(gateway.resident, 2), gateway.files])
        if passed > (reloaded + 1) * plan.reload:
            reloaded += 1
            await gateway.reload(str(reloaded))
        if len(watch.samples) % 30 == 0:
            say(f"{passed:.0f} s: {gateway.resident:.1f} MiB, {gateway.files} files, {gateway.reloads} reloads")


async def _held(gateway: Gateway, upstream: Upstream) -> dict[str, int]:
    """What it holds: connections to the provider that wait for the next call are kept on purpose."""
    return {"tasks": await gateway.tasks(), "files": gateway.files - upstream.connections, "busy": len(upstream.busy)}


async def _settle(gateway: Gateway, upstream: Upstream, wanted: dict[str, int], held: Any) -> dict[str, int]:
    """Wait until it holds no more than before, or for `_SETTLED` seconds; without `wanted`, until nothing moves."""
    until, before = time.monotonic() + _SETTLED, None
    while True:
        found: dict[str, int] = await held(gateway, upstream)
        still = all(found[name] <= wanted[name] for name in found) if wanted else found == before
        if still or time.monotonic() > until:
            return found
        before = found
        await asyncio.sleep(0.3)


def growth(samples: list[list[float]]) -> float:
    """Return by which part memory grew: the median of the last fifth over that of the first fifth after warm-up."""
    after = samples[int(len(samples) * WARM_UP) :]
    few = max(1, int(len(samples) * COMPARED))
    return median(one[1] for one in after[-few:]) / median(one[1] for one in after[:few]) - 1


def _most_in_a_minute(times: list[float]) -> int:
    """Return how many of these fall into one minute at most, as limits count it."""
    times = sorted(times)
    return max((sum(1 for other in times if 0 <= other - one < 60) for one in times), default=0)


def _report(plan: Plan, tally: Tally, watch: Watch, gateway: Gateway, upstream: Upstream, code: int) -> dict[str, Any]:
    waits = [upstream.closed[nonce] - left for nonce, left in tally.left.items() if nonce in upstream.closed]
    waits = sorted(max(0.0, one) for one in waits)
    grown = growth(watch.samples)
    least, most = (kind([one[1] for one in watch.samples]) for kind in (min, max))
    checks = {
        "no answer lost or wrong": [not tally.wrong, f"{len(tally.wrong)} of {tally.done.total()}"],
        "no answer crossed": [not tally.crossed, f"{tally.crossed}"],
        "the provider's connection is closed when its client goes": [
            bool(waits) and waits[-1] <= CLOSED,
            f"{len(waits)} times, after {median(waits):.3f} s, at most {waits[-1]:.3f} s" if waits else "never seen",
        ],
        "memory is flat": [grown <= GROWTH, f"{grown:+.1%} after warm-up, {least:.1f} to {most:.1f} MiB"],
        "nothing is left open": [
            all(watch.after[name] <= watch.before[name] for name in watch.before),
            ", ".join(f"{name} {watch.before[name]} before, {watch.after[name]} after" for name in watch.before),
        ],
        "the limit of a key holds": [
            _most_in_a_minute(tally.served) <= LIMITED,
            f"{_most_in_a_minute(tally.served)} in a minute of {LIMITED}, {tally.refused} refused",
        ],
        "reloads are taken": [
            gateway.reloads >= int(plan.seconds / plan.reload) - 1,
            f"{gateway.reloads} under load",
        ],
        "its log tells of no failure inside": [not gateway.failures, f"{len(gateway.failures)} lines"],
        "SIGTERM ends it": [code in {0, -15}, f"exit status {code}"],
    }
    return {
        "seconds": plan.seconds,
        "workers": plan.workers,
        "requests": dict(tally.done.most_common()),
        "answered upstream": upstream.answered,
        "checks": checks,
        "wrong": tally.wrong[:50],
        "log": gateway.failures[:20],
        "samples": watch.samples,
    }


def text_of(report: dict[str, Any]) -> str:
    """Return the report for people."""
    total = sum(report["requests"].values())
    lines = [f"{total} requests in {report['seconds']:g} s by {report['workers']} clients:"]
    lines += [f"  {count:7} {name}" for name, count in report["requests"].items()]
    lines += [f"{'ok  ' if good else 'FAIL'} {name}: {said}" for name, (good, said) in report["checks"].items()]
    lines += [f"  wrong: {one}" for one in report["wrong"][:20]] + [f"  log: {one}" for one in report["log"][:5]]
    return "\n".join(lines)


def passed(report: dict[str, Any]) -> bool:
    """Whether all was as it should be."""
    return all(good for good, _ in report["checks"].values())
