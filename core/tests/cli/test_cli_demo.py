from __future__ import annotations

from importlib.metadata import version
from typing import Any

import pytest

from dragoman.core import Client
from dragoman.core.cli import demo
from dragoman.core.cli.demo import QUESTION, Rehearsal, _Screen
from dragoman.core.cli.terminal import Console
from dragoman.core.plugins import plugins

needs_both = pytest.mark.skipif(
    not {"llamacpp", "anthropic"} <= set(plugins().providers()),
    reason="the plugins llamacpp and anthropic are not installed",
)


@needs_both
def test_the_demo(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # It goes nowhere, whatever the environment says.
    monkeypatch.delenv("DRAGOMAN_OFFLINE")
    monkeypatch.setenv("LLAMACPP_API_BASE", "http://127.0.0.1:1")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
    process = start("demo")
    out, err = (text.decode() for text in process.communicate(timeout=120))
    assert (process.returncode, err) == (0, ""), out
    for label in ("asked", "called", "returned", "answered", "streamed"):
        assert out.count(f"\n  {label} ") == 2
    assert out.count(QUESTION) == 2
    assert out.count("the same, in ") == 2
    assert "llamacpp/demo" in out
    assert "/v1/messages" in out
    for name in ("dragoman-core", "dragoman-llamacpp", "dragoman-anthropic", "openai", "anthropic", "xllamacpp"):
        assert f"{name} {version(name)}" in out
    assert len(out.splitlines()) <= 24
    assert out.splitlines()[-1].startswith("all ")


@needs_both
@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("QUESTION", "What is the weather in Rome?", "the arguments"),
        ("TOOL", demo.Tool(lambda city: {"city": city}, "get_weather"), "the tool's result"),
        ("_FEW_CHUNKS", 10000, "streaming in pieces"),
    ],
)
def test_a_step_that_differs_fails_it(
    name: str, value: Any, wrong: str, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, name, value)
    result = run("demo")
    assert result.exit_code == 1
    assert f"WRONG    {wrong} is " in result.stdout
    assert "checks failed" in result.stdout


def test_without_the_plugins(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_PLUGINS", "openai")
    process = start("demo")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.count(b"\n")) == (2, b"", 1)
    assert b"llamacpp" in err


def test_another_model_does_not_pass(server: Any) -> None:
    screen = _Screen(Console())
    Rehearsal(Client(base_url=server.url), "small", screen).run("a server that calls no tool")
    assert screen.wrong >= 4
    screen = _Screen(Console())
    Rehearsal(Client(base_url=server.url), "tool", screen, wire="anthropic").run("one that calls another")
    assert screen.wrong >= 4
