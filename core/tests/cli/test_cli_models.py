from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core.plugins import plugins

if TYPE_CHECKING:
    from pathlib import Path


def test_one_provider(run: Any, server: Any) -> None:
    result = run("models", "openai", "--base-url", server.url)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "openai/small\nopenai/large\n", "")


def test_a_base_url_alone_is_openais(run: Any, server: Any) -> None:
    assert run("models", "--base-url", server.url).stdout == "openai/small\nopenai/large\n"


def test_the_ids_are_what_chat_takes(run: Any, server: Any) -> None:
    model = run("models", "openai", "--base-url", server.url).stdout.splitlines()[0]
    assert run("chat", "hi", "-m", model, "--base-url", server.url).exit_code == 0
    assert server.requests[0]["model"] == "small"


def test_one_answer_is_enough(start: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("DRAGOMAN_PLUGINS", "openai,anthropic")
    if not {"openai", "anthropic"} <= set(plugins().providers()):
        pytest.skip("the plugins openai and anthropic are not installed")
    process = start("models")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.decode().split() == ["openai/small", "openai/large"]
    assert err.startswith(b"dragoman: anthropic: ")
    assert err.count(b"\n") == 1


def test_who_cannot_be_asked(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("models", "openai", "--base-url", "http://127.0.0.1:1")
    assert (result.exit_code, result.stdout) == (5, "")
    assert result.stderr.startswith("dragoman: openai: ")
    monkeypatch.delenv("OPENAI_API_KEY")
    # What is offline does not come so far; without a key nothing is sent anyway.
    monkeypatch.delenv("DRAGOMAN_OFFLINE")
    if "openai" in plugins().providers():
        result = run("models", "openai")
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (3, "", 1)
    assert run("models", "nowhere").exit_code == 2


def test_nothing_installed(start: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DRAGOMAN_PLUGINS", "")
    process = start("models")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, b"")
    assert b"pip install dragoman-openai" in err
