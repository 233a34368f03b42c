"""Recorded traffic, served on loopback to the real clients; one table at the end says what became of each line.

A test asks for one line by the name of its argument: `answer`, `carried`, `failure`, `asked`. That name is
also its table. What a test skips is "left out", with the reason it gives.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

# The judge's own modules; tests are loaded by importlib and cannot import each other.
sys.path.insert(0, str(Path(__file__).parent))

from recorded_judge import traffic
from recorded_judge.roads import AsyncRoad, Road, SyncRoad
from recorded_judge.tally import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

TITLES = {
    "answer": "answers",
    "carried": "answers sent back (carry)",
    "failure": "errors",
    "asked": "requests",
}
TABLES = pytest.StashKey[dict[str, Table]]()


def _about(argument: str, exchange: traffic.Exchange) -> bool:
    """Whether a table is about this line."""
    match argument:
        case "answer":
            return not exchange.failed
        case "carried":
            return not exchange.failed and not exchange.family.plain_body
        case "failure":
            return exchange.failed
        case _:
            return True


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TABLES] = {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for argument in set(TITLES) & set(metafunc.fixturenames):
        exchanges = [exchange for exchange in traffic.judged() if _about(argument, exchange)]
        if not exchanges:
            reason = f"{traffic.VARIABLE} does not name a folder of recordings"
            metafunc.parametrize(argument, [pytest.param(None, marks=pytest.mark.skip(reason=reason))], ids=["none"])
            continue
        metafunc.config.stash[TABLES][argument] = Table(TITLES[argument], Counter(one.file for one in exchanges))
        metafunc.parametrize(argument, exchanges, ids=[exchange.id for exchange in exchanges])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            # An adapted or left-out parameter is no failure here; every other warning still is.
            item.add_marker(pytest.mark.filterwarnings("ignore::dragoman.core.DragomanWarning"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[Any]:
    report = yield
    params = item.callspec.params if hasattr(item, "callspec") else {}
    for argument in set(TITLES) & set(params):
        exchange, table = params[argument], item.config.stash[TABLES].get(argument)
        if table is None or (report.when == "setup" and report.passed) or report.when == "teardown":
            continue
        column = {"passed": "right", "failed": "wrong", "skipped": "left out"}[report.outcome]
        reason = report.longrepr[2].removeprefix("Skipped: ") if report.skipped else ""
        table.count(exchange.file, column, reason)
        table.notes.update(value for name, value in item.user_properties if name == "note")
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    tables = [table for table in config.stash[TABLES].values() if table.columns]
    if not tables:
        return
    terminalreporter.section("recorded traffic")
    lines = traffic.lines()
    others = Counter(f"{line.file} {line.kind}" for line in lines if line.kind != line.family.kind)
    terminalreporter.line(
        f"{len(lines)} lines, {len(traffic.judged())} of them of a judged kind; the others: "
        + ", ".join(f"{number} {name}" for name, number in sorted(others.items()))
    )
    for table in tables:
        terminalreporter.line("")
        for row in table.text():
            terminalreporter.line(row)


@pytest.fixture(scope="session")
def replay() -> Iterator[Any]:
    """The recordings' own server, with every judged line."""
    with traffic.replay_server({exchange.id: exchange.line for exchange in traffic.judged()}) as server:
        yield server


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One event loop for the module's asynchronous calls, so that connections are kept."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def roads(replay: Any, runner: asyncio.Runner) -> Iterator[dict[str, list[Road]]]:
    """The ways to make a call, by provider. A call names its recording in the header `x-replay-id`."""
    from dragoman.core import AsyncClient, Client

    found: dict[str, list[Road]] = {}
    clients: list[Any] = []
    for family in traffic.FAMILIES:
        options: dict[str, Any] = {"base_url": replay.url + family.suffix, "api_key": "test-key", "max_retries": 0}
        options["default_provider"] = family.provider
        client, async_client = Client(**options), AsyncClient(**options)
        clients += [client, async_client]
        found[family.provider] = [
            SyncRoad("Client", http=False, client=client),
            SyncRoad("Client, raw response", http=True, client=client),
            AsyncRoad("AsyncClient", http=False, client=async_client, runner=runner),
            AsyncRoad("AsyncClient, raw response", http=True, client=async_client, runner=runner),
        ]
    yield found
    for client, async_client in zip(clients[::2], clients[1::2], strict=True):
        client.close()
        runner.run(async_client.close())
