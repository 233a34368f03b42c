"""Plugins that are broken on purpose, installed: what a user is told, word for word, and that the others still work."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

GOOD = """
    from dragoman.core import Provider, hookimpl

    class Acme(Provider):
        name = "good"
        base_url_env = ("ACME_BASE_URL",)
"""
CLASS = "from dragoman.core import Provider\nclass Acme(Provider):\n    name = 'x'\n"
#: Name -> the module's code.
PROVIDERS = {
    "good": GOOD,
    "failing": "raise RuntimeError('no licence file')",
    "missing": "import no_such_sdk\n" + CLASS,
    "early": CLASS + "    api = 0\n",
    "late": CLASS + "    api = 2\n",
    "stranger": "class Acme: ...",
    "absent": CLASS.replace("Acme", "Other"),
    "unfinished": CLASS + "    key_env = {}['y']\n",
    "unwilling": CLASS + "    def __init__(self, **options):\n        raise KeyError('region')\n",
}
#: Name of the broken provider -> what is said of it, after its origin; and in front of what to do.
SAID = {
    "failing": "cannot be imported: RuntimeError: no licence file",
    "missing": "cannot be imported: ModuleNotFoundError: No module named 'no_such_sdk'",
    "early": "is written for version 0 of the provider contract, and this dragoman-core has version 1",
    "late": "is written for version 2 of the provider contract, and this dragoman-core has version 1",
    "stranger": "is no subclass of dragoman.core.Provider (stranger_llm:Acme in its entry point)",
    "absent": "cannot be imported: AttributeError: module 'absent_llm' has no attribute 'Acme'",
    "unfinished": "cannot be imported: KeyError: 'y'",
    "unwilling": "cannot be made: KeyError: 'region'",
}
REMEDY = {"early": ": pip install --upgrade early-llm", "late": ": pip install --upgrade dragoman-core"}
HOOK = "from dragoman.core import hookimpl\n@hookimpl\n"
MISTAKE = (
    "hookimpl definition: before_call(prompt) Argument(s) {'prompt'} are declared in the hookimpl but can not be found "
    "in the hookspec"
)
#: Name of the broken hooks -> the module's code, and why they are left out.
HOOKS = {
    "misspelt": (
        HOOK + "def befor_call(call): ...",
        "PluginValidationError: unknown hook 'befor_call' in plugin PLACE",
    ),
    "mistaken": (
        HOOK + "def before_call(prompt): ...",
        f"PluginValidationError: Plugin 'mistaken_llm' for hook 'before_call' {MISTAKE}",
    ),
    "unmarked": ("def before_call(call): ...", "TypeError: nothing in it is marked with @hookimpl"),
    "needy": ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
}
#: Has every hook, and each fails when it is told to.
RAISING = """
    import os
    from dragoman.core import hookimpl

    def fail(name):
        if os.environ.get("FAILS") == name:
            raise ValueError("boom")

    @hookimpl
    def before_call(call): fail("before_call")

    @hookimpl
    def answer_call(call): fail("answer_call")

    @hookimpl
    def on_chunk(call, chunk): fail("on_chunk")

    @hookimpl
    def after_call(call):
        from dragoman.core import price_of_usage

        price_of_usage("good", "m", {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2})
        fail("after_call")

    @hookimpl
    def price_of(call): fail("price_of")

    @hookimpl
    def register_commands(commands): fail("register_commands")
"""
ASK = ("chat", "-m", "good/m", "Hi")


def repair(name: str) -> str:
    return f"; upgrade it (pip install --upgrade {name}) or remove it (pip uninstall {name})"


def told_of(name: str) -> str:
    return f"the provider {name!r} of {name}-llm 1.0 {SAID[name]}{REMEDY.get(name) or repair(f'{name}-llm')}"


@pytest.fixture(scope="module")
def site(make_site: Callable[[], Any], core: dict[str, Any], wheel_of: Callable[..., Any]) -> Any:
    site = make_site()
    wheels = [
        wheel_of(site.folder, name, code, f"dragoman.providers:{name}={name}_llm:Acme")
        for name, code in PROVIDERS.items()
    ]
    wheels += [wheel_of(site.folder, name, code, f"dragoman:{name}={name}_llm") for name, (code, _) in HOOKS.items()]
    wheels.append(wheel_of(site.folder, "raising", RAISING, "dragoman:raising=raising_llm"))
    for name, version in (("one", "1.0"), ("two", "2.0")):
        wheels.append(wheel_of(site.folder, name, GOOD, f"dragoman.providers:twin={name}_llm:Acme", version=version))
    site.install(*core["wheel"], *wheels)
    return site


def warned() -> list[str]:
    """The warnings about the hooks that are left out: one for each."""
    heads = {
        name: f"the hooks {name!r} of {name}-llm 1.0 are left out: {reason}" for name, (_, reason) in HOOKS.items()
    }
    return sorted(f"dragoman: warning: {head}{repair(f'{name}-llm')}" for name, head in heads.items())


def lines_of(text: str) -> list[str]:
    """The lines, without the path in pluggy's description of a module."""
    return sorted(re.sub(r"<module '\w+' from '[^']*'>", "PLACE", text).splitlines())


