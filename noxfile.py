"""Every chore of this repository, one session each: `nox -l` lists them, a bare `nox` is what CI runs first.

Works with uv and without it. Distributions are found by looking: `core/` and each `plugins/*/` that has a
`pyproject.toml`; a new plugin is tested, typed, built and checked alone without a line here. What CI does not run,
and what all sessions share, is in `tests/chores/`.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import nox
from nox.project import load_toml

# The folder of a noxfile is not among those that programs import from.
sys.path.append(str(Path(__file__).parent / "tests"))

from chores.environments import CLEAN, Environment, install, pytest
from chores.workspace import (
    DIST,
    FOLDERS,
    PINS,
    PLUGINS,
    PYTHONS,
    ROOT,
    built,
    dependencies,
    group,
    name_of,
    test_needs,
    test_wheels,
)

nox.needs_version = ">=2026.4"
nox.options.default_venv_backend = "uv|virtualenv"
# What this machine does not have is skipped, in sight, on CI too; nothing is fetched but packages.
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False

#: The Python that runs nox: it runs all tests.
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
# Well under half an hour on two cores; CI runs `recorded` and `instructions` after these. The Python that runs nox has
# openai 3, the oldest and the two newest of the others have openai 2: two runs of all suites, in which each Python and
# each openai has its turn, and each plugin's suite once more, `alone`. Every Python with every openai (`nox -s tests
# openai2`), old SDKs (`oldest`), `aimock` and `server_clients` (node), `litellm_proxy` (600 MB), `ray` (700 MB),
# `openapi`, `soak`, `gateways` and the frameworks (`nox -t autogen`) are run by hand, before a release.
TRIED = [
    f"tests-{version}" if version == OWN else f"openai2-{version}"
    for version in PYTHONS
    if version in {PYTHONS[0], OWN, *PYTHONS[-2:]}
]
nox.options.sessions = ["lint", "types", *TRIED, "alone", "new", "packaging", "docs"]
UNIT_TESTS = [str(folder / "tests") for folder in FOLDERS.values() if (folder / "tests").is_dir()]
#: What talks to a provider: a plugin may bring in only what it declares itself.
VENDOR_SDKS = {"anthropic", "litellm", "lmstudio", "mistralai", "ollama", "together", "vllm", "xllamacpp"}


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
    own = session.python == OWN
    elsewhere = [f"--ignore=tests/{name}" for name in ("test_docs.py", "test_site.py", "recorded", "packaging")]
    house = ["tests", *elsewhere] if own else []
    session.run("python", *pytest("-n", "auto", *(session.posargs or [*UNIT_TESTS, *house])), env=CLEAN)


@nox.session(python=PYTHONS, requires=["build"])
def openai2(session: nox.Session) -> None:
    """Run core's and the plugins' tests on openai 2, which many frameworks still pin."""
    pins = Path(session.create_tmp()).resolve() / "constraints.txt"
    pins.write_text(re.sub(r"(?m)^openai==.*\n", "", PINS.read_text("utf-8")), "utf-8")
    install(session, "openai>=2.44,<3", *test_needs(), pins=pins)
    session.run("python", *pytest("-n", "auto", *(session.posargs or UNIT_TESTS)), env=CLEAN)


@nox.session(python=False, requires=["build"])
@nox.parametrize("plugin", PLUGINS, ids=PLUGINS)
def alone(session: nox.Session, plugin: str) -> None:
    """Install one plugin and core, nothing else, outside the repository, and run a copy of its tests there."""
    project = load_toml(FOLDERS[plugin] / "pyproject.toml")["project"]
    declared = {name_of(need) for need in project["dependencies"]}
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
        environment.pip("install", "-c", str(PINS), *test_needs(plugin), *test_wheels(plugin))
        shutil.copytree(FOLDERS[plugin] / "tests", home / "tests", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", home)  # pytest's settings
        with session.chdir(home):
            session.run(environment.python, *pytest("-n", "auto", "tests", *session.posargs), env=CLEAN, external=True)


@nox.session(python=False, requires=["build"])
@nox.parametrize("wire", ["openai-compatible", "own-wire"], ids=["openai-compatible", "own-wire"])
def new(session: nox.Session, wire: str) -> None:
    """Try `dragoman new` as an author would, and then, beside core alone, as that plugin's users would."""
    started = time.monotonic()

    def tell(what: str) -> None:
        session.log(f"{time.monotonic() - started:.1f} s: {what}")

    with tempfile.TemporaryDirectory(prefix="dragoman-", ignore_cleanup_errors=True) as temporary:
        home = Path(temporary)
        project, chat = home / "dragoman-acme", FOLDERS["template"] / "tests" / "chat.py"
        author, user = Environment(session, home / "author"), Environment(session, home / "user")
        author.pip("install", "-c", str(PINS), *built("core", "template", "testing"))
        tell("dragoman-template and dragoman-testing are installed")
        with session.chdir(home):
            session.run(author.python, "-m", "dragoman", "new", "acme", f"--{wire}", env=CLEAN, external=True)
        tell("the project is written")
        with session.chdir(project):
            author.pip("install", "-c", str(PINS), "-e", ".", "--group", "dev")
            tell("it is installed, with its group `dev`")
            for command in (["pytest", "-q"], ["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]):
                session.run(author.python, "-m", *command, env=CLEAN, external=True)
                tell(f"{' '.join(command)}: green")
        user.pip("install", "-c", str(PINS), *built("core"), str(project))
        ours = sorted(name for name in user.installed() if name.startswith("dragoman"))
        tell(f"a clean environment has {', '.join(ours)}")
        tape = project / "tests" / "tapes" / "text_stream.json"
        session.run(author.python, str(chat), user.python, str(tape), env=CLEAN, external=True)
        tell("a fake of the vendor answered")


@nox.session(requires=["build"])
def packaging(session: nox.Session) -> None:
    """Install other people's plugins, of every backend and layout, and broken ones; rehearse a release (2 min)."""
    node = () if shutil.which("node") else ("pyright[nodejs]",)
    session.install("-c", str(PINS), *group("test"), *group("types"), "flit_core", "nox", *node)
    # What core needs, and the backends; the tests copy it and add core and plugins, each in its own way.
    base = Path(session.create_tmp()).resolve() / "base"
    environment = Environment(session, base)
    environment.pip("install", "-c", str(PINS), *dependencies(FOLDERS["core"]), "pip", *group("backends"))
    # Each test has a copy; what uv left to be compiled is compiled once.
    session.run(environment.python, "-m", "compileall", "-q", str(base), external=True)
    env = {**CLEAN, "DRAGOMAN_PACKAGING": str(base)}
    # By files: the environments that the tests make are shared within one.
    by_file = ("-n", "auto", "--dist", "loadfile")
    session.run("python", *pytest(*by_file, *(session.posargs or ["tests/packaging"])), env=env)


@nox.session(requires=["build"])
def docs(session: nox.Session) -> None:
    """Build the site of docs/ into site/, and run every code block of it and of the README files."""
    install(session, *group("docs"), *test_needs())
    # The site's Markdown has one extension of ours, which lies beside the tests.
    session.run("zensical", "build", "--clean", "--strict", env={"PYTHONPATH": str(ROOT / "tests")})
    session.run("python", *pytest("tests/test_site.py", "tests/test_docs.py", *session.posargs), env=CLEAN)


@nox.session(requires=["build"])
def recorded(session: nox.Session) -> None:
    """Read recorded answers of real providers through the client; print what came out right and wrong."""
    if not os.environ.get("DRAGOMAN_RECORDINGS"):
        session.skip("set DRAGOMAN_RECORDINGS to a folder of recorded answers (they are not in this repository)")
    install(session, *test_needs())
    session.run("python", *pytest("-n", "auto", "tests/recorded", *session.posargs), env=CLEAN)


@nox.session(requires=["build"])
def demo(session: nox.Session) -> None:
    """See it work: a tool-calling conversation with a real engine, without a key and without the network."""
    install(session, wheels=built("core", "anthropic", "llamacpp", "openai"))
    session.run("dragoman", "demo", *session.posargs, env=CLEAN)


@nox.session(python=False)
def dev(session: nox.Session) -> None:
    """Make ./.venv: every distribution editable, and every tool that the sessions use."""
    tools = {need for name in ("build", "docs", "lint", "release", "types") for need in group(name)}
    editable = [argument for folder in FOLDERS.values() for argument in ("-e", str(folder))]
    Environment(session, ROOT / ".venv").pip("install", "-c", str(PINS), *editable, *test_needs(), *sorted(tools))
    session.log("activate it with: source .venv/bin/activate")


# Last, so that `nox -l` lists these after the sessions above.
from chores import benchmarks, frameworks, releases, servers, upkeep  # noqa: E402, F401 (they bring their sessions)
