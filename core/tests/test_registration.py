"""Hooks of a program's own, and providers that stand in for all others."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from dragoman.core import (
    Client,
    FunctionProvider,
    PluginError,
    Provider,
    UnknownProvider,
    hookimpl,
    register_hooks,
    stand_in,
)
from dragoman.core.plugins import plugins


class Named:
    def __init__(self, name: str, told: list[str]) -> None:
        self.name, self.told = name, told

    @hookimpl
    def before_call(self) -> None:
        self.told.append(self.name)


def ask(client: Client, model: str = "here/m1", **arguments: Any) -> str:
    messages: Any = [{"role": "user", "content": "Hi"}]
    return str(client.chat.completions.create(model=model, messages=messages, **arguments).choices[0].message.content)


def test_hooks_are_there_for_a_block_or_for_good(provider: Provider) -> None:
    told: list[str] = []
    first, second = Named("first", told), Named("second", told)
    with Client(providers=[provider]) as client:
        try:
            register_hooks(first)
            with register_hooks(second):
                ask(client)
            ask(client)
        finally:
            plugins().unregister_hooks(first)
        ask(client)
    assert told == ["second", "first", "first"]


def test_registering_twice_changes_nothing(provider: Provider) -> None:
    told: list[str] = []
    hooks = Named("one", told)
    with Client(providers=[provider]) as client, register_hooks(hooks):
        with register_hooks(hooks):
            ask(client)
        ask(client)
    assert told == ["one", "one"]


def test_a_module_has_hooks_too(provider: Provider) -> None:
    told: list[str] = []
    module = ModuleType("my_hooks")
    exec("from dragoman.core import hookimpl\n@hookimpl\ndef after_call(call): told.append(call.outcome)", vars(module))  # noqa: S102 (a module of its own)
    vars(module)["told"] = told
    with Client(providers=[provider]) as client, register_hooks(module):
        ask(client)
    assert told == ["complete"]


class Misspelt:
    @hookimpl
    def befor_call(self, call: Any) -> None: ...


class WrongArgument:
    @hookimpl
    def before_call(self, request: Any) -> None: ...


@pytest.mark.parametrize(
    ("hooks", "said"),
    [
        (Misspelt(), "the hooks of Misspelt cannot be registered: unknown hook 'befor_call'"),
        (WrongArgument(), "(?s)the hooks of WrongArgument cannot be registered: .*'request'"),
        (object(), "the hooks of object cannot be registered: nothing in it is marked with @hookimpl"),
        (Named, "the hooks of Named cannot be registered: hooks are a module or an object, not a class"),
    ],
)
def test_hooks_that_cannot_be(hooks: object, said: str) -> None:
    with pytest.raises(PluginError, match=said):
        register_hooks(hooks)
    assert not plugins()._manager.is_registered(hooks)


def saying(text: str, asked: list[tuple[str, str]]) -> Any:
    def make(name: str, model: str) -> Provider:
        asked.append((name, model))
        return FunctionProvider(lambda request: f"{text} {request['model']}", name=name)

    return make


def test_others_answer_while_the_block_runs(provider: Provider) -> None:
    asked: list[tuple[str, str]] = []
    entry = {"model": "listed", "api_type": "nobody", "api_key": "k"}
    with Client(providers=[provider], aliases={"fast": "here/m2"}, config_list=[entry]) as client:
        with stand_in(saying("one", asked)):
            assert [ask(client, model) for model in ("here/m1", "fast", "acme/x/y", "listed")] == [
                "one m1",
                "one m2",
                "one x/y",
                "one listed",
            ]
            with stand_in(saying("two", asked)):
                assert ask(client) == "two m1"
            assert ask(client) == "one m1"
        assert ask(client) == "Hello there"
        for model in ("acme/x", "listed"):
            with pytest.raises(UnknownProvider):
                ask(client, model)
    assert asked == [
        ("here", "here/m1"),
        ("here", "fast"),
        ("acme", "acme/x/y"),
        ("nobody", "listed"),
        ("here", "here/m1"),
        ("here", "here/m1"),
    ]


def test_requests_without_a_model_are_answered_too() -> None:
    asked: list[tuple[str, str]] = []
    with Client(default_provider="here") as client, stand_in(saying("one", asked)):
        client.models.list()
    assert ("here", "") in asked


def test_a_failure_ends_the_block(provider: Provider) -> None:
    with Client(providers=[provider]) as client:
        with pytest.raises(ZeroDivisionError), stand_in(saying("one", [])):
            1 / 0  # noqa: B018 (it raises)
        assert ask(client) == "Hello there"
