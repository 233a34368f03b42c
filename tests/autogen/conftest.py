"""The scenarios of the AutoGen contract: which test holds which, in which line of the framework, and a table of it.

`--write-scenarios` puts what this run found into its column of docs/autogen-scenarios.md.
"""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

# The scripted vendors below are the feature table's, whose asserts pytest rewrites before anybody imports them.
pytest.register_assert_rewrite("feature_table")

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "autogen-scenarios.md"
LINES = ("0.2", "classic", "0.7", "ag2")
HEAD = """\
# AutoGen, scenario by scenario

What dragoman promises to the users of AutoGen, and what the tests found, in each line of the framework. This page is
generated: `nox -t autogen -- --write-scenarios`. A dash: the scenario belongs to another line.

"""
TABLE: dict[str, Any] = tomllib.loads((HERE / "scenarios.toml").read_text("utf-8"))
OUTCOMES = pytest.StashKey[dict[int, dict[str, str]]]()


def line() -> str:
    """Which line of the framework is installed here; empty: none, or several."""
    found = {dist.name.lower(): dist.version for dist in metadata.distributions() if dist.name}
    lines = {
        "0.2": found.get("autogen-agentchat", "").startswith("0.2."),
        "classic": "autogen" in found,
        "0.7": "autogen-core" in found,
        "ag2": found.get("ag2", "0").split(".")[0] != "0",
    }
    here = [name for name, is_here in lines.items() if is_here]
    return here[0] if len(here) == 1 else ""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option that writes the page."""
    parser.addoption("--write-scenarios", action="store_true", help="write docs/autogen-scenarios.md")


def pytest_configure(config: pytest.Config) -> None:
    """The marker."""
    config.addinivalue_line("markers", "scenario(*numbers): scenarios of the AutoGen contract that the test holds")
    config.stash[OUTCOMES] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Note what became of each test of a scenario."""
    report: Any = yield
    if report.when == "call" or not report.passed:
        outcome = "passed" if report.passed else "failed"
        if report.skipped:
            outcome = f"not applicable: {report.longrepr[2].removeprefix('Skipped: ')}"
        for mark in item.iter_markers("scenario"):
            for number in mark.args:
                item.config.stash[OUTCOMES].setdefault(number, {}).setdefault(outcome, item.nodeid)
    return report


def cells(outcomes: dict[int, dict[str, str]], own: str) -> dict[int, str]:
    """Number -> what this line's column says."""
    reasons: dict[str, str] = {**TABLE["not_applicable"], **TABLE.get("not_applicable_in", {}).get(own, {})}
    found = {}
    for key, scenario in TABLE["scenarios"].items():
        number, seen = int(key), outcomes.get(int(key), {})
        if own not in scenario["lines"]:
            found[number] = "-"
        elif seen:
            bad = [outcome for outcome in seen if outcome != "passed"]
            found[number] = "passed" if not bad else ("failed" if "failed" in bad else bad[0])
        else:
            found[number] = f"not applicable: {reasons[key]}" if key in reasons else "no test"
    return found


def columns() -> dict[str, dict[int, str]]:
    """What the page says, by line."""
    found: dict[str, dict[int, str]] = {name: {} for name in LINES}
    for row in PAGE.read_text("utf-8").splitlines() if PAGE.is_file() else ():
        if match := re.fullmatch(r"\| (\d+) \|(.*)\|", row):
            for name, cell in zip(LINES, match[2].split("|")[1:], strict=True):
                found[name][int(match[1])] = cell.strip()
    return found


def page(found: dict[str, dict[int, str]]) -> str:
    """Write the page."""
    rows = [f"| # | scenario | {' | '.join(LINES)} |", f"|--:|---|{'---|' * len(LINES)}"]
    for key, scenario in TABLE["scenarios"].items():
        said = " | ".join(found[name].get(int(key)) or "not run" for name in LINES)
        rows.append(f"| {key} | {scenario['title']} | {said} |")
    return HEAD + "\n".join(rows) + "\n"


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table, and write it if that was asked for."""
    own, outcomes = line(), config.stash[OUTCOMES]
    if not own or not outcomes:
        return
    found = cells(outcomes, own)
    terminalreporter.section(f"scenarios, AutoGen {own}")
    for number, cell in found.items():
        if cell != "-":
            terminalreporter.write_line(f"{number:>3}  {own:<8} {cell:<8}  {TABLE['scenarios'][str(number)]['title']}")
    if config.getoption("--write-scenarios"):
        PAGE.write_text(page({**columns(), own: found}), "utf-8")
