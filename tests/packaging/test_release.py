"""`nox -s release -- NAME VERSION` at work, on a copy of this repository with a history of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WHO = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org"}
WHO |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in WHO.items()}
ALONE = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
#: nox asks it for uv and finds none there: what CI does with uv is done with virtualenv and pip here.
WITHOUT_UV = {"UV": "there-is-none"}


class Copy:
    """A small repository: core and one plugin, as they are here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        leave = shutil.ignore_patterns("__pycache__", ".*")
        for name in ("core", "plugins/vllm", "tests/chores"):
            shutil.copytree(ROOT / name, folder / name, ignore=leave)
        for name in ("noxfile.py", "pyproject.toml", "LICENSE", "README.md", "tests/constraints.txt"):
            shutil.copy(ROOT / name, folder / name)
        (folder / ".gitignore").write_text(".nox/\n__pycache__/\n", "utf-8")
        self.git("init", "-q")
        self.commit()

    def git(self, *arguments: str) -> str:
        done = subprocess.run(  # noqa: S603 (our own program)
            ["git", *arguments],  # noqa: S607 (git is found on PATH)
            capture_output=True,
            text=True,
            check=True,
            cwd=self.folder,
            env={**os.environ, **WHO, **ALONE},
        )
        return done.stdout.strip()

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "a state")

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")

    def release(self, *arguments: str) -> tuple[int, str]:
        """Exit code and what was printed; environments are kept from one release to the next."""
        nox = (sys.executable, "-m", "nox", "--non-interactive", "-r", "-s", "release", "--", *arguments)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("NOX", "VIRTUAL_ENV"))}
        done = subprocess.run(  # noqa: S603 (our own program)
            nox,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            cwd=self.folder,
            env={**inherited, **WHO, **ALONE, **WITHOUT_UV, "NO_COLOR": "1"},
        )
        return done.returncode, done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    if not shutil.which("git") or not find_spec("nox"):
        pytest.skip("needs git, and nox beside pytest, as in `nox -s packaging`")
    return Copy(tmp_path_factory.mktemp("release") / "repository")


def test_a_release_is_built_tried_and_tagged_and_a_second_one_refused(copy: Copy) -> None:
    code, said = copy.release("dragoman-vllm", "0.1.0")
    assert code == 0, said
    assert "uv pip" not in said
    assert copy.git("tag", "--list") == "vllm-v0.1.0"
    assert copy.git("tag", "-l", "--format=%(objecttype) %(contents:subject)") == "tag dragoman-vllm 0.1.0"
    assert copy.git("rev-parse", "vllm-v0.1.0^{}") == copy.git("rev-parse", "HEAD")
    built = {path.name for path in copy.folder.glob(".nox/release/tmp/vllm-v0.1.0/*")}
    assert built == {"dragoman_vllm-0.1.0-py3-none-any.whl", "dragoman_vllm-0.1.0.tar.gz"}
    assert said.count("PASSED") == 2, "twine looks at both"
    # The wheel in an environment of its own: core and this plugin, nothing else of ours.
    assert re.findall(r"^(?:provider|hooks) +(\S+) +(\S+ \S+) +(\S+)", said, re.MULTILINE) == [
        ("vllm", "dragoman-vllm 0.1.0", "ok")
    ]
    assert "to publish: git push origin vllm-v0.1.0 && python -m twine upload " in said
    code, said = copy.release("vllm", "0.1.0")
    assert (code, "the tag vllm-v0.1.0 exists already" in said) == (1, True), said


@pytest.mark.parametrize(
    ("arguments", "edits", "reason"),
    [
        ((), [], "NAME is one of core, vllm"),
        (("nobody", "0.1.0"), [], "NAME is one of core, vllm"),
        (("core", "0.2.0"), [], "core/pyproject.toml says 0.1.0, not 0.2.0"),
        (("core", "0.1.0"), [("core/README.md", "# dragoman-core", "# other")], "the working tree has changes"),
        (
            ("core", "0.1.1"),
            [("core/pyproject.toml", 'version = "0.1.0"', 'version = "0.1.1"')],
            "core/CHANGELOG.md has no entry '## 0.1.1'",
        ),
        (
            ("core", "0.2.0"),
            [
                ("core/pyproject.toml", 'version = "0.1.0"', 'version = "0.2.0"'),
                ("core/CHANGELOG.md", "## 0.1.0\n", "## 0.2.0\n\n- More.\n\n## 0.1.0\n"),
            ],
            "plugins/vllm/pyproject.toml wants dragoman-core<0.2,>=0.1, and that is 0.2.0",
        ),
        (
            ("vllm", "0.1.1"),
            [
                ("plugins/vllm/pyproject.toml", 'version = "0.1.0"', 'version = "0.1.1"'),
                ("plugins/vllm/CHANGELOG.md", "## 0.1.0\n", "## 0.1.1\n\n## 0.1.0\n"),
            ],
            "plugins/vllm/CHANGELOG.md has no entry '## 0.1.1', or nothing in it",
        ),
    ],
    ids=["nothing", "unknown", "other-version", "dirty", "no-changes", "dependents", "empty-changes"],
)
def test_what_is_not_ready_is_refused(
    copy: Copy, arguments: tuple[str, ...], edits: list[tuple[str, str, str]], reason: str
) -> None:
    before = copy.git("tag", "--list")
    for edit in edits:
        copy.edit(*edit)
    try:
        code, said = copy.release(*arguments)
    finally:
        copy.git("checkout", "-q", "--", ".")
    assert (code, reason in said) == (1, True), said
    assert copy.git("tag", "--list") == before
