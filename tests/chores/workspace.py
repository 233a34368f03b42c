"""What stands in this repository: its distributions, what each needs, and what was built of them."""

from __future__ import annotations

import re
from pathlib import Path

from nox.project import dependency_groups, load_toml, python_versions

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "dist"
PINS = ROOT / "tests" / "constraints.txt"
FOLDERS = {path.parent.name: path.parent for path in sorted(ROOT.glob("plugins/*/pyproject.toml"))}
PLUGINS = list(FOLDERS)
FOLDERS["core"] = ROOT / "core"
PYTHONS = python_versions(load_toml(ROOT / "core" / "pyproject.toml"))


def built(*names: str) -> list[str]:
    """Return the built wheels of these distributions (of all, if none is named)."""
    return [str(path) for name in names or FOLDERS for path in sorted(DIST.glob(f"dragoman_{name}-*.whl"))]


def group(name: str, folder: Path = ROOT) -> tuple[str, ...]:
    """Return the requirements of a `[dependency-groups]` entry; none, where there is no such entry."""
    project = load_toml(folder / "pyproject.toml")
    return dependency_groups(project, name) if name in project.get("dependency-groups", {}) else ()


def test_needs(*names: str) -> list[str]:
    """Return what the tests of these distributions (of all, if none is named) import besides, of other people's."""
    own = [need for name in names or FOLDERS for need in group("test", FOLDERS[name]) if not is_ours(need)]
    return sorted({*group("test"), *own})


def test_wheels(name: str) -> list[str]:
    """Return the built wheels of our own distributions that the tests of one import besides."""
    return [
        wheel
        for need in group("test", FOLDERS[name])
        if is_ours(need)
        for wheel in built(name_of(need).removeprefix("dragoman-"))
    ]


def is_ours(need: str) -> bool:
    """Whether a requirement is one of the distributions here, which come from `dist/` and not from an index."""
    return need.startswith("dragoman-")


def name_of(need: str) -> str:
    """Return the distribution's name in a requirement."""
    return re.split(r"[^\w-]", need, maxsplit=1)[0]


def dependencies(folder: Path) -> list[str]:
    """Return what a distribution depends on besides core."""
    needs: list[str] = load_toml(folder / "pyproject.toml")["project"]["dependencies"]
    return [need for need in needs if not need.startswith("dragoman-core")]


def floors(name: str) -> list[str]:
    """Return `need==version` with the lowest version of all that a distribution depends on, and of openai."""
    openai = [need for need in dependencies(FOLDERS["core"]) if need.startswith("openai>")]
    return sorted(re.sub(r">=([\w.]+).*", r"==\1", need) for need in {*dependencies(FOLDERS[name]), *openai})


def entry_points(plugin: str) -> dict[str, dict[str, str]]:
    """Return what a plugin offers, by group."""
    found: dict[str, dict[str, str]] = load_toml(FOLDERS[plugin] / "pyproject.toml")["project"].get("entry-points", {})
    return found
