"""`dragoman config check`, and the commands that take a file."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from dragoman.core import ConfigError, hookimpl, register_hooks
from dragoman.core.cli import program
from dragoman.core.cli.config import command

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
[aliases]
quick = "llamacpp/demo"
[providers.local]
api_type = "llamacpp"
[[models.smart]]
model = "claude"
api_type = "anthropic"
[[models.smart]]
model = "local/demo"
[fallbacks]
other = ["smart"]
"""


class Part:
    """A plugin's own part of the file."""

    def __init__(self, *remarks: str, error: Exception | None = None) -> None:
        self.remarks, self.error = remarks, error

    @hookimpl
    def check_config(self, path: str) -> list[str]:
        if self.error is not None:
            raise self.error
        return [f"{path}: {remark}" for remark in self.remarks]


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    return tmp_path / "dragoman.toml"


def check(*args: str) -> Result:
    return CliRunner().invoke(command, ["check", *args])


def test_a_good_file_says_what_it_means(file: Path) -> None:
    pytest.importorskip("dragoman.llamacpp")
    pytest.importorskip("dragoman.anthropic")
    file.write_text(GOOD, "utf-8")
    result = check()
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [
        "smart    anthropic/claude, then local/demo",
        "other    other, then anthropic/claude, then local/demo",
        "quick    is llamacpp/demo",
        "local/…  LlamaCpp 'local' in this process",
        "dragoman.toml is right",
    ]
    assert result.stderr == "smart (claude): no key was found: set ANTHROPIC_API_KEY\n"


def test_a_server_of_ones_own_may_need_no_key(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dragoman.vllm")
    monkeypatch.delenv("VLLM_API_KEY", raising=False)
    file.write_text('[[models.fast]]\nmodel = "m"\napi_type = "vllm"\n', "utf-8")
    result = check()
    assert (result.exit_code, result.stderr) == (0, "")


def test_each_fault_has_its_line_on_stderr(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "no-such-provider")
    file.write_text('tiemout = 1\n[providers.a]\napi_type = "no-such-provider"\n', "utf-8")
    result = check("dragoman.toml")
    assert (result.exit_code, result.stdout) == (2, "")
    first, second = result.stderr.splitlines()
    assert first == "dragoman.toml:1: tiemout: is unknown; did you mean timeout?"
    assert second.startswith("dragoman.toml:3: providers.a.api_type: no installed plugin offers")
    assert "no-such-provider" not in result.stderr


def test_a_file_that_is_not_there(file: Path) -> None:
    result = check()
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "dragoman.toml cannot be read: No such file or directory\n"


def test_plugins_check_their_part(file: Path) -> None:
    file.write_text("[server]\n", "utf-8")
    with register_hooks(Part("one thing")):
        result = check()
    assert (result.exit_code, result.stdout) == (0, "dragoman.toml is right\n")
    assert "dragoman.toml: one thing" in result.stderr.splitlines()
    assert "not checked" not in result.stderr
    with register_hooks(Part(error=ConfigError("dragoman.toml:1: server.x: is wrong"))):
        result = check()
    assert result.exit_code == 2
    assert "dragoman.toml:1: server.x: is wrong" in result.stderr.splitlines()
    with register_hooks(Part(error=ZeroDivisionError())):
        assert isinstance(check().exception, ZeroDivisionError)


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("dragoman.toml", 0, "the table [server] was not checked: pip install dragoman-server"),
        ("config.yaml", 2, "config.yaml is LiteLLM's, and was not checked: pip install dragoman-server"),
    ],
)
def test_without_the_plugin_its_part_is_not_checked(file: Path, name: str, code: int, said: str) -> None:
    file.with_name(name).write_text("[server]\nport = 1\n", "utf-8")
    done = subprocess.run(  # noqa: S603 (ours)
        [sys.executable, "-m", "dragoman", "config", "check", name],
        env={**os.environ, "DRAGOMAN_PLUGINS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, f"{said}\n")
    assert done.stdout == ("" if code else "dragoman.toml is right\n")


def test_the_commands_take_a_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dragoman.llamacpp")
    file.write_text('[models.smart]\nmodel = "llamacpp/demo"\n', "utf-8")

    def run(*args: str) -> Any:
        return CliRunner().invoke(program, args, input="")

    chat = run("chat", "--config", "dragoman.toml", "-m", "smart", "Hello!")
    assert chat.exit_code == 0
    assert "Hello!" in chat.stdout
    found = run("check", "--config", "dragoman.toml", "--only", "text", "smart")
    assert (found.exit_code, "llamacpp/demo: at most" in found.stderr) == (0, True)
    file.write_text("timeout = 'x'", "utf-8")
    assert run("chat", "--config", "dragoman.toml", "-m", "smart", "Hi").exit_code == 2
    assert run("chat", "--config", "no-such.toml", "-m", "smart", "Hi").exit_code == 2
