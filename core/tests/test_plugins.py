"""Plugins that work, plugins that do not, and what is said about each; all are real distributions on disk."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from textwrap import dedent
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

import dragoman.core.plugins as module
from dragoman.core import Call, DragomanWarning, PluginError, Provider, UnknownProvider, hookimpl
from dragoman.core.plugins import Finding, Plugins, plugins

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Install = Callable[..., Plugins]

PROVIDER = """
    from dragoman.core import Provider

    class Acme(Provider):
        name = "acme"
        key_env = ("ACME_KEY",)
"""
HOOK = """
    from dragoman.core import hookimpl

    @hookimpl
    def before_call(call):
        call.context.setdefault("seen", []).append(__name__)
"""


def run_hooks(found: Plugins) -> list[str]:
    call = Call(provider="acme", model="m", request={})
    found.hooks.before_call(call=call)
    return list(call.context.get("seen", []))


# Providers.


def test_a_provider_is_found_by_name_and_imported_only_when_asked_for(install: Install) -> None:
    found = install("acme-llm", "dragoman.providers:acme=acme_llm:Acme", code=PROVIDER, version="2.3")
    offer = found.providers()["acme"]
    assert (offer.name, offer.value, offer.origin) == ("acme", "acme_llm:Acme", "acme-llm 2.3")
    assert (offer.blocked, offer.duplicates) == (False, ())
    assert found.has("acme")
    assert not found.has("other")
    assert "acme_llm" not in sys.modules
    assert issubclass(found.provider("acme"), Provider)
    assert found.provider("acme").__module__ == "acme_llm"
    first = found.provider("acme")
    del sys.modules["acme_llm"]
    assert found.provider("acme") is first


def test_the_name_of_the_entry_point_counts(install: Install) -> None:
    found = install("acme-llm", "dragoman.providers:better=acme_llm:Acme", code=PROVIDER)
    assert found.provider("better")(name="better").name == "better"
    assert not found.has("acme")


def test_a_provider_that_fails_to_import_hurts_only_itself(install: Install) -> None:
    install("acme-llm", "dragoman.providers:acme=acme_llm:Acme", code=PROVIDER)
    found = install("bad-llm", "dragoman.providers:bad=bad_llm:Bad", code="import no_such_sdk", version="0.9")
    with pytest.raises(PluginError, match=r"'bad' of bad-llm 0\.9 .*No module named 'no_such_sdk'.*pip ") as caught:
        found.provider("bad")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    assert found.provider("acme").name == "acme"


@pytest.mark.parametrize(
    ("code", "value", "reason"),
    [
        ("", "bad_llm:Missing", "AttributeError: .*Missing"),
        ("import sys; sys.exit(3)", "bad_llm:Bad", "SystemExit: 3"),
        ("def f(:", "bad_llm:Bad", "SyntaxError"),
        ("Bad = 1", "bad_llm:Bad", "no subclass of dragoman.core.Provider"),
        ("class Bad: pass", "bad_llm:Bad", "no subclass of dragoman.core.Provider"),
        ("", "bad_llm", "no subclass of dragoman.core.Provider"),
    ],
)
def test_what_is_no_provider_says_so(install: Install, code: str, value: str, reason: str) -> None:
    found = install("bad-llm", f"dragoman.providers:bad={value}", code=code)
    with pytest.raises(PluginError, match=rf"bad-llm 1\.0 .*{reason}.*pip uninstall bad-llm"):
        found.provider("bad")


@pytest.mark.parametrize(("api", "late"), [("0", "bad-llm"), ("2", "dragoman-core"), ("'x'", "dragoman-core")])
def test_another_version_of_the_contract_says_what_to_upgrade(install: Install, api: str, late: str) -> None:
    code = f"from dragoman.core import Provider\nclass Bad(Provider):\n    api = {api}\n"
    found = install("bad-llm", "dragoman.providers:bad=bad_llm:Bad", code=code)
    with pytest.raises(PluginError, match=r"has version 1: ") as caught:
        found.provider("bad")
    message = str(caught.value)
    assert "of bad-llm 1.0 is written for version {} of".format(api.strip("'")) in message
    assert message.endswith(f"pip install --upgrade {late}")


def test_two_distributions_with_one_name_are_an_error_only_when_it_is_used(install: Install) -> None:
    install("acme-llm", "dragoman.providers:acme=acme_llm:Acme", code=PROVIDER)
    install("good-llm", "dragoman.providers:good=good_llm:Acme", code=PROVIDER)
    found = install("rival-llm", "dragoman.providers:acme=rival_llm:Acme", code=PROVIDER, version="3.0")
    assert found.provider("good").name == "acme"
    assert found.has("acme")
    with pytest.raises(PluginError) as caught:
        found.provider("acme")
    for words in ("acme-llm 1.0", "rival-llm 3.0", "pip uninstall acme-llm", "pip uninstall rival-llm"):
        assert words in str(caught.value)


def test_an_unknown_name_says_what_is_installed(install: Install) -> None:
    found = install("acme-llm", "dragoman.providers:acme=acme_llm:Acme", code=PROVIDER)
    with pytest.raises(UnknownProvider, match=r"'lamacpp' \(installed: acme\); did you mean llamacpp\?"):
        found.provider("lamacpp")
    with pytest.raises(UnknownProvider, match=r"'nobody' \(installed: acme\); check the name"):
        found.provider("nobody")


@pytest.mark.parametrize("name", sorted(module.KNOWN))
def test_a_known_name_says_what_to_install(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnknownProvider, match=rf"\(installed: none\); pip install dragoman-{name}$"):
        Plugins(path=[str(tmp_path)]).provider(name)


@pytest.mark.parametrize("selection", ["", "good", "no:acme", "no:acme,good"])
def test_what_the_environment_blocks_is_as_if_not_installed_but_explained(
    install: Install, monkeypatch: pytest.MonkeyPatch, selection: str
) -> None:
    points = ("dragoman.providers:acme=acme_llm:Acme", "dragoman:acme=acme_llm")
    found = install("acme-llm", *points, code=dedent(PROVIDER) + dedent(HOOK))
    monkeypatch.setenv("DRAGOMAN_PLUGINS", selection)
    assert not found.has("acme")
    assert found.providers()["acme"].blocked
    assert run_hooks(found) == []
    with pytest.raises(UnknownProvider, match=rf"acme-llm 1\.0 is blocked by DRAGOMAN_PLUGINS='{selection}'; change"):
        found.provider("acme")
    assert "acme_llm" not in sys.modules


# Hooks.


def test_hooks_are_loaded_once_when_first_needed_and_called_in_alphabetical_order(install: Install) -> None:
    for name in ("b-hooks", "a-hooks", "c-hooks"):
        found = install(name, f"dragoman:{name[0]}={name.replace('-', '_')}", code=HOOK)
    found.providers()
    assert "a_hooks" not in sys.modules
    assert run_hooks(found) == ["a_hooks", "b_hooks", "c_hooks"]
    assert run_hooks(found) == ["a_hooks", "b_hooks", "c_hooks"]


def test_an_object_may_carry_the_hooks_and_two_names_of_it_count_once(install: Install) -> None:
    code = """
        from dragoman.core import hookimpl

        class Hooks:
            @hookimpl
            def before_call(self, call):
                call.context.setdefault("seen", []).append("object")

        hooks = Hooks()
    """
    found = install("acme-hooks", "dragoman:x=acme_hooks:hooks", "dragoman:y=acme_hooks:hooks", code=code)
    assert run_hooks(found) == ["object"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("raise SystemExit('gone')", "SystemExit: gone"),
        ("from dragoman.core import hookimpl\n@hookimpl\ndef befor_call(call): ...", "unknown hook 'befor_call'"),
        ("from dragoman.core import hookimpl\n@hookimpl\ndef before_call(prompt): ...", "prompt"),
        ("def before_call(call): ...", "nothing in it is marked with @hookimpl"),
    ],
)
def test_a_broken_hook_plugin_is_left_out_with_one_warning(install: Install, code: str, reason: str) -> None:
    install("good-hooks", "dragoman:good=good_hooks", code=HOOK)
    found = install("bad-hooks", "dragoman:bad=bad_hooks", code=code, version="0.2")
    install("also-hooks", "dragoman:also=also_hooks", code=HOOK)
    with pytest.warns(DragomanWarning) as caught:
        assert run_hooks(found) == ["also_hooks", "good_hooks"]
    assert len(caught) == 1
    message = str(caught[0].message)
    assert message.startswith("the hooks 'bad' of bad-hooks 0.2 are left out: ")
    assert reason in message
    assert "pip uninstall bad-hooks" in message
    assert run_hooks(found) == ["also_hooks", "good_hooks"]
    assert [finding.state for finding in found.describe()] == ["ok", "broken", "ok"]


def test_a_class_is_not_a_hook_plugin(install: Install) -> None:
    code = "from dragoman.core import hookimpl\nclass Hooks:\n    @hookimpl\n    def before_call(self, call): ..."
    found = install("bad-hooks", "dragoman:bad=bad_hooks:Hooks", code=code)
    with pytest.warns(DragomanWarning, match="not a class"):
        assert run_hooks(found) == []


def test_warnings_as_errors_leave_the_good_hooks_in_place(install: Install) -> None:
    install("bad-hooks", "dragoman:bad=bad_hooks", code="import no_such_package")
    found = install("good-hooks", "dragoman:good=good_hooks", code=HOOK)
    with pytest.raises(DragomanWarning, match="no_such_package"):
        run_hooks(found)
    assert run_hooks(found) == ["good_hooks"]


def test_a_plugin_that_asks_for_the_hooks_while_it_loads_gets_what_is_there(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "\n    from dragoman.core.plugins import plugins\n    plugins().hooks\n" + HOOK
    found = install("acme-hooks", "dragoman:acme=acme_hooks", code=code)
    monkeypatch.setattr(module, "_installed", found)
    assert run_hooks(plugins()) == ["acme_hooks"]


def test_threads_that_need_the_hooks_at_once_load_them_once(install: Install) -> None:
    found = install("acme-hooks", "dragoman:acme=acme_hooks", code=HOOK)
    start = threading.Barrier(8)
    seen: list[list[str]] = []

    def work() -> None:
        start.wait()
        seen.append(run_hooks(found))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [["acme_hooks"]] * 8


# Hooks that come with an object.


class Spying(Provider):
    name = "spying"

    @property
    def expensive(self) -> str:
        pytest.fail("a property was run by looking for hooks")

    @hookimpl
    def before_call(self, call: Call) -> None:
        call.context.setdefault("seen", []).append(self.name)


class Plain(Provider):
    name = "plain"


def test_a_provider_with_hooks_is_registered_once_and_called_before_the_plugins(install: Install) -> None:
    found = install("acme-hooks", "dragoman:acme=acme_hooks", code=HOOK)
    spying = Spying()
    for plugin in (spying, spying, Plain()):
        found.register_hooks(plugin)
    assert run_hooks(found) == ["spying", "acme_hooks"]
    for _ in range(2):
        found.unregister_hooks(spying)
    assert run_hooks(found) == ["acme_hooks"]


def note(call: Call) -> None:
    call.context.setdefault("seen", []).append("function")


class Static:
    before_call = staticmethod(hookimpl(note))


class PerClass:
    @classmethod
    @hookimpl
    def before_call(cls, call: Call) -> None:
        note(call)


@pytest.mark.parametrize(
    "plugin",
    [Static(), PerClass(), SimpleNamespace(before_call=hookimpl(note))],
    ids=lambda plugin: type(plugin).__name__,
)
def test_functions_of_every_kind_are_hooks(tmp_path: Path, plugin: object) -> None:
    found = Plugins(path=[str(tmp_path)])
    found.register_hooks(plugin)
    assert run_hooks(found) == ["function"]


def test_an_installed_providers_broken_hooks_are_left_out_and_its_distribution_named(install: Install) -> None:
    code = (
        PROVIDER
        + "\n        from dragoman.core import hookimpl\n        befor_call = hookimpl(lambda self, call: None)\n"
    )
    install("acme-llm", "dragoman.providers:acme=acme_llm:Acme", code=code)
    found = install("other-llm", "dragoman.providers:other=other_llm:Acme", code=PROVIDER)
    found.provider("other")
    provider = found.provider("acme")()
    with pytest.warns(DragomanWarning, match=r"hooks of acme-llm 1\.0 are left out: .*unknown hook 'befor_call'"):
        found.register_hooks(provider)
    assert run_hooks(found) == []


def test_broken_hooks_of_nobody_known_are_named_by_their_class(tmp_path: Path) -> None:
    found = Plugins(path=[str(tmp_path)])

    class Broken:
        befor_call = hookimpl(lambda self, call: None)

    with pytest.warns(DragomanWarning, match=r"hooks of .*Broken are left out: .*befor_call"):
        found.register_hooks(Broken())
    with pytest.warns(DragomanWarning, match=r"hooks of Broken are left out: .*not a class"):
        found.register_hooks(Broken)


# What is said about them, and the plugins of the process.


def test_describe_reports_every_plugin(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_KEY", "secret")
    monkeypatch.setenv("DRAGOMAN_PLUGINS", "no:off")
    install("acme-llm", "dragoman.providers:acme=acme_llm:Acme", "dragoman.providers:off=acme_llm:Acme", code=PROVIDER)
    install("plain-llm", "dragoman.providers:plain=dragoman.core:Provider")
    install("odd-llm", "dragoman.providers:odd=odd_llm:Acme", code=PROVIDER.replace('("ACME_KEY",)', "7"))
    install("bad-llm", "dragoman.providers:bad=bad_llm:Bad", code="import no_such_sdk")
    install("one-llm", "dragoman.providers:same=one_llm:Acme", code=PROVIDER)
    install("two-llm", "dragoman.providers:same=two_llm:Acme", code=PROVIDER)
    install("good-hooks", "dragoman:good=good_hooks", code=HOOK)
    found = install("bad-hooks", "dragoman:worse=bad_hooks", code="1/0")
    with pytest.warns(DragomanWarning, match="bad-hooks"):
        findings = found.describe()
    short = [(finding.kind, finding.name, finding.distribution, finding.state) for finding in findings]
    assert short[:5] == [
        ("provider", "acme", "acme-llm", "ok"),
        ("provider", "bad", "bad-llm", "broken"),
        ("provider", "odd", "odd-llm", "broken"),
        ("provider", "off", "acme-llm", "blocked"),
        ("provider", "plain", "plain-llm", "ok"),
    ]
    assert sorted(short[5:7]) == [
        ("provider", "same", "one-llm", "duplicate"),
        ("provider", "same", "two-llm", "duplicate"),
    ]
    assert short[7:] == [("hooks", "good", "good-hooks", "ok"), ("hooks", "worse", "bad-hooks", "broken")]
    assert findings[0] == Finding("provider", "acme", "acme-llm", "1.0", "ok", "", ("ACME_KEY",), True)
    assert (findings[4].key_env, findings[4].key_found) == ((), False)
    assert "no_such_sdk" in findings[1].reason
    assert findings[3].reason == "blocked by DRAGOMAN_PLUGINS"
    assert findings[8].reason == "ZeroDivisionError: division by zero"
    assert "secret" not in repr(findings)


def test_the_process_has_one_instance_for_sys_path(install: Install) -> None:
    install("acme-llm", "dragoman.providers:acme=acme_llm:Acme", code=PROVIDER)
    assert plugins() is plugins()
    assert Plugins().has("acme")


def test_finding_plugins_imports_no_sdk_and_no_plugin(install: Install, tmp_path: Path) -> None:
    install("acme-llm", "dragoman.providers:acme=acme_llm:Acme", code=PROVIDER)
    code = (
        "import sys\n"
        "from dragoman.core.plugins import plugins\n"
        "assert plugins().has('acme')\n"
        "print([name for name in ('openai', 'httpx', 'httpx2', 'pydantic', 'acme_llm') if name in sys.modules])\n"
    )
    environment = {"PYTHONPATH": os.pathsep.join([str(tmp_path / "site"), *sys.path])}
    done = subprocess.run(  # noqa: S603 (our own interpreter and code)
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout == "[]\n"
