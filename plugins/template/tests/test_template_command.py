"""The command: what it takes, asks, refuses and writes."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from dragoman.template.answers import CLASSES, TAKEN, Answers, fault_of_name, name_of
from dragoman.template.command import command
from dragoman.template.tree import render

if TYPE_CHECKING:
    from click.testing import Result

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def new(*args: str) -> Result:
    return CliRunner().invoke(command, args)


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()
    }


def test_dragoman_has_the_command(run: Any) -> None:
    result = run("dragoman", "new", "--help")
    assert result.returncode == 0
    assert "Write the project of a provider NAME" in result.stdout


def test_what_is_said_stands_in_the_project() -> None:
    options = ("--base-url", "http://10.0.0.7:8000/v2", "--key-env", "HOUSE_KEY", "--author", "Jürg Acme GmbH")
    result = new("umbra_ai", "--own-wire", *options, "--license", "Apache-2.0", "-o", "house/umbra")
    assert result.exit_code == 0, result.output
    assert "cd house/umbra\n" in result.output
    found = files(Path("house/umbra"))
    said = tomllib.loads(found["pyproject.toml"])["project"]
    assert said["name"] == "dragoman-umbra-ai"
    assert said["authors"] == [{"name": "Jürg Acme GmbH"}]
    assert said["license"] == "Apache-2.0"
    assert said["entry-points"] == {"dragoman.providers": {"umbra-ai": "dragoman_umbra_ai:UmbraAi"}}
    assert "Apache License" in found["LICENSE"]
    provider = found["src/dragoman_umbra_ai/provider.py"]
    assert "class UmbraAi(Provider):" in provider
    assert 'base_url = "http://10.0.0.7:8000/v2"' in provider
    assert 'key_env: ClassVar = ("HOUSE_KEY",)' in provider
    assert 'base_url_env: ClassVar = ("UMBRA_AI_BASE_URL",)' in provider


def test_what_is_not_said_is_usual() -> None:
    assert new("umbra", "--yes").exit_code == 0
    found = files(Path("dragoman-umbra"))
    assert "class Umbra(CompatibleProvider):" in found["src/dragoman_umbra/provider.py"]
    assert 'base_url = "https://api.umbra.example/v1"' in found["src/dragoman_umbra/provider.py"]
    assert 'key_env: ClassVar = ("UMBRA_API_KEY",)' in found["src/dragoman_umbra/provider.py"]
    assert "Copyright (c) The Umbra authors" in found["LICENSE"]


@pytest.mark.parametrize("wire", ["openai-compatible", "own-wire"])
def test_nothing_is_left_of_the_vendor_that_does_not_exist(wire: str) -> None:
    for path, text in render(Answers("umbra", wire)).items():
        assert "acme" not in (path + text).lower(), path


def test_the_three_required_tapes_and_more_are_there() -> None:
    for wire in ("openai-compatible", "own-wire"):
        tapes = {path for path in render(Answers("umbra", wire)) if path.startswith("tests/tapes/")}
        wanted = {"text", "text_stream", "tools", "tools_stream", "error", "unsupported"}
        assert tapes >= {f"tests/tapes/{name}.json" for name in wanted}


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["umbra"], "say how the API speaks: --openai-compatible or --own-wire"),
        (["umbra", "--openai-compatible", "--own-wire"], "contradict each other"),
        (["Umbra", "-y"], "use small letters"),
        (["dragoman-Umbra_X", "-y"], "'dragoman-Umbra_X' is no name for a provider"),
        (["umb ra", "-y"], "use small letters"),
        (["1umbra", "-y"], "use small letters"),
        (["um--bra", "-y"], "use small letters"),
        (["u" * 31, "-y"], "30 characters at most"),
        (["openai", "-y"], "dragoman-openai exists already"),
        (["dragoman-core", "-y"], "dragoman-core exists already"),
        (["provider", "-y"], "the class would be called Provider"),
        (["umbra", "-y", "--base-url", "umbra.example"], "is no base URL"),
        (["umbra", "-y", "--base-url", 'https://umbra"'], "is no base URL"),
        (["umbra", "-y", "--key-env", "umbra-key"], "is no name of an environment variable"),
        (["umbra", "-y", "--author", 'An "Author"'], "cannot stand in pyproject.toml"),
        (["umbra", "-y", "--license", "GPL"], "is not one of"),
    ],
)
def test_what_cannot_be_meant_is_refused(args: list[str], reason: str, folder: Path) -> None:
    result = new(*args)
    assert result.exit_code == 2
    assert reason in " ".join(result.output.split())
    assert not list(folder.iterdir())


def test_a_folder_is_never_written_over(folder: Path) -> None:
    (folder / "dragoman-umbra").mkdir()
    (folder / "dragoman-umbra" / "mine").touch()
    result = new("umbra", "-y")
    assert result.exit_code == 2
    assert "dragoman-umbra exists already" in result.output
    assert list(files(folder)) == ["dragoman-umbra/mine"]


def test_a_folder_that_cannot_be_made_is_told(folder: Path) -> None:
    (folder / "file").touch()
    result = new("umbra", "-y", "-o", "file/umbra")
    assert result.exit_code == 1
    assert "file/umbra cannot be written: Not a directory" in result.output


def test_an_installed_provider_is_not_written_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metadata = folder / "house_models-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: house-models\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[dragoman.providers]\numbra = house:Umbra\n")
    monkeypatch.syspath_prepend(str(folder))
    assert "installed already, from house-models" in fault_of_name("umbra")


def test_names_are_read_as_people_write_them() -> None:
    assert [name_of(text) for text in ("acme", " dragoman-acme", "dragoman_acme_ai")] == ["acme", "acme", "acme-ai"]


@pytest.mark.skipif(not (ROOT / "core").is_dir(), reason="the other distributions are in the repository only")
def test_all_our_distributions_are_taken() -> None:
    ours = {path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml")} | {"core"}
    assert ours <= TAKEN


@pytest.mark.parametrize("wire", ["openai-compatible", "own-wire"])
def test_names_in_use_are_known(wire: str) -> None:
    used: set[str] = set()
    for path, text in render(Answers("umbra", wire)).items():
        for node in ast.walk(ast.parse(text)) if path.endswith(".py") else ():
            if isinstance(node, ast.ImportFrom):
                used |= {alias.asname or alias.name for alias in node.names}
            elif isinstance(node, ast.ClassDef):
                used.add(node.name)
    used = {name for name in used if name[0].isupper() and not name.isupper()}
    assert used - {"Umbra", "TestUmbra"} <= CLASSES


def test_core_is_in_the_range_that_the_project_wants() -> None:
    from importlib.metadata import version

    from packaging.requirements import Requirement

    wanted = tomllib.loads(render(Answers("umbra"))["pyproject.toml"])
    needs = [*wanted["project"]["dependencies"], *wanted["dependency-groups"]["test"]]
    for need in map(Requirement, needs):
        assert version(need.name) in need.specifier, f"{need.name} {version(need.name)}"


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are Unix's")
def test_at_a_terminal_it_asks_and_asks_again(folder: Path) -> None:
    said = ["2", "nowhere", "https://umbra.example", "", "", "Apache-2.0"]
    printed, code = at_a_terminal(["umbra"], said)
    assert code == 0, printed
    assert "Which environment variable has the key [UMBRA_API_KEY]" in printed
    assert "'nowhere' is no base URL" in printed
    found = files(folder / "dragoman-umbra")
    assert 'base_url = "https://umbra.example"' in found["src/dragoman_umbra/provider.py"]
    assert "src/dragoman_umbra/stream.py" in found
    assert "Apache License" in found["LICENSE"]


@pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are Unix's")
def test_with_yes_it_asks_nothing_at_a_terminal_either() -> None:
    printed, code = at_a_terminal(["umbra", "--yes"], [])
    assert code == 0
    assert "?" not in printed
    assert "Which" not in printed


def at_a_terminal(args: list[str], said: list[str]) -> tuple[str, int]:
    """Run `dragoman new` at a pseudo-terminal, where all answers are typed beforehand."""
    ours, theirs = os.openpty()
    with os.fdopen(ours, "r+b", buffering=0) as terminal:
        terminal.write("".join(f"{line}\n" for line in said).encode())
        process = subprocess.Popen(  # noqa: S603 (dragoman itself)
            [sys.executable, "-m", "dragoman", "new", *args], stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        printed = b""
        # The end of a pseudo-terminal is an error on Linux, and nothing more to read elsewhere.
        try:
            while more := terminal.read(4096):
                printed += more
        except OSError:
            pass
        return printed.decode(), process.wait(60)
