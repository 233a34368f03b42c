"""docs/hooks.md names every hook with exactly the arguments that there are."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pluggy

from dragoman.core import hookspecs

PAGE = Path(__file__).resolve().parents[1] / "docs/hooks.md"


def test_the_page_and_the_hookspecs_agree_argument_by_argument() -> None:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    names = [name for name, hook in vars(manager.hook).items() if isinstance(hook, pluggy.HookCaller)]
    hooks = {f"{name}({', '.join(inspect.signature(getattr(hookspecs, name)).parameters)})" for name in names}
    page = PAGE.read_text("utf-8")
    assert set(re.findall(r"(?m)^## `(\w+\(.*\))`$", page)) == hooks
    assert set(re.findall(r"(?m)^\| \[`(\w+\(.*?\))`\]\(#", page)) == hooks
