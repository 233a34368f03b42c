"""The prompt: a conversation at the terminal, line by line."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from dragoman.core.cli.failures import describe
from dragoman.core.cli.terminal import is_terminal

if TYPE_CHECKING:
    from dragoman.core.cli.conversation import Conversation
    from dragoman.core.provider import Json

_HELP = """\
A line that ends in \\ goes on in the next one; a line of three quotes (\"\"\") opens and closes a longer text.
Arrow keys bring earlier lines back. Ctrl-C stops an answer, not the program; what was read of it stays known.
/clear forgets the conversation, /help shows this, /exit or Ctrl-D ends."""
_QUOTES = '"""'
_COMMAND = re.compile(r"/[a-z]+")


def converse(conversation: Conversation, attachments: list[Json]) -> None:
    """Ask for messages and show the answers until the user has enough. `attachments` go with the first message."""
    # Gives `input` its line editing and history, where the system has it; nothing is written to disk.
    with suppress(ImportError):
        import readline  # noqa: F401 (importing it is its use)

    view = conversation.view
    view.note(f"{conversation.params['model']}\n{_HELP}")
    while True:
        try:
            text = _read().strip()
        except EOFError:
            view.note("")
            return
        except KeyboardInterrupt:
            view.note("\n(Ctrl-D or /exit ends)")
            continue
        if text in {"/exit", "/quit"}:
            return
        if _COMMAND.fullmatch(text):
            _obey(text, conversation)
        elif text and _answer(conversation, [*attachments, {"type": "text", "text": text}] if attachments else text):
            attachments = []


def _obey(command: str, conversation: Conversation) -> None:
    if command == "/clear":
        conversation.clear()
        conversation.view.note("(forgotten)")
    elif command == "/help":
        conversation.view.note(_HELP)
    else:
        conversation.view.note(f"there is no command {command}; /help tells which there are")


def _answer(conversation: Conversation, content: str | list[Json]) -> bool:
    """Run one turn; whether its message has become part of the conversation."""
    try:
        conversation.ask(content)
    except KeyboardInterrupt:
        conversation.view.note("\n(stopped)")
        return conversation.messages[-1:] != [] and conversation.messages[-1]["role"] == "assistant"
    except Exception as error:  # noqa: BLE001 (a conversation outlives an answer that failed)
        conversation.view.note(describe(error), "red")
        return False
    return True


def _read() -> str:
    """Read one message, which may have several lines."""
    line = _line("> ")
    if line.strip().startswith(_QUOTES):
        return _block(line.strip().removeprefix(_QUOTES))
    lines = [line]
    while lines[-1].endswith("\\"):
        lines[-1] = lines[-1][:-1]
        lines.append(_line(". "))
    return "\n".join(lines)


def _block(line: str) -> str:
    lines = []
    while not line.rstrip().endswith(_QUOTES):
        lines.append(line)
        line = _line(". ")
    return "\n".join([*lines, line.rstrip().removesuffix(_QUOTES)])


def _line(prompt: str) -> str:
    if is_terminal(sys.stdout):
        return input(prompt)
    if sys.stderr is not None:
        sys.stderr.write(prompt)
        sys.stderr.flush()
    return input()
