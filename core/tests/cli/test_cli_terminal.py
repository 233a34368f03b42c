from __future__ import annotations

import io
from typing import TYPE_CHECKING

from dragoman.core.cli.terminal import Console, View, clean

if TYPE_CHECKING:
    import pytest


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def use_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Make both streams one terminal; no fixture, since pytest sets them anew for each phase of a test."""
    both = Terminal()
    monkeypatch.setattr("sys.stdout", both)
    monkeypatch.setattr("sys.stderr", both)
    monkeypatch.setenv("TERM", "xterm-256color")
    return both


def test_control_characters_are_dropped() -> None:
    assert clean("a\tb\nc\x1b[31m\x07\r\x9b2J é 世") == "a\tb\nc[31m2J é 世"


def test_an_answer_on_a_pipe_is_untouched(capsys: pytest.CaptureFixture[str]) -> None:
    view = View()
    for text in ("one\r\n", "[bold]two[/bold] \x1b[0m", ":smile: " + "long " * 100):
        view.text(text)
    view.end()
    view.end()
    out = "one\r\n[bold]two[/bold] \x1b[0m:smile: " + "long " * 100 + "\n"
    assert capsys.readouterr() == (out, "")


def test_a_line_that_ended_is_not_ended_again(capsys: pytest.CaptureFixture[str]) -> None:
    view = View()
    view.text("done\n")
    view.end()
    assert capsys.readouterr().out == "done\n"


def test_reasoning_stands_apart(capsys: pytest.CaptureFixture[str]) -> None:
    view = View()
    view.reasoning("hm, ")
    view.reasoning("well")
    view.text("yes")
    view.note("→ f() " + "long " * 100)
    assert capsys.readouterr() == ("yes\n", "hm, well\n→ f() " + ("long " * 100).rstrip() + "\n")


def test_a_terminal_sees_dimmed_reasoning_and_no_escapes_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = use_terminal(monkeypatch)
    view = View()
    view.reasoning("hm")
    view.text("a\x1b[31mb")
    view.end()
    assert terminal.getvalue() == "\x1b[2mhm\x1b[0m\na[31mb\n"


def test_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = use_terminal(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    view = View()
    view.reasoning("hm")
    view.note("note", "red")
    Console().print("text", style="bold red")
    assert "\x1b" not in terminal.getvalue()
    monkeypatch.setenv("NO_COLOR", "")
    Console().print("text", style="bold red")
    assert "\x1b[31m\x1b[1m" in terminal.getvalue()
