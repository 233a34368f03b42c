from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from dragoman.core.plugins import Plugins

Run = Any
Start = Any


def finish(process: subprocess.Popen[bytes], piped: str = "") -> tuple[int, str, str]:
    out, err = process.communicate(piped.encode(), timeout=60)
    return process.returncode, out.decode().replace("\r\n", "\n"), err.decode().replace("\r\n", "\n")


def test_help_lists_the_commands(run: Run) -> None:
    result = run("--help")
    assert result.exit_code == 0
    listed = [line.split()[0] for line in result.stdout.partition("Commands:")[2].splitlines() if line[:3].strip()]
    assert {"chat", "completion", "demo", "models", "plugins"} <= set(listed)
    assert run("-h").stdout == result.stdout


def test_a_group_without_a_command_shows_its_help(run: Run) -> None:
    result = run("config")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[0] == "Usage: dragoman config [OPTIONS] COMMAND [ARGS]..."
    assert "  check  " in result.stderr


def test_help_imports_nothing_heavy() -> None:
    code = """
import sys
from dragoman.core.cli import program
try:
    program(["--help"])
finally:
    print(*sys.modules)
"""
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 (our own program)
    loaded = set(printed.splitlines()[-1].split())
    assert "click" in loaded
    assert loaded & {"openai", "pydantic", "httpx", "httpx2", "dragoman.core.client", "anthropic"} == set()


