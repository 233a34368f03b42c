"""What is written where: answers to stdout, everything else to stderr."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

#: Control characters, but for tab and newline: a model's words must not steer the reader's terminal.
_CONTROLS = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)])


def console(*, stderr: bool = False) -> Console:
    """Make a console that neither wraps nor interprets text, and that NO_COLOR keeps plain."""
    from rich.console import Console

    plain = bool(os.environ.get("NO_COLOR"))
    # rich 13 takes an empty NO_COLOR for one that is set, unless it is told.
    return Console(
        stderr=stderr,
        color_system=None if plain else "auto",
        no_color=plain,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
    )


def clean(text: str) -> str:
    """Drop control characters from what others wrote."""
    return text.translate(_CONTROLS)


class View:
    """Shows an answer as it comes: its text on stdout, reasoning and tool calls dimmed on stderr."""

    def __init__(self) -> None:
        self._notes = console(stderr=True)
        self._raw = not sys.stdout.isatty()
        self._thinking = False
        self._open_line = False

    def reasoning(self, text: str) -> None:
        """Some of what the model says to itself."""
        self._thinking = True
        self._notes.print(clean(text), style="dim", end="")

    def text(self, text: str) -> None:
        """Some of the answer; where stdout is no terminal, exactly as it came."""
        self._end_reasoning()
        sys.stdout.write(text if self._raw else clean(text))
        sys.stdout.flush()
        self._open_line = not text.endswith("\n")

    def end(self) -> None:
        """End the line that the answer left open, if it did."""
        self._end_reasoning()
        if self._open_line:
            sys.stdout.write("\n")
            sys.stdout.flush()
        self._open_line = False

    def note(self, text: str, style: str = "dim") -> None:
        """A line that is no part of the answer."""
        self.end()
        self._notes.print(clean(text).rstrip(), style=style)

    def _end_reasoning(self) -> None:
        if self._thinking:
            self._notes.print()
        self._thinking = False
