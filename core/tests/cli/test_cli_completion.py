from __future__ import annotations

from typing import Any

import pytest
from click.shell_completion import ShellComplete

from dragoman.core.cli import program
from dragoman.core.plugins import plugins


@pytest.mark.parametrize(("shell", "word"), [("bash", "complete -o"), ("zsh", "#compdef"), ("fish", "complete --")])
def test_the_script(run: Any, shell: str, word: str) -> None:
    result = run("completion", shell)
    assert result.exit_code == 0
    assert word in result.stdout
    assert "_DRAGOMAN_COMPLETE" in result.stdout


def complete(*args: str, incomplete: str = "") -> list[str]:
    found = ShellComplete(program, {}, "dragoman", "_DRAGOMAN_COMPLETE").get_completions(list(args), incomplete)
    return [item.value for item in found]


def test_commands_and_options_are_completed() -> None:
    assert complete(incomplete="co") == ["completion", "config"]
    assert "--max-rounds" in complete("chat", incomplete="--m")


def test_providers_are_completed() -> None:
    names = sorted(plugins().providers())
    assert complete("models") == names
    assert complete("chat", "-m") == [f"{name}/" for name in names]
    assert complete("chat", "-m", incomplete="zz") == []
