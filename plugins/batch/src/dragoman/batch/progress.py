"""How far a run is, for people: a line that changes on a terminal, otherwise one now and then; and the summary."""

from __future__ import annotations

import os
import shutil
import sys
import time
import warnings
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dragoman.batch.summary import Summary

#: Seconds between two looks, and between two lines where there is no terminal.
LOOK, _NOW_AND_THEN = 0.2, 30.0
#: Seconds of waiting that are told.
_LONG = 2.0
#: Characters by which a warning is known again: what follows has numbers of its request.
_BEGINNING = 40
_CLEAR = "\r\x1b[K"
_BAR = 20
_MINUTE, _HOUR = 60, 3600
#: US dollars: the least that is told.
_LEAST = Decimal("0.0001")


class Progress:
    """Shows a run on stderr. `extent` returns how many lines are done, and of how many; None: nobody knows."""

    def __init__(
        self, summary: Summary, extent: Callable[[], tuple[float, float] | None], *, quiet: bool = False
    ) -> None:
        self._summary = summary
        self._extent = extent
        self._quiet = quiet
        self._terminal = not quiet and sys.stderr.isatty()
        self._color = False if os.environ.get("NO_COLOR") else None
        self._told = time.monotonic()
        #: Seconds that providers have asked us to wait.
        self.pause = 0.0

    def show(self) -> None:
        """Show where the run is, if it is time."""
        if self._terminal:
            text = self._line(bar=True)[: shutil.get_terminal_size().columns - 1]
            self._write(f"{_CLEAR}{text}")
        elif not self._quiet and time.monotonic() - self._told >= _NOW_AND_THEN:
            self._told = time.monotonic()
            self.say(self._line(bar=False))

    def say(self, text: str) -> None:
        """Write a line of its own."""
        self.clear()
        self._write(f"dragoman: {text}\n")

    def clear(self) -> None:
        """Take the line away."""
        if self._terminal:
            self._write(_CLEAR)

    def _write(self, text: str) -> None:
        try:
            click.echo(text, err=True, nl=False, color=self._color)
        except OSError:
            # Nobody looks any more: a pipe's reader, or the terminal, is gone. The answers on their way are not.
            self._quiet, self._terminal = True, False

    def _line(self, *, bar: bool) -> str:
        summary, extent, rate = self._summary, self._extent(), self._summary.rate()
        parts = [
            f"{summary.done:,} done",
            f"{summary.failed + summary.bad:,} failed",
            f"{short(summary.tokens)} tokens",
        ]
        parts += [money(summary.cost)] if summary.cost else []
        parts.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s")  # noqa: PLR2004 (two digits)
        if self.pause > _LONG:
            parts.append(f"asked to wait {duration(self.pause)}")
        head = ""
        if extent is not None:
            finished, whole = extent
            share = min(1.0, finished / whole)
            filled = int(share * _BAR)
            head = f"{'█' * filled}{'░' * (_BAR - filled)} {share:4.0%}  " if bar else f"{share:.0%}: "
            if rate > 0:
                parts.append(f"{duration(max(0.0, whole - finished) / rate)} left")
        return head + ", ".join(parts)


@contextmanager
def seldom() -> Iterator[None]:
    """Have one warning, which each of a million requests may be worth, shown now and then only, in this block."""
    usual, told = warnings.showwarning, dict[tuple[str, int, str], float]()

    def show(message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None) -> None:  # noqa: PLR0913, PLR0917 (as the standard library has it)
        one, now = (filename, lineno, str(message)[:_BEGINNING]), time.monotonic()
        if one not in told or now - told[one] >= _NOW_AND_THEN:
            told[one] = now
            if sys.stderr.isatty():
                click.echo(_CLEAR, err=True, nl=False)
            usual(message, category, filename, lineno, file, line)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = usual


def lines_of(summary: Summary) -> list[str]:
    """Say what a run did."""
    parts = [f"{summary.answered:,} answered", f"{summary.failed:,} failed", f"{summary.bad:,} bad lines"]
    before = "known" if summary.failed_before else "answered before"
    parts += [f"{summary.skipped:,} {before}"] if summary.skipped else []
    parts += [f"{summary.cached:,} from the cache"] if summary.cached else []
    parts += [f"{summary.retries:,} retries"]
    took = f"in {duration(summary.seconds)}"
    rate = summary.done / summary.seconds if summary.seconds else 0.0
    lines = [f"{', '.join(parts)} {took} ({rate:,.1f}/s)"]
    tokens = f"tokens: {summary.prompt_tokens:,} prompt, {summary.completion_tokens:,} completion"
    unknown = f" and what {summary.unpriced:,} answers of unknown price cost" if summary.unpriced else ""
    cost = f"; cost: {money(summary.cost)}{unknown}" if summary.cost or not summary.unpriced else "; cost: unknown"
    lines.append(tokens + cost)
    shares = [(name, summary.latencies.percentile(share)) for name, share in _SHARES]
    if any(seconds is not None for _, seconds in shares):
        lines.append("latency: " + ", ".join(f"{name} {seconds:.3g} s" for name, seconds in shares))
    if summary.failed_before:
        lines.append(f"failed in earlier runs: {summary.failed_before:,} (--retry-failed asks them again)")
    return lines


_SHARES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))


def money(cost: Decimal) -> str:
    """Write US dollars."""
    if cost >= 1 or not cost:
        return f"${cost:,.2f}"
    return f"${cost:.4f}" if cost >= _LEAST else f"less than ${_LEAST}"


def short(number: int) -> str:
    """Write a large number shortly."""
    for size, name in ((10**9, "G"), (10**6, "M"), (10**4, "k")):
        if number >= size:
            return f"{number / (size if size != 10**4 else 1000):.1f}{name}"
    return str(number)


def duration(seconds: float) -> str:
    """Write seconds as 0:07 or 1:02:03."""
    whole = round(seconds)
    minutes = f"{whole % _HOUR // _MINUTE}:{whole % _MINUTE:02}"
    return minutes if whole < _HOUR else f"{whole // _HOUR}:{minutes.zfill(5)}"
