"""The prompt, at a pseudo-terminal."""

from __future__ import annotations

import os
import re
import select
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

pty = pytest.importorskip("pty", reason="pseudo-terminals are POSIX's")

# A session's leader gets its terminal by asking: Ctrl-C then is a signal, as at a real one. A test run in the
# background ignores that signal and its children inherit that; what a person starts at a terminal does not.
LEAD = """
import fcntl, signal, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.default_int_handler)
"""
PROMPT = "\n> "


class Screen:
    """The other end of the terminal."""

    def __init__(self, process: subprocess.Popen[bytes], end: int) -> None:
        self.process = process
        self.end = end
        self.text = ""

    def shows(self, words: str, seconds: float) -> bool:
        """Read until the words come; whether they did."""
        deadline = time.monotonic() + seconds
        while words not in self.text:
            ready = select.select([self.end], [], [], max(0, deadline - time.monotonic()))[0]
            if not ready:
                return False
            # Line editors switch modes and draw; the words are what counts.
            self.text += re.sub(r"\x1b\[[?\d;]*[A-Za-z]|\r", "", os.read(self.end, 4096).decode())
        return True

    def wait_for(self, words: str, seconds: float = 60) -> str:
        """Read until the words come; returns what came before them, and forgets it."""
        assert self.shows(words, seconds), f"{words!r} did not come, but {self.text!r}"
        before, _, self.text = self.text.partition(words)
        return before

    def interrupt(self) -> str:
        """Press Ctrl-C, and again: a line editor that is drawing notices it at the next key only."""
        for _ in range(10):
            self.type("\x03")
            if self.shows(PROMPT, 5):
                break
        return self.wait_for(PROMPT)

    def type(self, text: str) -> None:
        os.write(self.end, text.encode())

    def ask(self, text: str) -> str:
        """Type a line, and return what is shown until the next prompt."""
        self.type(f"{text}\n")
        return self.wait_for(PROMPT)

    def code(self) -> int:
        return self.process.wait(timeout=60)


@pytest.fixture
def open_prompt(start: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Screen]]:
    monkeypatch.setenv("TERM", "xterm")
    ends: list[int] = []

    def open_prompt(*args: str) -> Screen:
        ours, theirs = pty.openpty()
        ends.append(ours)
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
        command = ("chat", "-m", "small", "--base-url", server.url, *args)
        process = start(*command, before=LEAD, start_new_session=True, **streams)
        os.close(theirs)
        screen = Screen(process, ours)
        screen.wait_for(PROMPT)
        return screen

    yield open_prompt
    for end in ends:
        os.close(end)


def said(server: Any) -> list[str]:
    return [message["content"].strip() for message in server.requests[-1]["messages"]]


def test_a_conversation(open_prompt: Any, server: Any) -> None:
    screen = open_prompt("-s", "be brief")
    assert "You said: one" in screen.ask("one")
    assert "You said: two" in screen.ask("two")
    assert said(server) == ["be brief", "one", "You said: one", "two"]
    assert "(forgotten)" in screen.ask("/clear")
    screen.ask("three")
    assert said(server) == ["be brief", "three"]
    screen.type("/exit\n")
    assert screen.code() == 0


def test_ctrl_c_stops_the_answer_and_not_the_program(open_prompt: Any, server: Any) -> None:
    screen = open_prompt("-m", "slow")
    screen.type("tell a story\n")
    screen.wait_for("You ")
    assert "(stopped)" in screen.interrupt()
    server.go_on.set()
    assert "You said: shorter" in screen.ask("shorter")
    assert said(server) == ["tell a story", "You", "shorter"]
    screen.type("\x04")
    assert screen.code() == 0


def test_ctrl_c_at_the_prompt_drops_the_line(open_prompt: Any, server: Any) -> None:
    screen = open_prompt()
    screen.type("never mind")
    screen.wait_for("never mind")
    assert "Ctrl-D or /exit ends" in screen.interrupt()
    screen.ask("hello")
    assert said(server) == ["hello"]
    screen.type("\x04")
    assert screen.code() == 0


def test_several_lines(open_prompt: Any, server: Any) -> None:
    screen = open_prompt()
    screen.type("first\\\n")
    screen.wait_for(". ")
    screen.ask("second")
    assert said(server) == ["first\nsecond"]
    screen.type('"""\n')
    screen.wait_for(". ")
    screen.type("a\\\n")
    screen.wait_for(". ")
    screen.ask(' b"""')
    assert said(server)[-1] == "a\\\n b"
    screen.ask('"""one line"""')
    assert said(server)[-1] == "one line"


def test_history(open_prompt: Any, server: Any) -> None:
    pytest.importorskip("readline", reason="this Python has no line editor")
    screen = open_prompt()
    screen.ask("first")
    screen.ask("second")
    screen.ask("\x1b[A\x1b[A!")
    assert said(server)[-1] == "first!"


def test_an_answer_that_fails_is_one_line(open_prompt: Any, server: Any) -> None:
    screen = open_prompt("-m", "status-429")
    shown = screen.ask("hello").strip().splitlines()
    assert shown == ["hello", "no: Bearer [OPENAI_API_KEY] (HTTP 429, request req_1)"]
    screen.ask("again")
    assert said(server) == ["again"]


def test_commands_and_empty_lines(open_prompt: Any, server: Any) -> None:
    screen = open_prompt()
    assert "there is no command /foo" in screen.ask("/foo")
    assert "/exit or Ctrl-D ends" in screen.ask("/help")
    screen.ask("")
    assert server.requests == []
    screen.ask("/etc/hosts: what is it?")
    assert said(server) == ["/etc/hosts: what is it?"]
    screen.type("/quit\n")
    assert screen.code() == 0


def test_attachments_go_with_the_first_message(open_prompt: Any, server: Any) -> None:
    screen = open_prompt("--image", "https://example.com/cat")
    screen.ask("what is it?")
    screen.ask("sure?")
    first, _, second = server.requests[-1]["messages"]
    assert [part["type"] for part in first["content"]] == ["image_url", "text"]
    assert second["content"] == "sure?"


def test_answers_may_go_elsewhere(start: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only stdin is a terminal: prompts and notes stay out of stdout."""
    ours, theirs = pty.openpty()
    process = start("chat", "-m", "small", "--base-url", server.url, before=LEAD, start_new_session=True, stdin=theirs)
    os.close(theirs)
    os.write(ours, b"hello\n\x04")
    out, err = process.communicate(timeout=60)
    os.close(ours)
    assert (process.returncode, out) == (0, b"You said: hello \n")
    assert b"> " in err
