"""What is written where: answers to stdout, everything else to stderr."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Control characters, but for tab and newline: a model's words must not steer the reader's terminal.
_CONTROLS = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)])


#: Back to the start of a line, and what stands there is gone.
_CLEAR = "\r\x1b[K"


class Console:
    """Writes lines as they are: in colour where there is a terminal, unless NO_COLOR is set."""

    def __init__(self, *, stderr: bool = False) -> None:
        self._stderr = stderr
        self._color = False if os.environ.get("NO_COLOR") else None

    @property
    def is_terminal(self) -> bool:
        """Whether somebody watches."""
        return is_terminal(sys.stderr if self._stderr else sys.stdout)

    @property
    def width(self) -> int:
        """Characters in a line of the terminal; 80 where there is none."""
        return shutil.get_terminal_size().columns

    def print(self, *parts: str | tuple[str, str], style: str = "", end: str = "\n") -> None:
        """Write texts one behind the other; a pair is a text with its own style: colour, "bold", "dim"."""
        text = "".join(_styled(part, style) if isinstance(part, str) else _styled(*part) for part in parts)
        click.echo(text + end, err=self._stderr, nl=False, color=self._color)

    @contextmanager
    def status(self) -> Iterator[Callable[[str], None]]:
        """Give a function that shows what goes on, in a line that is gone afterwards; only a terminal shows it."""
        shown = self.is_terminal

        def show(text: str) -> None:
            if shown:
                self.print(f"{_CLEAR}{text[: self.width - 1]}", end="")

        try:
            yield show
        finally:
            if shown:
                self.print(_CLEAR, end="")


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether a stream is one; None is a stream that the program was started without."""
    return stream is not None and stream.isatty()


def _styled(text: str, style: str) -> str:
    if not style:
        return text
    words = style.split()
    color = next((word for word in words if word not in {"bold", "dim"}), None)
    return click.style(text, fg=color, bold="bold" in words or None, dim="dim" in words or None)


def line_of(cells: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return styled cells without the blanks behind the last of them."""
    cells = [*cells]
    while cells and not cells[-1][0].strip():
        cells.pop()
    return [*cells[:-1], (cells[-1][0].rstrip(), cells[-1][1])] if cells else []


def clean(text: str) -> str:
    """Drop control characters from what others wrote."""
    return text.translate(_CONTROLS)


class View:
    """Shows an answer as it comes: its text on stdout, reasoning and tool calls dimmed on stderr."""

    def __init__(self) -> None:
        self._notes = Console(stderr=True)
        self._raw = not is_terminal(sys.stdout)
        self._thinking = False
        self._open_line = False

    def reasoning(self, text: str) -> None:
        """Some of what the model says to itself."""
        self._thinking = True
        self._notes.print(clean(text), style="dim", end="")

    def text(self, text: str) -> None:
        """Some of the answer; where stdout is no terminal, exactly as it came."""
        self._end_reasoning()
        _write(text if self._raw else clean(text))
        self._open_line = not text.endswith("\n")

    def end(self) -> None:
        """End the line that the answer left open, if it did."""
        self._end_reasoning()
        if self._open_line:
            _write("\n")
        self._open_line = False

    def note(self, text: str, style: str = "dim") -> None:
        """A line that is no part of the answer."""
        self.end()
        self._notes.print(clean(text).rstrip(), style=style)

    def _end_reasoning(self) -> None:
        if self._thinking:
            self._notes.print("")
        self._thinking = False


def _write(text: str) -> None:
    if sys.stdout is not None:
        sys.stdout.write(text)
        sys.stdout.flush()