@pytest.mark.parametrize("name", ["chat", "completion", "demo", "models", "plugins"])
def test_every_command_has_help(run: Run, name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert "--debug" in result.stdout


def test_version(start: Start) -> None:
    assert finish(start("--version")) == (0, f"dragoman {version('dragoman-core')}\n", "")


@pytest.mark.parametrize(
    "args", [["chaat"], ["chat"], ["chat", "-m"], ["--foo"], ["models", "a", "b"], ["completion", "tcsh"]]
)
def test_wrong_usage_is_one_line(run: Run, args: list[str]) -> None:
    result: Result = run(*args)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("dragoman: ")
    assert result.stderr.count("\n") == 1


def test_python_m_dragoman(server: Any, start: Start) -> None:
    process = start("chat", "-m", "small", "--base-url", server.url)
    assert finish(process, "Guten Tag, 世界") == (0, "You said: Guten Tag, 世界 \n", "")


@pytest.mark.skipif(not hasattr(signal, "SIGINT") or os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_stops_with_130(server: Any, start: Start) -> None:
    # A test run in the background ignores the signal, and its children would inherit that.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    process = start("chat", "-m", "slow", "hello", "--base-url", server.url, before=heard, stdin=subprocess.DEVNULL)
    assert os.read(process.stdout.fileno(), 100) == b"You "
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (out.strip(), err.strip()) == (b"", b"")


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_closed_pipe_is_no_error(server: Any, start: Start) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    process = start("models", "openai", "--base-url", server.url, stdout=theirs)
    os.close(theirs)
    assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 141


@pytest.mark.skipif(os.name == "nt", reason="streams of POSIX")
@pytest.mark.parametrize(
    ("command", "closed", "code", "said"),
    [
        ("chat -m small hi", "<&-", 0, ""),
        ("chat -m small", "<&-", 2, "dragoman: there is no prompt, and nothing is piped in"),
        ("chat -m small hi", ">&-", 0, ""),
        ("chat -m small hi", "2>&-", 0, ""),
        ("plugins", ">&-", 0, ""),
        ("plugins", ">/dev/full", 2, "dragoman: the output cannot be written: No space left on device\n"),
        ("chat -m small hi", ">/dev/full", 2, "dragoman: the output cannot be written: No space left on device\n"),
        ("plugins", ">/dev/full 2>/dev/full", 2, ""),
    ],
)
def test_streams_that_are_closed_or_full(
    server: Any, monkeypatch: pytest.MonkeyPatch, command: str, closed: str, code: int, said: str
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    line = f"{sys.executable} -m dragoman {command} {closed}"
    ended = subprocess.run(["bash", "-c", line], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603, S607 (ours)
    assert (ended.returncode, ended.stderr[: len(said) or None]) == (code, said)


def test_dotenv_gives_keys(server: Any, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    Path(".env").write_text(f"OPENAI_API_KEY='key-in-the-file'\nOPENAI_BASE_URL={server.url}\n=oops secret\n")
    code, out, err = finish(start("chat", "-m", "small", "hi"))
    assert (code, out) == (0, "You said: hi \n")
    assert err == "dragoman: warning: line 3 of .env is not NAME=value; it is left out\n"
    assert server.keys == ["Bearer key-in-the-file"]


def test_the_environment_comes_before_dotenv(server: Any, start: Start) -> None:
    Path(".env").write_text("OPENAI_API_KEY=other\n")
    assert finish(start("chat", "-m", "small", "hi", "--base-url", server.url))[0] == 0
    assert server.keys == [f"Bearer {os.environ['OPENAI_API_KEY']}"]


def test_debug_shows_the_traceback_without_the_key(server: Any, run: Run) -> None:
    args = ["chat", "-m", "status-401", "hi", "--base-url", server.url]
    debug, plain = run(*args, "--debug"), run(*args)
    assert plain.stderr == "dragoman: no: Bearer [OPENAI_API_KEY] (HTTP 401, request req_1)\n"
    assert debug.stderr.startswith("Traceback (most recent call last)")
    assert debug.stderr.endswith(plain.stderr)
    assert run("--debug", *args).stderr.startswith("Traceback")
    assert os.environ["OPENAI_API_KEY"] not in plain.output + debug.output
    assert plain.exit_code == debug.exit_code == 3


GREETER = """
import click
from dragoman.core import hookimpl

@click.command()
def greet():
    "Greet politely."
    click.echo("good day")
    return 7

@hookimpl
def register_commands(commands):
    commands.add_command(greet)
"""


@pytest.fixture
def with_plugins(install: Callable[..., Plugins], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Plugins]:
    """`install`, for programs in processes of their own too."""

    usual = [path for path in [os.environ.get("PYTHONPATH")] if path]

    def install_for_all(*args: Any, **more: Any) -> Plugins:
        found = install(*args, **more)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*(found._path or ()), *usual]))
        return found

    return install_for_all


def test_a_plugin_adds_a_command(with_plugins: Callable[..., Plugins], start: Start) -> None:
    with_plugins("dragoman-greeter", "dragoman:greeter=dragoman_greeter", code=GREETER)
    code, out, err = finish(start("--help"))
    assert (code, err) == (0, "")
    assert "greet       Greet politely." in out
    assert finish(start("greet")) == (0, "good day\n", "")


def test_a_command_of_an_absent_plugin_says_which(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_PLUGINS", "")
    code, out, err = finish(start("new", "acme"))
    assert (code, out) == (2, "")
    assert "pip install dragoman-template, and see that DRAGOMAN_PLUGINS does not leave it out" in err
    code, out, err = finish(start("nwe", "acme"))
    assert (code, out) == (2, "")
    assert "No such command 'nwe'" in err
    assert "dragoman-template" not in err


def test_a_broken_plugin_hurts_only_itself(with_plugins: Callable[..., Plugins], start: Start) -> None:
    failing = "from dragoman.core import hookimpl\n@hookimpl\ndef register_commands(commands):\n    1 / 0\n"
    thief = GREETER.replace("commands.add_command(greet)", "commands.add_command(greet, 'chat')")
    with_plugins("dragoman-greeter", "dragoman:greeter=dragoman_greeter", code=GREETER)
    with_plugins("dragoman-absent", "dragoman:absent=no_such_module")
    with_plugins("dragoman-failing", "dragoman:failing=dragoman_failing", code=failing)
    with_plugins("dragoman-thief", "dragoman:thief=dragoman_thief", code=thief)
    code, out, err = finish(start("greet"))
    assert (code, out) == (0, "good day\n")
    warnings = sorted(err.splitlines())
    assert len(warnings) == 3
    assert all(line.startswith("dragoman: warning: ") for line in warnings)
    assert "the commands of dragoman-failing 1.0 are left out: ZeroDivisionError: " in err
    assert "remove it (pip uninstall dragoman-failing)" in err
    assert "there already is a command 'chat'" in err
    assert "dragoman-absent" in err
    assert "Talk to a model" in finish(start("chat", "--help"))[1]
