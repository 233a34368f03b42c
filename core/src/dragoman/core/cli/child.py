"""Runs another program in the place of this one: same terminal, same signals, same exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType

#: What shells answer for a program that is not there, or that cannot be run; and add to the number of a signal.
_MISSING, _NO_PROGRAM, _SIGNALLED = 127, 126, 128
#: What a terminal sends to everybody at once.
_FROM_TERMINAL = frozenset({"SIGINT", "SIGQUIT"})
_PASSED_ON = ("SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGCONT")


def run(command: Sequence[str], settings: Mapping[str, str | None]) -> int:
    """Run a program with these environment variables (None: unset) and return its exit code, as a shell would."""
    environment = {name: value for name, value in {**os.environ, **settings}.items() if value is not None}
    with _passing_on() as started:
        try:
            child = subprocess.Popen(command, env=environment)  # noqa: S603 (running the caller's program is the point)
        except FileNotFoundError:
            return _refuse(f"{command[0]}: there is no such program", _MISSING)
        except OSError as exception:
            return _refuse(f"{command[0]} cannot be run: {exception.strerror}", _NO_PROGRAM)
        started(child)
        code = child.wait()
    return code if code >= 0 else _SIGNALLED - code


def _refuse(message: str, code: int) -> int:
    sys.stderr.write(f"dragoman: {message}\n")
    return code


@contextmanager
def _passing_on() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Hand signals on to the child, and live until it has ended. It is named by a call of what this gives.

    They are kept from before it is started, since it may be at work, and whoever started us may know it, before we are.
    What is ignored stays ignored, by the child too.
    """
    children: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int, _: FrameType | None) -> None:
        if not children:
            early.append(number)
        elif signal.Signals(number).name not in _FROM_TERMINAL or not _in_foreground():
            children[0].send_signal(number)

    def started(child: subprocess.Popen[bytes]) -> None:
        children.append(child)
        for number in early:
            child.send_signal(number)

    numbers = [getattr(signal, name) for name in _PASSED_ON if hasattr(signal, name)]
    heard = [number for number in numbers if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, pass_on) for number in heard}
    try:
        yield started
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _in_foreground() -> bool:
    """Whether the terminal's own signals reach the child too."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY)
    except OSError:
        # No terminal; on Windows, one that sends to all who share it.
        return os.name == "nt"
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    finally:
        os.close(terminal)
