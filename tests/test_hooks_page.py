"""docs/hooks.md says of every hook what its specification says: arguments, when, what it may change, exceptions."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pluggy
import pytest

from dragoman.core import hookspecs

PAGE = Path(__file__).resolve().parents[1] / "docs/hooks.md"
#: How the sentences of a hookspec's docstring begin -> the row of the page that they are.
ROWS = {"Runs ": "runs", "Return": "returns", "(May|Changes) ": "changes", "An exception ": "exception"}
SENTENCES = re.compile(r"(?<=[.])\s+(?=[A-Z`])")


def hooks() -> list[str]:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    return [name for name, hook in vars(manager.hook).items() if isinstance(hook, pluggy.HookCaller)]


def head(name: str) -> str:
    return f"{name}({', '.join(inspect.signature(getattr(hookspecs, name)).parameters)})"


def table(name: str) -> str:
    """What the page must say of a hook: its arguments, and its docstring in rows."""
    spec = getattr(hookspecs, name)
    signature = inspect.signature(spec)
    rows = {f"`{argument}`": f"`{parameter.annotation}`" for argument, parameter in signature.parameters.items()}
    sentences = SENTENCES.split(" ".join(str(inspect.getdoc(spec)).split()))
    row = ""
    for sentence in sentences:
        row = next((title for start, title in ROWS.items() if re.match(start, sentence)), row)
        rows[row] = f"{rows[row]} {sentence}" if row in rows else sentence
    return "\n".join(["| | |", "|---|---|", *(f"| {title} | {text} |" for title, text in rows.items())])


def section(name: str) -> str:
    """The part of the page under a hook's heading."""
    _, _, below = PAGE.read_text("utf-8").partition(f"## `{head(name)}`\n")
    return below.partition("\n## ")[0]


def test_the_page_and_the_hookspecs_agree_argument_by_argument() -> None:
    heads = {head(name) for name in hooks()}
    page = PAGE.read_text("utf-8")
    assert set(re.findall(r"(?m)^## `(\w+\(.*\))`$", page)) == heads
    assert set(re.findall(r"(?m)^\| \[`(\w+\(.*?\))`\]\(#", page)) == heads


@pytest.mark.parametrize("name", hooks())
def test_the_hookspec_says_all_that_the_page_needs(name: str) -> None:
    rows = re.findall(r"(?m)^\| (\w+) \|", table(name))
    answers = ["returns"] if inspect.signature(getattr(hookspecs, name)).return_annotation != "None" else []
    assert rows == ["runs", *answers, "changes", "exception"]


@pytest.mark.parametrize("name", hooks())
def test_the_page_says_what_the_hookspec_says(name: str) -> None:
    assert table(name) in section(name), f"docs/hooks.md, under `{head(name)}`, wants this table:\n\n{table(name)}"
