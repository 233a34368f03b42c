"""`dragoman chat`."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

import click

from dragoman.core.cli import debug_option
from dragoman.core.cli.completion import complete_model
from dragoman.core.cli.config import base_url_option, client_options, config_option, refuse_without_scheme

if TYPE_CHECKING:
    from dragoman.core.cli.tools import Tool
    from dragoman.core.provider import Json

#: Parameters of `create` that have an option or an argument of their own.
_OWN = frozenset({"messages", "model", "stream"})


@click.command()
@click.argument("prompt", required=False)
@click.option("-m", "--model", required=True, shell_complete=complete_model, help="provider/model.")
@click.option("-s", "--system", help="Instructions for the whole conversation.")
@click.option("--tool", "tools", multiple=True, metavar="MODULE:NAME", help="A Python function the model may call.")
@click.option("--image", "images", multiple=True, metavar="FILE|URL", help="An image for the (first) message.")
@click.option("--file", "files", multiple=True, metavar="FILE", help="A file for the (first) message.")
@click.option("-o", "--option", "options", multiple=True, metavar="NAME=VALUE", help="A parameter; JSON, or text.")
@click.option("--json", "as_json", is_flag=True, help="Print the whole completion as JSON, unstreamed.")
@click.option("--no-stream", is_flag=True, help="Show the answer when it is whole.")
@base_url_option
@config_option
@click.option("--on-unsupported", type=click.Choice(["raise", "warn", "ignore", "adapt"]), help="raise unless given.")
@click.option("--max-rounds", type=click.IntRange(0), default=10, show_default=True, help="Rounds of tool calls.")
@debug_option
def command(  # noqa: PLR0913, PLR0917 (one argument for each option, which click gives by name)
    prompt: str | None,
    model: str,
    system: str | None,
    tools: tuple[str, ...],
    images: tuple[str, ...],
    files: tuple[str, ...],
    options: tuple[str, ...],
    as_json: bool,
    no_stream: bool,
    base_url: str | None,
    config: str | None,
    on_unsupported: str | None,
    max_rounds: int,
) -> None:
    """Talk to a model: once if there is a PROMPT or piped text, else in a conversation.

    Piped text is the prompt, or follows the PROMPT. Parameters of OpenAI's chat completions (-o temperature=0)
    go by their names, and all others into the body of the request as they are. --tool builds the tool's schema
    from the function's signature and docstring; calls and results are shown on stderr.
    """
    from dragoman.core.cli.attachments import file_part, image_part
    from dragoman.core.cli.tools import load_tool

    text = _text(prompt)
    if text is None and as_json:
        message = "--json needs a prompt"
        raise click.UsageError(message)
    functions = [load_tool(spec) for spec in tools]
    parts = [*map(image_part, images), *map(file_part, files)]
    params = _parameters(options, functions)

    from dragoman.core.cli.conversation import Conversation
    from dragoman.core.cli.prompt import converse
    from dragoman.core.cli.terminal import View

    with make_client(model, base_url, on_unsupported, config) as client:
        conversation = Conversation(
            client=client,
            params={"model": model, **_sorted_out(params)},
            view=View(),
            tools={tool.name: tool for tool in functions},
            messages=[{"role": "system", "content": system}] if system is not None else [],
            stream=not (no_stream or as_json),
            quiet=as_json,
            max_rounds=max_rounds,
        )
        if text is None:
            converse(conversation, parts)
            return
        conversation.ask([*parts, {"type": "text", "text": text}] if parts else text)
    if as_json:
        click.echo(conversation.completion.to_json())


def _text(prompt: str | None) -> str | None:
    """The prompt and what was piped in; None: there is a terminal to converse at."""
    piped = ""
    # A closed stdin pipes nothing in, and nobody types there.
    if sys.stdin is not None and not sys.stdin.isatty():
        try:
            piped = sys.stdin.buffer.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            message = "what is piped in is not UTF-8 text; --file takes other files"
            raise click.UsageError(message) from error
    elif prompt is None and sys.stdin is not None:
        return None
    text = "\n\n".join(part for part in (prompt, piped.strip("\r\n")) if part and part.strip())
    if not text:
        message = "there is no prompt, and nothing is piped in"
        raise click.UsageError(message)
    return text


def _parameters(options: tuple[str, ...], tools: list[Tool]) -> Json:
    """Read `name=value` pairs, and add the tools."""
    found: Json = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not equals or not name:
            message = f"-o wants name=value, not {option!r}"
            raise click.UsageError(message)
        if name in _OWN:
            message = f"-o {name}: this has an option or an argument of its own"
            raise click.UsageError(message)
        found[name] = _value(value)
    if tools:
        found["tools"] = [*found.get("tools", []), *(tool.definition() for tool in tools)]
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=str)
    except ValueError:
        return text


def _sorted_out(params: Json) -> Json:
    """Put what is no parameter of OpenAI's into `extra_body`."""
    known = {name: value for name, value in params.items() if _is_known(name)}
    others = {name: value for name, value in params.items() if name not in known}
    if others:
        known["extra_body"] = {**others, **known.get("extra_body", {})}
    return known


def _is_known(name: str) -> bool:
    from dragoman.core.arguments import check_arguments

    try:
        check_arguments({name: None})
    except TypeError:
        return False
    return True


def make_client(model: str, base_url: str | None, on_unsupported: str | None = None, config: str | None = None) -> Any:
    """Make the client that reaches a model; an address is that of the provider which the model's name begins with."""
    from dragoman.core.client import Client
    from dragoman.core.plugins import plugins

    # Importing a vendor's SDK is most of what a first call costs, and there is no second one.
    options: Json = {"sender": "auto", **client_options(config)}
    if on_unsupported:
        options["on_unsupported"] = on_unsupported
    if base_url:
        head = re.split("[/:]", model, maxsplit=1)[0]
        options.update(base_url=base_url, default_provider=head if plugins().has(head) else "openai")
    client = Client(**options)
    if base_url:
        refuse_without_scheme(base_url, client._dispatcher.resolve(model)[0])  # noqa: SLF001 (our own client's)
    return client
