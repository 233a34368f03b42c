from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core.plugins import Plugins, plugins

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


def test_nothing_installed(run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("dragoman.core.plugins._installed", Plugins([str(tmp_path)]))
    result = run("models")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "pip install dragoman-openai" in result.stderr


@pytest.mark.parametrize(
    ("chosen", "remark"),
    [("acmee", "; no plugin has the name 'acmee'"), ("no:acme, other", "; no plugin has the name 'other'"), ("", "")],
)
def test_all_are_blocked(run: Any, install: Any, monkeypatch: pytest.MonkeyPatch, chosen: str, remark: str) -> None:
    monkeypatch.setenv("DRAGOMAN_PLUGINS", chosen)
    found = install("dragoman-acme", "dragoman.providers:acme=dragoman_acme:Acme", code="")
    monkeypatch.setattr("dragoman.core.plugins._installed", found)
    result = run("models")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"dragoman: all providers (acme) are blocked by DRAGOMAN_PLUGINS={chosen!r}{remark}\n"


def test_a_reason_is_told_once(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("DRAGOMAN_OFFLINE")
    for args in (("openai", "--base-url", "http://127.0.0.1:1"), ("ollama",)):
        if args[0] not in plugins().providers():
            continue
        monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
        result = run("models", *args)
        assert (result.exit_code, result.stderr.count("\n")) == (5, 1)
        assert result.stderr.count("refused") == 1
        assert result.stderr.count(f"{args[0]}: ") == 1


def test_an_address_may_lack_its_scheme(run: Any, server: Any) -> None:
    address = server.url.removeprefix("http://")
    assert run("models", "openai", "--base-url", address).stdout == "openai/small\nopenai/large\n"
    result = run("models", "openai", "--base-url", "nowhere")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--base-url nowhere: an address begins with http:// or https://" in result.stderr