def test_the_list_says_how_each_is_and_ends_well(site: Any) -> None:
    done = site.dragoman("plugins")
    assert (done.returncode, done.stderr) == (0, "")
    rows = {}
    for line in re.sub(r"<module '\w+' from '[^']*'>", "PLACE", done.stdout).splitlines()[1:]:
        _, name, origin, state, *more = re.split(r"  +", line, maxsplit=4)
        rows[name, origin] = (state, *more)
    expected = {(name, f"{name}-llm 1.0"): ("broken", told_of(name)) for name in SAID if name != "unwilling"}
    expected |= {(name, f"{name}-llm 1.0"): ("broken", HOOKS[name][1]) for name in HOOKS}
    twins = "one-llm 1.0 and two-llm 2.0 offer the same provider 'twin'; keep one of them: "
    twins += "pip uninstall one-llm or pip uninstall two-llm"
    expected |= {("twin", "one-llm 1.0"): ("duplicate", twins), ("twin", "two-llm 2.0"): ("duplicate", twins)}
    # Nothing makes an instance before somebody wants to call it.
    expected |= {(name, f"{name}-llm 1.0"): ("ok", "needs no key") for name in ("good", "unwilling")}
    expected["raising", "raising-llm 1.0"] = ("ok",)
    assert rows == expected


def test_the_others_work_and_each_broken_one_is_one_warning(site: Any, vendor: str) -> None:
    done = site.dragoman(*ASK, ACME_BASE_URL=vendor)
    assert (done.returncode, done.stdout) == (0, "Hello there\n")
    assert lines_of(done.stderr) == warned()


@pytest.mark.parametrize("name", SAID)
def test_a_broken_provider_that_is_asked_for_says_why_in_one_sentence(site: Any, name: str) -> None:
    done = site.dragoman("chat", "-m", f"{name}/x", "Hi", DRAGOMAN_PLUGINS=f"{name},good")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"dragoman: {told_of(name)}\n")


def test_a_name_that_two_offer_is_an_error_where_it_is_used(site: Any) -> None:
    done = site.dragoman("chat", "-m", "twin/x", "Hi", DRAGOMAN_PLUGINS="twin")
    said = "one-llm 1.0 and two-llm 2.0 offer the same provider 'twin'; keep one of them: "
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"dragoman: {said}pip uninstall one-llm or pip uninstall two-llm\n"


@pytest.mark.parametrize("hook", ["before_call", "answer_call", "on_chunk"])
def test_a_hook_that_fails_before_the_answer_ends_the_call(site: Any, vendor: str, hook: str) -> None:
    done = site.dragoman(*ASK, ACME_BASE_URL=vendor, DRAGOMAN_PLUGINS="good,raising", FAILS=hook)
    assert (done.returncode, done.stdout) == (2, "")
    way_out = "to go on without it: DRAGOMAN_PLUGINS=no:raising"
    assert done.stderr == f"dragoman: {hook} of raising-llm 1.0 (raising_llm) failed: ValueError: boom; {way_out}\n"


@pytest.mark.parametrize("hook", ["after_call", "price_of"])
def test_a_hook_that_fails_after_the_answer_is_a_warning(site: Any, vendor: str, hook: str) -> None:
    done = site.dragoman(*ASK, ACME_BASE_URL=vendor, DRAGOMAN_PLUGINS="good,raising", FAILS=hook)
    assert (done.returncode, done.stdout) == (0, "Hello there\n")
    way_out = "to go on without it: DRAGOMAN_PLUGINS=no:raising"
    said = f"dragoman: warning: {hook} of raising-llm 1.0 (raising_llm) failed: ValueError: boom; {way_out}"
    assert done.stderr.splitlines() == [said]


def test_commands_that_fail_are_left_out(site: Any) -> None:
    done = site.dragoman("--help", DRAGOMAN_PLUGINS="good,raising", FAILS="register_commands")
    said = f"the commands of raising-llm 1.0 are left out: ValueError: boom{repair('raising-llm')}"
    assert (done.returncode, done.stderr) == (0, f"dragoman: warning: {said}\n")
    assert "Talk to a model" in done.stdout


@pytest.mark.parametrize(
    ("selection", "works"),
    [(None, True), ("good,raising", True), ("no:raising", True), ("", False), ("raising", False), ("no:good", False)],
)
def test_what_is_blocked(site: Any, vendor: str, selection: str | None, works: bool) -> None:
    chosen = {} if selection is None else {"DRAGOMAN_PLUGINS": selection}
    done = site.dragoman(*ASK, ACME_BASE_URL=vendor, **chosen)
    row = next(line for line in site.dragoman("plugins", **chosen).stdout.splitlines() if "good-llm" in line)
    if works:
        assert (done.returncode, done.stdout) == (0, "Hello there\n")
        assert re.split(r"  +", row)[3] == "ok"
        return
    said = f"the provider 'good' of good-llm 1.0 is blocked by DRAGOMAN_PLUGINS={selection!r}; change or unset that"
    assert (done.returncode, done.stdout, done.stderr.splitlines()[-1]) == (2, "", f"dragoman: {said}")
    assert re.split(r"  +", row)[3:] == ["blocked", "blocked by DRAGOMAN_PLUGINS"]
