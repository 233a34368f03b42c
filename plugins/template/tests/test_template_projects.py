"""The projects that `dragoman new` writes are green as they are, and copier writes the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from copier import run_copy

from dragoman.template.answers import LICENCES, WIRES, Answers
from dragoman.template.command import command
from dragoman.template.tree import render, template, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: The shortest name, one of several words, the longest: lines of code grow and shrink with it.
NAMES = ("x", "umbra-ai", "u" * 30)
wires = pytest.mark.parametrize("wire", WIRES)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a project, once for all tests that look at it."""
    made: dict[Answers, Path] = {}

    def project(name: str, wire: str) -> Path:
        answers = Answers(name, wire)
        if answers not in made:
            made[answers] = tmp_path_factory.mktemp("new") / f"dragoman-{name}"
            write(render(answers), made[answers])
        return made[answers]

    return project


@wires
def test_the_suite_is_green_and_has_all_its_tapes(project: Callable[..., Path], wire: str, run: Any) -> None:
    result = run("pytest", "-q", "-p", "no:cacheprovider", folder=project("umbra-ai", wire))
    assert result.returncode == 0, result.stdout
    assert " passed" in result.stdout.splitlines()[-1]
    skipped = [line for line in result.stdout.splitlines() if line.startswith("SKIPPED")]
    # A vendor that does not exist need not have every feature of OpenAI's; all else has its tape.
    assert [line for line in skipped if "no tape of UmbraAi shows:" not in line] == []


@wires
@pytest.mark.parametrize("name", NAMES)
def test_ruff_has_nothing_to_say(project: Callable[..., Path], name: str, wire: str, run: Any) -> None:
    folder = project(name, wire)
    for args in (["check"], ["format", "--check"]):
        result = run("ruff", *args, "--no-cache", ".", folder=folder)
        assert result.returncode == 0, result.stdout


@pytest.fixture(scope="session")
def house_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house") / "template"
    result = CliRunner().invoke(command, ["--copier-template", str(folder)])
    assert result.exit_code == 0, result.output
    assert f"copier copy {folder} FOLDER" in result.output
    return folder


def copy(source: Path, target: Path, **data: str) -> None:
    run_copy(str(source), target, data, defaults=True, quiet=True)


def bytes_of(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    # How copier remembers what it asked.
    found.pop(".copier-answers.yml", None)
    return found


@pytest.mark.parametrize(
    "answers",
    [
        Answers("umbra-ai", "openai-compatible"),
        Answers("a1b-2", "own-wire", "http://[::1]:8000/v2", "HOUSE_KEY", "Jürg's Acme {{ GmbH }}", LICENCES[1]),
        Answers("x", "own-wire", license=LICENCES[2]),
    ],
    ids=lambda answers: answers.name,
)
def test_copier_writes_the_same(answers: Answers, house_template: Path, tmp_path: Path) -> None:
    write(render(answers), tmp_path / "new")
    usual = Answers(answers.name)
    said = {name: getattr(answers, name) for name in Answers.__slots__}
    said = {name: value for name, value in said.items() if name == "name" or value != getattr(usual, name)}
    copy(house_template, tmp_path / "copied", **said)
    assert (tmp_path / "copied" / ".copier-answers.yml").is_file()
    assert bytes_of(tmp_path / "copied") == bytes_of(tmp_path / "new")


@pytest.mark.parametrize("name", ["Umbra", "um--bra", "u" * 31])
def test_copier_refuses_such_names_too(name: str, house_template: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="small letters"):
        copy(house_template, tmp_path / "copied", name=name, wire="own-wire")


def test_no_file_of_the_project_looks_like_a_variable() -> None:
    for wire in WIRES:
        for path, text in render(Answers("umbra", wire)).items():
            assert not any(mark in text for mark in ("@{", "@%", "@#")), path
    assert set(template()) >= {"copier.yml", *(f"{wire}/pyproject.toml" for wire in WIRES)}


def test_what_tools_leave_behind_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dragoman.template import tree

    for place in ("own-wire/src/dragoman_acme/__pycache__/a.pyc", ".ruff_cache/b", "own-wire/.pytest_cache/c", "d"):
        file = tmp_path / "project" / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"\xff" if place != "d" else b"d")
    (tmp_path / "project" / "licences" / "MIT").mkdir(parents=True)
    monkeypatch.setattr(tree, "files", lambda _: tmp_path)
    assert tree.render(Answers("umbra", "own-wire")) == {"d": "d"}
