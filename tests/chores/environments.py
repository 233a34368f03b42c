"""Environments, and how tests are run in them."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import nox
import nox.virtualenv
from chores.workspace import PINS, PYTHONS, built

if TYPE_CHECKING:
    from collections.abc import Callable

#: The developer's own keys and addresses decide no test.
_OWN = re.compile(
    r"_(API_KEY|API_TOKEN|AUTH_TOKEN|API_BASE|BASE_URL)$|^(HF_TOKEN|OLLAMA_HOST)$|^DRAGOMAN_(?!RECORDINGS)"
)
CLEAN = dict.fromkeys(name for name in os.environ if _OWN.search(name))
# Tests start hundreds of interpreters, and uv leaves it to them to compile what they import: once, if they may keep it.
CLEAN["PYTHONDONTWRITEBYTECODE"] = None

# pyenv hides versions that are not "global" behind shims that fail; they are on this machine all the same.
for _folder in sorted(Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser().glob("versions/3.*/bin")):
    if _folder.parent.name.rpartition(".")[0] in PYTHONS:
        os.environ["PATH"] += os.pathsep + str(_folder)


def install(session: nox.Session, *needs: str, wheels: list[str] | None = None, pins: Path = PINS) -> None:
    """Install the built wheels (all, if none is named) and `needs`, at the pinned versions."""
    wheels = wheels or built()
    session.install("-c", str(pins), *wheels, *needs)
    # An environment that `nox -r` reuses may hold an older build of the same version.
    session.install("--no-deps", "--force-reinstall", *wheels)


def pytest(*args: str) -> tuple[str, ...]:
    """Return arguments for Python: no random seeds, no deadlines, and a test that hangs fails."""
    return ("-m", "pytest", "--hypothesis-profile=ci", "--timeout=300", *args)


class Environment:
    """A virtual environment where nox would make none, through uv or, without it, virtualenv and pip."""

    def __init__(self, session: nox.Session, folder: Path) -> None:
        self.session = session
        self.python = str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
        self.uv = nox.virtualenv.UV if nox.virtualenv.HAS_UV else None
        make = [self.uv, "venv", "-p", sys.executable] if self.uv else [sys.executable, "-m", "virtualenv"]
        session.run(*make, "--clear", "-q", str(folder), external=True)

    def pip(self, command: str, *args: str) -> str:
        """Run a command of pip on the environment and return what it printed."""
        tool = [self.uv, "pip", command, "-p", self.python] if self.uv else [self.python, "-m", "pip", command]
        return str(self.session.run(*tool, *args, silent=True, external=True))

    def installed(self) -> set[str]:
        """Names of the installed distributions."""
        printed = self.pip("list", "--format=json")
        # Notices may stand around the one line of JSON.
        listed: list[dict[str, str]] = json.loads(next(line for line in printed.splitlines() if line.startswith("[")))
        return {entry["name"].lower().replace("_", "-") for entry in listed}


def once(session: nox.Session, what: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that outlives the session's environment; `make` fills it the first time."""
    folder = session.cache_dir.resolve() / re.sub(r"\W+", "-", what).strip("-")
    made = folder / ".made"
    if not made.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(folder)
        made.touch()
    return folder
