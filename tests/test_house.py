"""The rules of the house that no linter knows: names, places, and who may import whom."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tempfile
import tokenize
import tomllib
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import dragoman.core

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
FOLDERS = [ROOT / "core", *PLUGINS]
#: What `dragoman new` copies is a project of its own, outside the namespace.
COPIED = ROOT / "plugins/template/src/dragoman/template/project"
MODULES = sorted(path for folder in FOLDERS for path in folder.glob("src/**/*.py") if not path.is_relative_to(COPIED))
CHORES = [ROOT / "noxfile.py", *sorted(ROOT.glob("tests/chores/*.py"))]
IN_CORE = ROOT / "core/src/dragoman/core"
#: Every file of core with the module that it belongs to; the files of `cli/` are all `cli`.
CORE = {
    path: path.relative_to(IN_CORE).parts[0].removesuffix(".py")
    for path in sorted(IN_CORE.rglob("*.py"))
    if path != IN_CORE / "__init__.py"
}
HIDDEN = re.compile(r"/\.(?!ci/)|/__pycache__/")
SOURCES = sorted(
    path
    for place in ("*.*", ".ci/*", "core/**/*", "docs/**/*", "plugins/**/*", "tests/**/*")
    for path in ROOT.glob(place)
    if path.suffix in {"", ".md", ".py", ".toml"} and path.is_file() and not HIDDEN.search("/" + name_of(path))
)

#: Each line may import from the lines above it, and from nothing beside or below it.
LAYERS = (
    {"errorbodies"},
    {"provider"},
    {
        "assembly",
        "attempt",
        "capabilities",
        "carry",
        "chunks",
        "codec",
        "dotenv",
        "framing",
        "headerlists",
        "hookspecs",
        "jobs",
        "listing",
        "policy",
        "readable",
        "secrecy",
        "toolcalls",
        "tomllines",
        "usage",
    },
    {"capabilityfiles", "choices", "configlists", "jsonlines", "normalisation", "toolchoice", "values"},
    {"compatible", "offers"},
    {"plugins"},
    {"hooks", "registration"},
    {"pricing", "routing"},
    {"failures"},
    {"messages", "replies", "responses"},
    {"completions"},
    {"watches", "wires"},
    {"exchange"},
    {"asks"},
    {"aiohttpparts", "inflating", "outgoing", "proxies", "retries", "stdlibhttp"},
    {"connections", "httpxclients", "offline", "sessions"},
    {"leanclients"},
    {"arguments", "functions", "senders"},
    {"codesenders", "credentials", "entries"},
    {"configtables"},
    {"configfiles"},
    {"direct", "modelclients"},
    {"fallback", "kinds"},
    {"batches", "tapes"},
    {"dispatch"},
    {"driver"},
    {"service"},
    {"transport"},
    {"answers", "counting", "doors"},
    {"mixin"},
    {"client"},
    {"cli"},
)
#: These start with the command line; `errors` brings in the openai package, so they import it where they raise.
LIGHT = {
    "provider",
    "capabilities",
    "capabilityfiles",
    "carry",
    "chunks",
    "codec",
    "compatible",
    "configlists",
    "dotenv",
    "errorbodies",
    "framing",
    "hookspecs",
    "normalisation",
    "offers",
    "policy",
    "plugins",
    "hooks",
    "readable",
    "registration",
    "routing",
    "secrecy",
    "toolcalls",
    "toolchoice",
    "usage",
}
OPENAI = {"answers", "arguments", "client", "errors", "fallback", "mixin", "senders", "transport"}
HTTPX = {"senders", "transport"}
#: A plugin for frameworks needs none of them: each of its modules is imported by whoever has that framework.
FRAMEWORKS = {"autogen": {"ag2", "autogen", "autogen_core", "pydantic"}}
#: The imports that close a circle and stay, each with its reason.
CLOSING = {
    # The contract says what a vendor's batch API is, and that is built of nearly all of core.
    "dragoman.core.provider": {"dragoman.core.batches"},
}
VENDOR_SDKS = {"anthropic", "litellm", "lmstudio", "mistralai", "ollama", "together", "vllm", "xllamacpp"}


@dataclass(frozen=True)
class Import:
    """One imported name: `module` is what stands after `from` or `import`."""

    module: str
    name: str
    line: int
    at_start: bool
    for_types: bool

    @property
    def top(self) -> str:
        return self.module.partition(".")[0]


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


@cache
def imports(path: Path) -> tuple[Import, ...]:
    """Every import of a module, wherever it stands."""

    def walk(node: ast.AST, *, at_start: bool = True, for_types: bool = False) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, "", node.lineno, at_start, for_types)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            for alias in node.names:
                yield Import(node.module or "", alias.name, node.lineno, at_start, for_types)
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            types = for_types or (is_type_checking(node) and child in getattr(node, "body", ()))
            yield from walk(child, at_start=at_start and not inside, for_types=types)

    return tuple(walk(ast.parse(path.read_text("utf-8"))))


@cache
def project(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))


def dependencies(folder: Path) -> set[str]:
    return {re.split(r"[^\w-]", need, maxsplit=1)[0] for need in project(folder)["project"]["dependencies"]}


by_name = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


@by_name
def test_one_name_in_four_places(folder: Path) -> None:
    settings = project(folder)["project"]
    offered = [name for names in settings.get("entry-points", {}).values() for name in names]
    modules = [
        path.name for path in (folder / "src/dragoman").iterdir() if path.is_dir() and path.name != "__pycache__"
    ]
    assert settings["name"] == f"dragoman-{folder.name}"
    assert modules == [folder.name]
    assert set(offered) == (set() if folder.name in {"core", *FRAMEWORKS} else {folder.name})


@by_name
def test_a_distribution_has_its_papers(folder: Path) -> None:
    for name in ("README.md", "CHANGELOG.md"):
        assert (folder / name).read_text("utf-8").strip()
    assert (folder / "LICENSE").read_text("utf-8") == (ROOT / "LICENSE").read_text("utf-8")
    assert (folder / f"src/dragoman/{folder.name}/py.typed").is_file()
    assert list((folder / "tests").glob("**/test_*.py"))


@by_name
def test_settings_know_the_distribution(folder: Path) -> None:
    tools = project(ROOT)["tool"]
    pins = (ROOT / "tests/constraints.txt").read_text("utf-8")
    assert f"/{folder.relative_to(ROOT)}/src" in tools["mypy"]["mypy_path"]
    for name in dependencies(folder):
        assert name == "dragoman-core" or f"\n{name}==" in "\n" + pins, f"`nox -s pins`: {name} is not pinned"


def test_the_namespace_stays_open() -> None:
    assert not list(ROOT.glob("core/src/dragoman/__init__.py"))
    assert not list(ROOT.glob("plugins/*/src/dragoman/__init__.py"))
    assert {path.name for path in ROOT.glob("plugins/*/src/dragoman/*.py")} == set()
    assert [path.name for path in [*FOLDERS, ROOT / "tests"] if (path / "__init__.py").exists()] == []


def core_imports(path: Path) -> Iterator[tuple[str, Import]]:
    """What a module of core imports from core, with the module that it comes from."""
    for found in imports(path):
        if found.module == "dragoman.core":
            yield dragoman.core._MODULE_OF.get(found.name, found.name), found
        elif found.module.startswith("dragoman.core."):
            yield found.module.split(".")[2], found


def test_every_core_module_has_a_layer() -> None:
    assert set().union(*LAYERS) | {"errors"} >= set(CORE.values())


@pytest.mark.parametrize("layer", range(len(LAYERS)), ids=lambda layer: "+".join(sorted(LAYERS[layer])))
def test_core_imports_point_down(layer: int) -> None:
    below = set().union(*LAYERS[:layer])
    for path, name in CORE.items():
        for module, found in core_imports(path) if name in LAYERS[layer] else ():
            where = f"{path.name}:{found.line} imports {module}"
            assert module in below | {name, "errors"} or found.for_types, where
            late = not found.at_start or found.for_types
            assert module != "errors" or name not in LIGHT or late, f"{where} when it is loaded"


def test_errors_stand_on_the_contract_and_the_codec_alone() -> None:
    assert {module for module, _ in core_imports(IN_CORE / "errors.py")} <= {"codec", "provider"}


@pytest.mark.parametrize("path", CORE, ids=name_of)
def test_core_imports_openai_and_httpx_where_it_may(path: Path) -> None:
    for found in imports(path):
        where = f"{path.name}:{found.line} imports {found.module}"
        assert found.top != "openai" or CORE[path] in OPENAI or found.for_types, where
        assert found.top not in {"httpx", "httpx2"} or CORE[path] in HTTPX or found.for_types, where
        assert found.top not in VENDOR_SDKS, where


@pytest.mark.parametrize("path", [path for path in MODULES if ROOT / "core" not in path.parents], ids=name_of)
def test_a_plugin_imports_public_names_and_itself(path: Path) -> None:
    folder = next(folder for folder in PLUGINS if folder in path.parents)
    own = f"dragoman.{folder.name}"
    # An SDK waits for the first call; a small library that the plugin declares need not.
    declared = {name.replace("-", "_") for name in dependencies(folder)}
    light = (declared - VENDOR_SDKS - {"openai"}) | FRAMEWORKS.get(folder.name, set())
    for found in imports(path):
        where = f"{path.name}:{found.line} imports {found.module} {found.name}"
        if found.top == "dragoman":
            public = found.module == "dragoman.core" and found.name in dragoman.core.__all__
            assert public or f"{found.module}.".startswith(f"{own}."), where
        elif found.at_start and not found.for_types:
            assert found.top in light | sys.stdlib_module_names, f"{where} before it is used, or without declaring it"


def imported_modules(folder: Path) -> dict[str, set[str]]:
    """The modules of a distribution, each with those that it imports, if only for types."""
    source = folder / "src"
    paths = {
        ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__"): path
        for path in MODULES
        if path.is_relative_to(source)
    }

    def wanted(found: Import) -> str:
        inner = f"{found.module}.{found.name}"
        return inner if inner in paths else found.module

    return {name: {wanted(found) for found in imports(path)} & paths.keys() for name, path in paths.items()}


@by_name
def test_modules_import_in_no_circle(folder: Path) -> None:
    graph = imported_modules(folder)
    for name, closing in CLOSING.items():
        assert closing <= graph.get(name, closing), f"{name} imports that no more: take it out of CLOSING"
    try:
        TopologicalSorter({name: found - CLOSING.get(name, set()) for name, found in graph.items()}).prepare()
    except CycleError as circle:
        pytest.fail(f"a circle of imports; move what they share below them: {' <- '.join(circle.args[1])}")


def test_importing_core_loads_neither_openai_nor_an_sdk() -> None:
    code = "import sys, dragoman.core; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()  # noqa: S603 (ours)
    heavy = {
        "aiohttp",
        "openai",
        "httpx",
        "httpx2",
        "pydantic",
        "click",
        "pluggy",
        "importlib.metadata",
        *VENDOR_SDKS,
    }
    assert heavy & set(loaded) == set()


def test_public_names_exist() -> None:
    for name in dragoman.core.__all__:
        assert getattr(dragoman.core, name) is not None
    assert len(dragoman.core.__all__) == len(set(dragoman.core.__all__))


@pytest.mark.parametrize("path", [*MODULES, *CHORES], ids=name_of)
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 320, "it usually is two things"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= 60, f"{path.name}:{node.lineno} {node.name} has {length} lines"


def test_hooks_say_what_they_are_for() -> None:
    tree = ast.parse((IN_CORE / "hookspecs.py").read_text("utf-8"))
    hooks = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and any("hookspec" in ast.unparse(mark) for mark in node.decorator_list)
    ]
    assert len(hooks) >= 6
    for hook in hooks:
        assert "exception" in (ast.get_docstring(hook) or "").lower(), f"{hook.name}: what does an exception in it do?"


@pytest.mark.parametrize("path", [path for path in SOURCES if path.suffix == ".py"], ids=name_of)
def test_exceptions_from_the_rules_are_explained(path: Path) -> None:
    with path.open("rb") as file:
        comments = [token for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT]
    for comment in comments:
        where = f"{name_of(path)}:{comment.start[0]}"
        if re.search(r"#\s*noqa\b", comment.string):
            assert re.search(r"# noqa: [A-Z0-9, ]+ \(.{4,}\)", comment.string), f"{where}: which rule, and (why)"
        if re.search(r"#\s*type:\s*ignore\b", comment.string):
            assert re.search(r"# type: ignore\[[\w, -]+\]  # .{4,}", comment.string), (
                f"{where}: which error, and  # why"
            )


SECRETS = re.compile(
    r"\b(sk-(?:ant-|proj-)?[\w-]{24,}|hf_\w{20,}|gh[pousr]_\w{20,}|AKIA[0-9A-Z]{16}|eyJ[\w-]{20,}\.eyJ)"
)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_no_secret_and_nobodys_machine(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not SECRETS.search(text), "this looks like a key"
    for place in (f"{ROOT.parent}/", f"{tempfile.gettempdir()}/", f"{Path.home()}/"):
        assert not re.search(rf"(?<![\w.*}}>\])-]){re.escape(place)}", text), f"a path of one machine: {place}"


def test_ci_runs_what_the_readme_says() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    run = ROOT / ".ci/run"
    assert run.stat().st_mode & 0o100, "not executable"
    for command in ("python -m pip install nox && nox", "python -m pip install nox && nox -s demo"):
        assert re.search(rf"(?m)^(\$ )?{re.escape(command)}( +#.*)?$", readme), f"README.md lacks: {command}"
    assert "bash -c 'python -m pip install nox && nox'\n" in run.read_text("utf-8")
