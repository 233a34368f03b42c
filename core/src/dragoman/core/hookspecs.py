"""The hooks: what a plugin of the entry point group `dragoman` may take part in.

A plugin marks functions with `@hookimpl` and names the arguments it wants, in any order; it may leave
arguments out. Hooks are synchronous and do no network I/O, so the same ones serve the synchronous and the
asynchronous client; in the latter they run on the event loop, so they must not block. Plugins are called
in the alphabetical order of their entry points' names, providers with hooks of their own before them;
`@hookimpl(tryfirst=True)` and `trylast=True` change that.

A plugin that many install and few switch on may have a plain function `takes_part() -> bool` beside its hooks. It is
asked when a call begins, so it must be quick. While it says False, its hooks are called as ever, but nothing is got
ready for them: no copy of `call.request`, which they must leave alone, and no `call.response` of a stream.

    from dragoman.core import Call, hookimpl

    @hookimpl
    def before_call(call: Call) -> None:
        call.extra_headers = {**call.extra_headers, "x-team": "search"}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from decimal import Decimal

    import click

    from dragoman.core.provider import Call, Json

PROJECT = "dragoman"

hookspec = pluggy.HookspecMarker(PROJECT)
#: Marks a function or a method as a hook: `@hookimpl`; `@hookimpl(tryfirst=True)` or `trylast=True` change the order.
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def before_call(call: Call) -> None:
    """Runs once per call, when its provider is known and nothing has been encoded or sent.

    May change `call.request` (OpenAI's JSON), `extra_body`, `extra_headers`, `extra_query`, `timeout`,
    `max_retries` and `on_unsupported`, and keep things for later in `call.context`. The provider stays
    what it is. An exception stops the call: one that is an `openai.OpenAIError` reaches the caller as it
    is, any other as the cause of a `DragomanError` that names the plugin. `after_call` runs in either case.
    """


@hookspec(firstresult=True)
def answer_call(call: Call) -> Json | None:
    """Runs after `before_call`; may answer the call without the network (a cache, a guard, a mock).

    Return OpenAI's answer to the endpoint (a `chat.completion` dict for chat completions), or None to leave
    it to the next plugin and in the end to the provider. The first answer wins, and plugins after it are not
    asked. Where the caller wants a stream, the same dict is cut into chunks, which `on_chunk` sees as well.
    Changes nothing in `call` but `call.context`. An exception stops the call, as one in `before_call` does.
    """


@hookspec
def on_chunk(call: Call, chunk: Json) -> None:
    """Runs for each OpenAI chunk (a dict) of a stream, before the caller gets it.

    May change `chunk` in place; it cannot take one away or add one. Streams cost less while no plugin
    has this hook: it is then skipped, and providers that speak OpenAI's wire pass bytes through untouched.
    An exception ends the stream; the caller gets it as from `before_call`, after the chunks that came before.
    """


@hookspec
def after_call(call: Call) -> None:
    """Runs exactly once per call for which `before_call` ran, when the call has ended, however it ended.

    `call.outcome` is "complete", "failed" (see `call.error`) or "abandoned" (the caller closed or forgot a
    stream before its end). `call.response` is the answer as OpenAI's JSON, assembled where it was a stream,
    and `call.usage` its usage; both are None where there was none. Changes have no effect on the caller. An
    exception here is reported as a `DragomanWarning` that names the plugin, and never reaches the caller.
    """


@hookspec(firstresult=True)
def price_of(call: Call) -> Decimal | None:
    """Runs when somebody asks what an ended call cost; `call.usage` and `call.model` say what to price.

    Return US dollars as a `Decimal`, or None if this plugin does not know the model; the first price wins.
    `call.context["processing"]` is "batch" for what a vendor's batch API answered: that has prices of its own.
    Changes nothing. An exception is reported as a `DragomanWarning`, and the price counts as unknown.
    """


@hookspec
def check_config(path: str) -> list[str] | None:
    """Runs when `dragoman config check` has read its own part of a file, or the file is in a format not its own.

    Return what the user should know although the file is right, a line each; or None if the file has no part that
    is this plugin's. Changes nothing. An exception that is a `ConfigError` says what is wrong with the file; any other
    ends the program as a fault of the plugin.
    """


@hookspec
def register_commands(commands: click.Group) -> None:
    """Runs at most once, when the `dragoman` program lists its commands or is given one that is not its own.

    May add commands and groups to `commands`, the program's own group. Imports that a command needs belong inside
    the command, or the list of commands pays for them. An exception is reported as a `DragomanWarning`, and the
    program goes on without.
    """
