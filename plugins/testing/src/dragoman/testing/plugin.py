"""The part of pytest: an option, one run of a check per tape, and what a failure says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.testing.base import SHELF, SHOWN, WRITTEN, Base
from dragoman.testing.capabilities import write_file
from dragoman.testing.mock import dragoman_mock
from dragoman.testing.recording import RECORDED, record_folder
from dragoman.testing.suite import ProviderSuite
from dragoman.testing.tapes import TapeError, read_tapes

if TYPE_CHECKING:
    from collections.abc import Generator


__all__ = ["dragoman_mock"]  # pytest finds a plugin's fixtures by their names in its module

#: Suites -> the names of their checks that ran, and whether all is well; for `--capabilities=write`.
_RAN = pytest.StashKey[dict[type[Base], "_Run"]]()


@dataclass
class _Run:
    """One suite in one run of pytest."""

    checks: set[str] = field(default_factory=set)
    failed: int = 0
    left_out: int = 0

    def gap(self) -> str:
        """Why this run proves nothing; empty if it does."""
        lacking = {name for name in dir(ProviderSuite) if name.startswith("test_")} - self.checks
        if self.failed:
            return f"{self.failed} checks failed"
        return "not all of its checks were run" if self.left_out or lacking else ""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--tapes` and `--capabilities`."""
    group = parser.getgroup("dragoman")
    group.addoption(
        "--tapes",
        choices=("check", "write", "record"),
        default="check",
        help="write: fill in what the tapes of a ProviderSuite lack, for review; record: before that, ask the "
        "vendor for the answers that are missing, with the key of the environment (default: check)",
    )
    group.addoption(
        "--capabilities",
        choices=("check", "write"),
        default="check",
        help="write: write the capability file of each provider whose ProviderSuite passes whole (default: check)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begin the lists of what is read, shown and written in this run."""
    config.stash[WRITTEN] = []
    config.stash[RECORDED] = []
    config.stash[SHELF] = {}
    config.stash[SHOWN] = {}
    config.stash[_RAN] = {}
    if config.getoption("capabilities") == "write" and config.getoption("numprocesses", None):
        msg = "--capabilities=write wants the whole suite in one process: leave out -n"
        raise pytest.UsageError(msg)


def _suite_of(item: Any) -> type[Base] | None:
    found = getattr(item, "cls", None)
    return found if isinstance(found, type) and issubclass(found, Base) else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a check once per tape of the kind that it is for; without such a tape, skip it in sight."""
    suite = _suite_of(metafunc)
    chosen = getattr(metafunc.function, "over", None)
    if suite is None or chosen is None:
        return
    kind, first = chosen
    folder = metafunc.definition.path.parent / suite.tapes
    shelf = metafunc.config.stash[SHELF]
    if folder not in shelf and metafunc.config.getoption("tapes") == "record":
        metafunc.config.stash[RECORDED].extend(record_folder(suite, folder, metafunc.config))
    try:
        shelf[folder] = shelf.get(folder) or read_tapes(folder)
    except TapeError as exception:
        raise pytest.UsageError(str(exception)) from exception
    tapes = [tape for tape in shelf[folder] if kind in tape.kinds]
    params: list[Any] = list(tapes[:1] if first else tapes)
    params = params or [f"there is no tape of the kind {kind!r} in {folder.name}/"]
    metafunc.parametrize("tape", params, indirect=True, ids=lambda tape: getattr(tape, "name", "none"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expect the failures that a suite knows, and refuse any other way to switch a check off."""
    for item in items:
        suite = _suite_of(item)
        if suite is None:
            continue
        for mark in item.iter_markers():
            hidden = mark.name in {"skip", "skipif"} or (mark.name == "xfail" and not _is_strict(mark))
            if hidden:
                msg = f"{item.nodeid} is marked {mark.name}: name it in `known_failures`, with the reason"
                raise pytest.UsageError(msg)
        plain = item.name.partition("[")[0]
        reason = suite.known_failures.get(item.name) or suite.known_failures.get(plain)
        if reason:
            item.add_marker(pytest.mark.xfail(strict=True, reason=reason))


def _is_strict(mark: pytest.Mark) -> bool:
    return mark.kwargs.get("strict") is True and bool(mark.kwargs.get("reason")) and not mark.args


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Remember that a suite does not run whole."""
    for item in items:
        if suite := _suite_of(item):
            item.config.stash[_RAN].setdefault(suite, _Run()).left_out += 1


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Name the rule that a failed check holds."""
    report = yield
    suite = _suite_of(item)
    if suite is not None:
        run = item.config.stash[_RAN].setdefault(suite, _Run())
        run.checks.add(item.name.partition("[")[0])
        run.failed += report.failed
    if report.failed and report.when == "call" and suite is not None:
        rule = getattr(item, "function").__doc__  # noqa: B009 (not every pytest.Item has one)
        report.sections.append(("rule", str(rule)))
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Tell what was written, so that somebody reads it."""
    for line in config.stash[RECORDED]:
        terminalreporter.write_line(f"recorded: {line}")
    for line in config.stash[WRITTEN]:
        terminalreporter.write_line(f"written, to be reviewed: {line}")
    if config.getoption("capabilities") != "write":
        return
    telling = {suite: run for suite, run in config.stash[_RAN].items() if suite.tells_capabilities}
    rivals = Counter(suite.provider for suite in telling)
    for suite, run in telling.items():
        gap, evidence = run.gap(), config.stash[SHOWN].get(suite)
        if rivals[suite.provider] > 1:
            gap = f"{rivals[suite.provider]} suites tell, and one shall: set tells_capabilities = False in the others"
        if gap or evidence is None:
            terminalreporter.write_line(f"capabilities not written: {suite.provider.__name__}: {gap}")
        else:
            terminalreporter.write_line(f"capabilities written: {write_file(suite.provider, evidence)}")
