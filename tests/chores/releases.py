"""Sessions for what is published: the wheels, and a release."""

from __future__ import annotations

import re
import shutil
import tempfile
import zipfile
from pathlib import Path

import nox
from chores.environments import CLEAN, Environment, install
from chores.workspace import DIST, FOLDERS, PINS, ROOT, built, group, is_ours
from nox.project import load_toml
from packaging.requirements import Requirement


def faults(wheel: Path, module: str) -> list[str]:
    """Return what is in a wheel and should not be, and what is not and should."""
    names = zipfile.ZipFile(wheel).namelist()
    own = [f"dragoman/{module}/", wheel.name.split("-", 1)[0], *(["dragoman/__main__.py"] if module == "core" else [])]
    must = [f"dragoman/{module}/__init__.py", f"dragoman/{module}/py.typed"]
    found = [f"has {name}, which is not its own" for name in names if not name.startswith(tuple(own))]
    found += [f"lacks {name}" for name in must if name not in names]
    licensed = any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    return [f"{wheel.name} {fault}" for fault in found + ([] if licensed else ["lacks the licence"])]


@nox.session(name="wheels", requires=["build"])
def check_wheels(session: nox.Session) -> None:
    """Check what the built distributions hold, and import every module of all of them together."""
    install(session, *group("release"))
    if wrong := [fault for name in FOLDERS for wheel in built(name) for fault in faults(Path(wheel), name)]:
        session.error("; ".join(wrong))
    session.run("twine", "check", "--strict", *map(str, sorted(DIST.iterdir())))
    walk = """
import dragoman, importlib, pkgutil
names = [module.name for module in pkgutil.walk_packages(dragoman.__path__, "dragoman.")]
# Parts for one framework each, and none of them is here.
names = [name for name in names if not name.startswith("dragoman.autogen.")]
for name in names:
    name.endswith("__main__") or importlib.import_module(name)
print(len(names), "modules, one namespace:", *dragoman.__path__)
"""
    with session.chdir(session.create_tmp()):
        session.run("python", "-W", "error", "-c", walk, env=CLEAN, log=False)


def misfits(name: str, version: str) -> list[str]:
    """Return what keeps this version of a distribution from being installed beside the others here."""
    versions = {other: load_toml(folder / "pyproject.toml")["project"]["version"] for other, folder in FOLDERS.items()}
    versions[name] = version
    found = []
    for other, folder in FOLDERS.items():
        for need in map(Requirement, load_toml(folder / "pyproject.toml")["project"]["dependencies"]):
            wanted = need.name.removeprefix("dragoman-")
            concerned = is_ours(need.name) and name in {other, wanted}
            if concerned and not need.specifier.contains(versions[wanted], prereleases=True):
                found.append(f"{folder.relative_to(ROOT)}/pyproject.toml wants {need}, and that is {versions[wanted]}")
    return found


def check_ready(session: nox.Session, name: str, version: str) -> None:
    """Stop a release that says one thing here and another there, or that would leave something out."""
    folder, tag = FOLDERS[name], f"{name}-v{version}"
    place, declared = folder.relative_to(ROOT), load_toml(folder / "pyproject.toml")["project"]["version"]
    if declared != version:
        session.error(f"{place}/pyproject.toml says {declared}, not {version}")
    # Something has to stand below the heading.
    entry = rf"(?m)^## {re.escape(version)}(?![\w.]).*\n+(?!## )\S"
    if not re.search(entry, (folder / "CHANGELOG.md").read_text("utf-8")):
        session.error(f"{place}/CHANGELOG.md has no entry '## {version}', or nothing in it")
    if unfit := misfits(name, version):
        session.error("; ".join(unfit))
    if session.run("git", "status", "--porcelain", external=True, silent=True):
        session.error("the working tree has changes: commit them first")
    if session.run("git", "tag", "--list", tag, external=True, silent=True):
        session.error(f"the tag {tag} exists already")


def try_wheel(session: nox.Session, name: str, out: Path) -> None:
    """Install a built wheel, with a core of this checkout and nothing else of ours, and use it."""
    wheels = [str(wheel) for wheel in out.glob("*.whl")]
    with tempfile.TemporaryDirectory(prefix="dragoman-", ignore_cleanup_errors=True) as temporary:
        home = Path(temporary)
        if name != "core":
            build = ("python", "-m", "build", "--no-isolation", "--wheel", "--outdir", temporary)
            session.run(*build, str(FOLDERS["core"]), silent=True)
        environment = Environment(session, home / "env")
        environment.pip("install", "-c", str(PINS), *wheels, *map(str, home.glob("*.whl")))
        environment.pip("check")
        use = f"import dragoman.{name}; from importlib.metadata import version; print(version('dragoman-{name}'))"
        with session.chdir(home):
            session.run(environment.python, "-W", "error", "-c", use, env=CLEAN, external=True)
            session.run(environment.python, "-m", "dragoman", "plugins", env=CLEAN, external=True)


@nox.session
def release(session: nox.Session) -> None:
    """Check, build, try and tag one distribution; upload nothing. Usage: nox -s release -- NAME VERSION."""
    name, version = session.posargs if len(session.posargs) == 2 else ("", "")
    name = name.removeprefix("dragoman-")
    if name not in FOLDERS:
        session.error(f"say which: nox -s release -- NAME VERSION, where NAME is one of {', '.join(sorted(FOLDERS))}")
    check_ready(session, name, version)
    tag = f"{name}-v{version}"
    session.install("-c", str(PINS), *group("build"), *group("release"))
    out = Path(session.create_tmp()).resolve() / tag
    shutil.rmtree(out, ignore_errors=True)
    session.run("python", "-m", "build", "--no-isolation", "--outdir", str(out), str(FOLDERS[name]), silent=True)
    if wrong := [fault for wheel in out.glob("*.whl") for fault in faults(wheel, name)]:
        session.error("; ".join(wrong))
    session.run("twine", "check", "--strict", *map(str, sorted(out.iterdir())))
    try_wheel(session, name, out)
    session.run("git", "tag", "--annotate", tag, "--message", f"dragoman-{name} {version}", external=True)
    session.log(f"to publish: git push origin {tag} && python -m twine upload {out}/*")
