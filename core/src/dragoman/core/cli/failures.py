"""Errors for people: one line on stderr, and an exit code for scripts."""

from __future__ import annotations

import errno
import re
import traceback
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from dragoman.core.secrecy import secret_variables

if TYPE_CHECKING:
    from collections.abc import Iterator

OK, FAULT, USAGE, AUTH, RATE_LIMIT, PROVIDER, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

#: The most special class in an exception's family decides. By name, since importing openai takes a second.
_CODES = {
    "MissingKey": AUTH,
    "AuthenticationError": AUTH,
    "PermissionDeniedError": AUTH,
    "RateLimitError": RATE_LIMIT,
    "DragomanError": USAGE,
    "OpenAIError": PROVIDER,
    "ClickException": USAGE,
    "Abort": INTERRUPTED,
    "KeyboardInterrupt": INTERRUPTED,
}


_UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})


class ProviderFailure(click.ClickException):
    """The provider answered, but not with anything to go on with."""

    exit_code = PROVIDER


@contextmanager
def naming(client: Any, model: str) -> Iterator[None]:
    """Say of a missing key that the model's name has no provider, where the default one was asked for that."""
    from dragoman.core.errors import MissingKey

    try:
        yield
    except MissingKey as error:
        dispatcher = client._dispatcher  # noqa: SLF001 (our own client's)
        router, config = dispatcher.router, dispatcher.config
        listed = config is not None and config.named(model)
        if listed or router.split(model) != (router.default_provider, model):
            raise
        message = (
            f"{error} ({model!r} names no provider, so the default one, {router.default_provider}, was asked; "
            "models are provider/model)"
        )
        raise MissingKey(message) from error


def cannot_write(error: OSError) -> bool:
    """Whether what a program writes to has no room, or is gone; of a named file somebody else tells."""
    return error.filename is None and error.errno in _UNWRITABLE


def exit_code(error: BaseException) -> int:
    """Return the program's exit code for an exception."""
    if isinstance(error, OSError) and cannot_write(error):
        return USAGE
    if isinstance(error, click.ClickException):
        return error.exit_code if error.exit_code != FAULT else USAGE
    names = (cls.__name__ for cls in type(error).__mro__)
    return next((_CODES[name] for name in names if name in _CODES), FAULT)


def describe(error: BaseException) -> str:
    """Say what happened, without anybody's key: in one line, but for what a request on no tape differs in."""
    if isinstance(error, OSError) and cannot_write(error):
        return f"the output cannot be written: {error.strerror}"
    if type(error).__name__ == "TapeError":
        return redact(str(error))
    if isinstance(error, click.ClickException):
        text = error.format_message()
        context = getattr(error, "ctx", None)
        if context is not None:
            text += f" ('{context.command_path} --help' tells more)"
    else:
        text = _message(error)
        status, request = getattr(error, "status_code", None), getattr(error, "request_id", None)
        facts = [f"HTTP {status}" if status else "", f"request {request}" if request else ""]
        if any(facts):
            text += f" ({', '.join(filter(None, facts))})"
        if exit_code(error) == FAULT:
            text = f"internal error: {type(error).__name__}: {text} (--debug shows where)"
    return redact(" ".join(text.split()) or type(error).__name__)


def _message(error: BaseException) -> str:
    """The provider's own words where there are some; the openai SDK's "Connection error." with its reason."""
    body = getattr(error, "body", None)
    words = body.get("message") if isinstance(body, dict) else None
    if isinstance(words, str):
        return words
    text, reason = str(error), str(error.__cause__ or "")
    innermost = reason.rpartition(": ")[2]
    if exit_code(error) == PROVIDER and reason and innermost not in text:
        text = f"{text.rstrip('.')}: {reason}"
    return text


def report(error: BaseException, *, debug: bool) -> int:
    """Print an error to stderr, if anybody can see it, and return the exit code for it."""
    code = exit_code(error)
    with suppress(OSError):
        _tell(error, code, debug=debug)
    return code


def _tell(error: BaseException, code: int, *, debug: bool) -> None:
    if debug:
        click.echo(redact("".join(traceback.format_exception(error))), err=True, nl=False)
    if code == INTERRUPTED:
        # The cursor stands behind the terminal's "^C".
        click.echo(err=True)
    elif type(error).__name__ == "NoArgsIsHelpError":
        # A page of help, not a line. click has the class since 8.2.
        click.echo(str(error), err=True)
    else:
        click.echo(f"dragoman: {describe(error)}", err=True)


def prefixed(name: str, text: str) -> str:
    """Put a provider's name before a text, unless it begins with that."""
    return text if re.match(rf"{re.escape(name)}\b", text) else f"{name}: {text}"


def redact(text: str) -> str:
    """Put the name of the environment variable in the place of every secret that a server echoed."""
    for name, value in secret_variables().items():
        text = text.replace(value, f"[{name}]")
    return text
