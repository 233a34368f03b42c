"""What a program or a test changes in all clients of its process: hooks of its own, and who answers."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from dragoman.core.plugins import plugins

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dragoman.core.plugins import StandIn


def register_hooks(plugin: object) -> ExitStack:
    """Register an object with `@hookimpl` methods, or a module with such functions, for all clients of this process.

    It stays, or goes with the block of a `with` statement: `with register_hooks(Counter()) as _:`. Hooks registered
    later are called earlier, and those of installed plugins after them. Raises `PluginError` for what has no hooks,
    or one with an argument that there is not.
    """
    stack = ExitStack()
    if plugins().add_hooks(plugin):
        stack.callback(plugins().unregister_hooks, plugin)
    return stack


@contextmanager
def stand_in(make: StandIn) -> Iterator[None]:
    """Let other providers answer all calls of this process while the block runs: for tests.

    `make(name, model)` returns the provider to ask in place of the one called `name`, which need not be installed;
    `model` is what the caller wrote, or empty for requests that name no model. It may be called from several threads,
    and should return the same instance for the same arguments. Blocks may be nested; the inner one counts.
    """
    before, plugins().stand_in = plugins().stand_in, make
    try:
        yield
    finally:
        plugins().stand_in = before
