"""Recorded traffic, served on loopback to the real clients; one table at the end says what became of each line.

A test asks for one line by the name of its argument: `answer`, `carried`, `failure`, `asked`, `other`. That name is
also its table. What a test skips is "left out", with the reason it gives.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import Counter
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

# The judge's own modules; tests are loaded by importlib and cannot import each other.
sys.path.insert(0, str(Path(__file__).parent))

from recorded_judge import traffic
from recorded_judge.roads import AsyncRoad, Road, SyncRoad
from recorded_judge.tally import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

TITLES = {
    "answer": "answers",
    "carried": "answers sent back (carry)",
    "failure": "errors",
    "asked": "requests",
    "other": "other endpoints",
}
TABLES = pytest.StashKey[dict[str, Table]]()
#: The property of a report that says what became of its line: table, file, column, reason.
JUDGED = "judged"


def _about(argument: str, exchange: traffic.Exchange) -> bool:
    """Whether a table is about this line."""
    match argument:
        case "other":
            return exchange.kind != exchange.family.kind
        case _ if exchange.kind != exchange.family.kind:
            return False
        case "answer":
            return not exchange.failed
        case "carried":
            return not exchange.failed and not exchange.family.plain_body
        case "failure":
            return exchange.failed
        case _:
            return True


def _exchanges(argument: str) -> list[traffic.Exchange]:
    return [exchange for exchange in [*traffic.judged(), *traffic.others()] if _about(argument, exchange)]


class Counted:
    """Counts what the reports say; they may come from workers."""

    def __init__(self, tables: dict[str, Table]) -> None:
        self._tables = tables

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        said = dict(report.user_properties).get(JUDGED)
        if said is None:
            return
        argument, file, column, reason = said
        if argument not in self._tables:
            lines = Counter(exchange.file for exchange in _exchanges(argument))
            self._tables[argument] = Table(TITLES[argument], lines)
        self._tables[argument].count(file, column, reason)
        self._tables[argument].notes.update(str(value) for name, value in report.user_properties if name == "note")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TABLES] = {}
    config.pluginmanager.register(Counted(config.stash[TABLES]))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for argument in set(TITLES) & set(metafunc.fixturenames):
        exchanges = _exchanges(argument)
        if not exchanges:
            reason = f"{traffic.VARIABLE} does not name a folder of recordings"
            metafunc.parametrize(argument, [pytest.param(None, marks=pytest.mark.skip(reason=reason))], ids=["none"])
            continue
        metafunc.parametrize(argument, exchanges, ids=[exchange.id for exchange in exchanges])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            # An adapted or left-out parameter is no failure here; every other warning still is.
            item.add_marker(pytest.mark.filterwarnings("ignore::dragoman.core.DragomanWarning"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    report: Any = yield
    params = item.callspec.params if hasattr(item, "callspec") else {}
    for argument in set(TITLES) & set(params):
        exchange = params[argument]
        if exchange is None or (report.when == "setup" and report.passed) or report.when == "teardown":
            continue
        column = {"passed": "right", "failed": "wrong", "skipped": "left out"}[report.outcome]
        reason = report.longrepr[2].removeprefix("Skipped: ") if report.skipped else ""
        report.user_properties.append((JUDGED, (argument, exchange.file, column, reason)))
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    tables = [config.stash[TABLES][argument] for argument in TITLES if argument in config.stash[TABLES]]
    if not tables:
        return
    terminalreporter.section("recorded traffic")
    lines = traffic.lines()
    judged = {exchange.id for exchange in [*traffic.judged(), *traffic.others()]}
    others = Counter(f"{line.file} {line.kind}" for line in lines if line.id not in judged)
    terminalreporter.line(
        f"{len(lines)} lines, {len(judged)} of them of a judged kind; the others: "
        + ", ".join(f"{number} {name}" for name, number in sorted(others.items()))
    )
    for table in tables:
        terminalreporter.line("")
        for row in table.text():
            terminalreporter.line(row)


@pytest.fixture(scope="session")
def replay() -> Iterator[Any]:
    """The recordings' own server, with every judged line."""
    served = [*traffic.judged(), *traffic.others()]
    with traffic.replay_server({exchange.id: exchange.line for exchange in served}) as server:
        yield server


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One event loop for the module's asynchronous calls, so that connections are kept."""
    with asyncio.Runner() as runner:
        yield runner


class Roads:
    """The ways to make a call, by family; made when first asked for. A call names its recording in a header."""

    def __init__(self, url: str, runner: asyncio.Runner) -> None:
        self._url = url
        self._runner = runner
        self._found: dict[str, list[Road]] = {}
        self._clients: list[Any] = []

    def __getitem__(self, family: traffic.Family) -> list[Road]:
        """Four roads: both clients, on the plain road and on the HTTP road. Skips if the plugin is not there."""
        if reason := traffic.missing(family.provider_name):
            pytest.skip(reason)
        if family.name not in self._found:
            self._found[family.name] = self._make(family)
        return self._found[family.name]

    def _make(self, family: traffic.Family) -> list[Road]:
        from dragoman.core import AsyncClient, Client

        options = self._options(family)
        client, async_client = Client(**options), AsyncClient(**options)
        self._clients += [client, async_client]
        return [
            SyncRoad("Client", http=False, client=client),
            SyncRoad("Client, raw response", http=True, client=client),
            AsyncRoad("AsyncClient", http=False, client=async_client, runner=self._runner),
            AsyncRoad("AsyncClient, raw response", http=True, client=async_client, runner=self._runner),
        ]

    def _options(self, family: traffic.Family) -> dict[str, Any]:
        reach: dict[str, Any] = {"base_url": self._url + family.suffix, "api_key": "test-key"}
        start: dict[str, Any] = {"default_provider": family.prefix, "max_retries": 0}
        if family.prefix == "instance":
            return {**start, "providers": [provider_of(family, reach | dict(family.options))]}
        return {**start, **reach}

    def close(self) -> None:
        for client, async_client in zip(self._clients[::2], self._clients[1::2], strict=True):
            client.close()
            self._runner.run(async_client.close())


def provider_of(family: traffic.Family, options: dict[str, Any]) -> Any:
    """An instance of the family's provider, or of the class that stands behind all compatible ones."""
    from dragoman import core

    if family.name == traffic.COMPATIBLE:
        return core.CompatibleProvider(name=family.prefix, **options)
    (entry,) = entry_points(group="dragoman.providers", name=family.provider_name)
    return entry.load()(name=family.prefix, **options)


@pytest.fixture(scope="module")
def roads(replay: Any, runner: asyncio.Runner) -> Iterator[Roads]:
    found = Roads(replay.url, runner)
    yield found
    found.close()


@pytest.fixture
def lone_client(replay: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[traffic.Exchange], Any]]:
    """Makes a client that reaches one provider only: a list of models asks all the others too."""
    from dragoman.core import Client, plugins

    monkeypatch.setenv("DRAGOMAN_PLUGINS", "")
    # What is installed is looked up once in a process.
    monkeypatch.setattr(plugins, "_installed", plugins.Plugins())
    with contextlib.ExitStack() as stack:

        def make(exchange: traffic.Exchange) -> Any:
            family = exchange.family
            if reason := traffic.missing(family.provider_name):
                pytest.skip(reason)
            address = replay.base_url(exchange.id, suffix=family.suffix)
            provider = provider_of(family, {"base_url": address, "api_key": "test-key", **dict(family.options)})
            return stack.enter_context(Client(default_provider=provider.name, providers=[provider], max_retries=0))

        yield make
