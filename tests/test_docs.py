"""Every code block of the README files and of docs/ does what it shows.

- `python` runs, in order, one namespace per file, as `__main__`; it must not need a key or the network.
- `console`: each line after `$ ` runs in a shell; the lines below it are its output, `...` standing for any text.
  Without such lines only the exit code counts: 0, or what `exit=3` in the fence says.
- `bash` and `sh` are parsed; so are `json` and `toml`.
- `title="name"` writes the block to a file of that name, beside which the page's blocks run; all files come first.
- `no-run reason="…"`: parsed, but not run, and the reader of the source knows why.

What the blocks need beside dragoman-core stands in a pip line of the page.
"""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
import types
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).resolve().parents[1]
PLAIN = {"text", "yaml", "mermaid", "diff"}
PLUGINS = {path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml")}
#: Commands and fixtures, and the plugins that bring them.
BROUGHT = {"batch": "batch", "keys": "server", "new": "template", "serve": "server", "dragoman_mock": "testing"}
COMMAND = re.compile(r"\bdragoman[\"', ]+(batch|keys|new|serve)\b")
MODEL = re.compile(rf"(?<![\w/.-])({'|'.join(sorted(PLUGINS))})/(?=\w)")
PROVIDER = re.compile(r"(?m)^\[providers\.(\w+)\]|^api_type = \"(\w+)\"")
INSTALL = re.compile(r"\bpip install ([^\n`#)]*)")
#: A page without a pip line of its own -> what its reader has read before.
FIRST, BEFORE = "docs/index.md", {"docs/tutorial/own-wire.md": "docs/tutorial/plugin.md"}
FENCE = re.compile(r"^(?P<indent> *)(?P<marks>`{3,}|~{3,})(?P<lang>[^\s`]*)(?P<info>[^`]*)$")


@dataclass(frozen=True)
class Block:
    """One fenced block: where it is, what it is in, what the fence says, what is in it."""

    path: Path
    line: int
    lang: str
    info: str
    code: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"

    def option(self, name: str) -> str:
        found = re.search(rf"(?<!\S){name}=(?:\"([^\"]*)\"|(\S+))", self.info)
        return (found[1] or found[2]) if found else ""

    @property
    def runs(self) -> bool:
        return not re.search(r"(?<!\S)no-run(?!\S)", self.info)


def pages() -> list[Path]:
    found = [*ROOT.glob("*.md"), *ROOT.glob("core/*.md"), *ROOT.glob("plugins/*/*.md"), *ROOT.glob("docs/**/*.md")]
    return sorted(path for path in found if path.name != "CHANGELOG.md")


def blocks(path: Path) -> list[Block]:
    found: list[Block] = []
    opened: re.Match[str] | None = None
    start, body = 0, list[str]()
    for number, text in enumerate(path.read_text("utf-8").splitlines(), 1):
        if opened is None:
            if opened := FENCE.match(text):
                start, body = number, []
        elif text.strip() and set(text.strip()) == {opened["marks"][0]} and len(text.strip()) >= len(opened["marks"]):
            found.append(Block(path, start, opened["lang"], opened["info"].strip(), dedent("\n".join(body)) + "\n"))
            opened = None
        else:
            body.append(text)
    assert opened is None, f"{path}:{start}: the block is never closed"
    return found


BLOCKS = [block for path in pages() for block in blocks(path)]


class Page:
    """One file's blocks at work: a folder, a `__main__` module, and which blocks have run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.module = types.ModuleType("__main__")
        self.started: set[int] = set()

    def write_files(self, path: Path) -> None:
        """Write the blocks that are files, all of them: one may import what stands further down."""
        for block in BLOCKS:
            if block.path == path and (title := block.option("title")):
                (self.folder / title).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / title).write_text(block.code, "utf-8")

    def run(self, block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
        """Run a block, and before it those above it that were not chosen, but that it may build on."""
        monkeypatch.setitem(sys.modules, "__main__", self.module)
        if not self.started:
            self.write_files(block.path)
        for other in BLOCKS:
            if other.path == block.path and other.line <= block.line and other.line not in self.started:
                self.started.add(other.line)
                if other.runs and other.lang == "python":
                    # Empty lines above it: a traceback then names the line of the page.
                    code = compile("\n" * other.line + other.code, str(other.path), "exec")
                    exec(code, self.module.__dict__)  # noqa: S102 (running what the page shows is the point)


@pytest.fixture(scope="session")
def page_of(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Page]:
    return {path: Page(tmp_path_factory.mktemp("page")) for path in pages()}


@pytest.fixture
def page(block: Block, page_of: dict[Path, Page], monkeypatch: pytest.MonkeyPatch) -> Page:
    page = page_of[block.path]
    monkeypatch.chdir(page.folder)
    monkeypatch.syspath_prepend(str(page.folder))
    for name in os.environ:
        if name.endswith(("_API_KEY", "_AUTH_TOKEN", "_BASE_URL", "_API_BASE")):
            monkeypatch.delenv(name)
    for name, value in {"DRAGOMAN_OFFLINE": "1", "NO_COLOR": "1", "COLUMNS": "120", "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    return page


def check_console(block: Block, page: Page) -> None:
    """Run the commands after `$ ` and compare what they print."""
    parts = re.split(r"(?m)^\$ ", block.code)
    assert not parts[0].strip(), "the block does not begin with a command: `$ …`"
    for part in parts[1:]:
        command, _, expected = part.partition("\n")
        while command.endswith("\\"):
            more, _, expected = expected.partition("\n")
            command += "\n" + more.removeprefix("> ")
        run = subprocess.run(  # noqa: S603 (the commands are those of the page)
            ["bash", "-c", command],  # noqa: S607 (whichever bash the reader has)
            capture_output=True,
            cwd=page.folder,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=120,
            check=False,
        )
        printed = "\n".join(line.rstrip() for line in (run.stdout + run.stderr).strip().splitlines())
        assert run.returncode == int(block.option("exit") or 0), f"$ {command}\n{printed}"
        wanted = "\n".join(line.rstrip() for line in expected.strip().splitlines())
        pattern = re.escape(wanted).replace(re.escape("..."), ".*")
        assert not wanted or re.fullmatch(pattern, printed, re.DOTALL), f"$ {command}\n{printed}\n--- wanted:\n{wanted}"


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_block(block: Block, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    if not block.runs:
        assert block.option("reason"), 'no-run needs a reason="…"'
    if block.lang == "python":
        ast.parse(block.code)
        page.run(block, monkeypatch)
    elif block.lang == "console":
        page.run(block, monkeypatch)
        if block.runs:
            check_console(block, page)
    elif block.lang in {"bash", "sh"}:
        command = ["bash", "-n", "-c", block.code]
        parsed = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (`-n` runs nothing)
        assert not parsed.returncode, parsed.stderr
    elif block.lang == "json":
        json.loads(block.code)
    elif block.lang == "toml":
        tomllib.loads(block.code)
    else:
        assert block.lang in PLAIN, f"a fence of language {block.lang!r}: is it misspelt? Plain text is `text`"


@pytest.mark.parametrize(("page", "most"), [("plugin.md", 10), ("own-wire.md", 200)])
def test_a_tutorials_plugin_is_small_and_proved(page: str, most: int) -> None:
    written = [block for block in BLOCKS if block.path == ROOT / "docs" / "tutorial" / page]
    files = {block.option("title"): block.code for block in written if block.lang == "python" and block.option("title")}
    tests = {name for name in files if name.startswith("test_")}
    lines = [line for name in files.keys() - tests for line in files[name].splitlines() if line.strip()]
    assert 0 < len(lines) <= most
    assert any("ProviderSuite" in files[name] for name in tests)
    ran = [block.code for block in written if block.lang == "console" and block.runs]
    assert all(
        any(re.search(rf"pytest\b.* {name}\n(?s:.*) passed(, \d+ skipped)? in", code) for code in ran) for name in tests
    )


def needed(block: Block) -> set[str]:
    """The plugins without which a block does not do what it shows."""
    code = block.code
    if not block.runs or block.lang not in {"python", "console", "toml"}:
        return set()
    found = {BROUGHT[name] for name in COMMAND.findall(code)} if block.lang != "toml" else set()
    if "dragoman_mock" in code:
        # It answers for all providers.
        return found | {BROUGHT["dragoman_mock"]}
    if block.lang == "python":
        tree = [*ast.walk(ast.parse(code))]
        modules = [alias.name for node in tree if isinstance(node, ast.Import) for alias in node.names]
        modules += [node.module or "" for node in tree if isinstance(node, ast.ImportFrom)]
        # A vendor's SDK comes with the plugin of its name.
        found |= {module.removeprefix("dragoman.").partition(".")[0] for module in modules} & (PLUGINS - {"openai"})
        code = "\n".join(repr(node.value) for node in tree if isinstance(node, ast.Constant))
    elif block.lang == "toml":
        found |= {name for names in PROVIDER.findall(code) for name in names} & PLUGINS
        code = "\n".join(line for line in code.splitlines() if line.startswith("model = "))
    return found | set(MODEL.findall(code))


def installed(path: Path) -> set[str]:
    """The plugins that the pip lines of a page install; of one without, those of what its reader has read before."""
    lines = INSTALL.findall(path.read_text("utf-8"))
    found = {name for line in lines for name in re.findall(r"(?:dragoman-)?([a-z0-9]+)", line)} & PLUGINS
    page = str(path.relative_to(ROOT))
    if found or not page.startswith("docs/") or page == FIRST:
        return found
    return installed(ROOT / BEFORE.get(page, FIRST))


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_pip_lines_suffice_for_the_page(path: Path) -> None:
    wanted = {name: str(block) for block in BLOCKS if block.path == path for name in needed(block)}
    missing = {name: where for name, where in wanted.items() if name not in installed(path)}
    assert not missing, f"a pip line must name, since a block uses: {missing}"


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    prose = re.sub(r"(?ms)^ *(```|~~~).*?^ *\1`*$|`[^`\n]*`", "", path.read_text("utf-8"))
    targets = re.findall(r"\]\((?!\w+:|#)([^)\s#]+)", prose)
    missing = [target for target in targets if not (path.parent / target).exists()]
    assert not missing, f"links that lead nowhere: {missing}"
