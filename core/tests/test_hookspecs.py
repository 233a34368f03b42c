"""What a hook plugin may write, and what it gets."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import click
import pluggy
import pytest

from dragoman.core import Call, hookimpl
from dragoman.core import hookspecs as specs

HOOKS = ["after_call", "answer_call", "before_call", "check_config", "on_chunk", "price_of", "register_commands"]


@pytest.fixture
def manager() -> pluggy.PluginManager:
    made = pluggy.PluginManager(specs.PROJECT)
    made.add_hookspecs(specs)
    return made


def register(manager: pluggy.PluginManager, **functions: Any) -> None:
    manager.register(SimpleNamespace(**{name: hookimpl(function) for name, function in functions.items()}))
    manager.check_pending()


def call() -> Call:
    return Call(provider="acme", model="m", request={"messages": []})


def test_these_are_the_hooks(manager: pluggy.PluginManager) -> None:
    assert sorted(name for name, hook in vars(manager.hook).items() if isinstance(hook, pluggy.HookCaller)) == HOOKS


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_says_when_it_runs_what_it_may_change_and_what_an_exception_does(name: str) -> None:
    doc = getattr(specs, name).__doc__
    assert doc.startswith("Runs ")
    assert any(words in doc for words in ("May change", "May add", "Changes"))
    assert "xception" in doc


def test_arguments_may_be_left_out_and_a_chunk_is_changed_in_place(manager: pluggy.PluginManager) -> None:
    seen: list[object] = []
    register(
        manager,
        before_call=lambda: seen.append("before"),
        on_chunk=lambda chunk: chunk.update(seen=True),
        after_call=lambda call: seen.append(call.model),
    )
    chunk: dict[str, Any] = {"choices": []}
    manager.hook.before_call(call=call())
    manager.hook.on_chunk(call=call(), chunk=chunk)
    manager.hook.after_call(call=call())
    assert seen == ["before", "m"]
    assert chunk == {"choices": [], "seen": True}


def test_the_first_answer_and_the_first_price_win(manager: pluggy.PluginManager) -> None:
    register(manager, answer_call=lambda: pytest.fail("asked after an answer"), price_of=lambda: Decimal(2))
    register(manager, answer_call=lambda call: {"model": call.model}, price_of=lambda: None)
    assert manager.hook.answer_call(call=call()) == {"model": "m"}
    assert manager.hook.price_of(call=call()) == Decimal(2)


def test_nobody_answers(manager: pluggy.PluginManager) -> None:
    assert manager.hook.answer_call(call=call()) is None
    assert manager.hook.price_of(call=call()) is None


def test_commands_are_added_to_the_group(manager: pluggy.PluginManager) -> None:
    commands = click.Group("dragoman")
    register(manager, register_commands=lambda commands: commands.add_command(click.Command("shout")))
    manager.hook.register_commands(commands=commands)
    assert list(commands.commands) == ["shout"]


def test_an_unknown_argument_is_found_at_registration(manager: pluggy.PluginManager) -> None:
    with pytest.raises(pluggy.PluginValidationError, match="prompt"):
        register(manager, before_call=lambda prompt: None)
