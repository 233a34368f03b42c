"""Other people's plugins, as projects on disk, and throw-away environments that they are installed into."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "packaging.md").read_text("utf-8")
CORE_WHEEL = next(ROOT.glob("dist/dragoman_core-*.whl"), None)
BIN = "Scripts" if os.name == "nt" else "bin"

PROVIDER = '''
from dragoman.core import Provider


class Acme(Provider):
    """A provider of somebody else."""

    name = "{name}"
    base_url_env = ("ACME_BASE_URL",)

    def shelf(self) -> int:
        return 7
'''
HOOKS = """
from dragoman.core import Call, hookimpl


@hookimpl
def before_call(call: Call) -> None:
    call.extra_headers = {{**call.extra_headers, "x-{name}": "seen"}}
"""


def setting(title: str) -> str:
    """A block of the plugin author's page."""
    found = re.search(rf'```toml title="{title}.toml"\n(.*?)```', PAGE, re.DOTALL)
    assert found, title
    return found[1]


@dataclass(frozen=True)
class Project:
    """A plugin's project: who builds it, whether its module is `dragoman.…`, whether it stands below `src/`."""

    backend: str
    inside: bool
    src: bool = True
    #: Settings for the backend, at the time of an editable install.
    config: str = ""

    @property
    def name(self) -> str:
        place = "inside" if self.inside else "outside"
        return "-".join([self.backend, place, *([] if self.src else ["flat"]), *(["compat"] if self.config else [])])

    @property
    def distribution(self) -> str:
        return f"acme-{self.name}"

    @property
    def module(self) -> str:
        name = self.name.replace("-", "_")
        return f"dragoman.{name}" if self.inside else f"acme_{name}"

    def write(self, home: Path) -> Path:
        """Write it as the page says, with names of its own."""
        text = setting("pyproject") + setting(self.backend)
        if not self.src:
            top = self.module.partition(".")[0]
            text += f'\n[tool.setuptools.packages.find]\ninclude = ["{top}*"]\n'
        changes = {
            "dragoman-acme": self.distribution,
            "dragoman.acme": self.module,
            "src/dragoman": "src/" + self.module.partition(".")[0],
            "\nacme = ": f"\n{self.name} = ",
        }
        for old, new in changes.items():
            text = text.replace(old, new)
        place = ("src/" if self.src else "") + self.module.replace(".", "/")
        files = {
            "pyproject.toml": text,
            "README.md": "# A plugin\n",
            f"{place}/__init__.py": PROVIDER.format(name=self.name),
            f"{place}/hooks.py": HOOKS.format(name=self.name),
            f"{place}/py.typed": "",
        }
        for name, content in files.items():
            path = home / self.name / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, "utf-8")
        return home / self.name


class Site:
    """An environment of a user: a copy of the one that the session made, which has no distribution of ours."""

    def __init__(self, base: Path, env: Path, folder: Path) -> None:
        self.env = env
        self.folder = folder
        # Hard links: an installer replaces files, and writes into none.
        shutil.copytree(base, env, symlinks=True, copy_function=os.link)
        self.python = env / BIN / "python"
        self.user = folder / "user"
        self.user.mkdir()
        # The user's own: pyright takes settings, and what it passes over, from the first folder above that has some.
        (self.user / "pyrightconfig.json").write_text("{}", "utf-8")

    def install(self, *what: str | Path) -> None:
        """Let pip install, with backends of the environment and without looking for dependencies."""
        pip = ("-m", "pip", "install", "-q", "--no-build-isolation", "--no-deps", "--no-index")
        done = self.run(self.python, *pip, "--disable-pip-version-check", *what)
        assert done.returncode == 0, done.stderr

    def run(self, *command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program in the user's folder, without anything of whoever runs the tests."""
        kept = {name: os.environ[name] for name in ("HOME", "PATH", "SYSTEMROOT", "TMPDIR") if name in os.environ}
        env = {**kept, "COLUMNS": "1000", "PYTHONUTF8": "1", **environment}
        return subprocess.run(  # noqa: S603 (our own programs)
            [str(part) for part in command], capture_output=True, text=True, check=False, cwd=self.user, env=env
        )

    def dragoman(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run(self.python.with_name("dragoman"), *arguments, **environment)


class _Vendor(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        head = {"id": "c1", "created": 1, "model": "m"}
        said = {"role": "assistant", "content": "Hello there"}
        if asked.get("stream"):
            choice = {"index": 0, "delta": said, "finish_reason": "stop"}
            chunk = {**head, "object": "chat.completion.chunk", "choices": [choice]}
            kind, body = "text/event-stream", f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n"
        else:
            choice = {"index": 0, "message": said, "finish_reason": "stop"}
            # What came in, for whoever asks.
            seen = sorted(name.lower() for name in self.headers)
            kind, body = (
                "application/json",
                json.dumps({**head, "object": "chat.completion", "choices": [choice], "seen": seen}),
            )
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture(scope="session")
def vendor() -> Iterator[str]:
    """The address of a server that speaks OpenAI's wire."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Vendor)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="session")
def make_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Site]]:
    """A function that makes a user's environment."""
    base = os.environ.get("DRAGOMAN_PACKAGING")
    if not base or CORE_WHEEL is None:
        pytest.skip("needs the environment and the wheels that `nox -s packaging` makes")
    with tempfile.TemporaryDirectory(prefix="sites-", dir=Path(base).parent) as folder:
        made = count()
        yield lambda: Site(Path(base), Path(folder, str(next(made))), tmp_path_factory.mktemp("site"))


def write_wheel(folder: Path, name: str, code: str, *points: str, version: str = "1.0") -> Path:
    """Build the distribution `<name>-llm` with one module `<name>_llm`; entry points as `group:name=value`."""
    from flit_core.wheel import make_wheel_in

    home = folder / name
    home.mkdir(parents=True)
    (home / f"{name}_llm.py").write_text(dedent(code), "utf-8")
    read = [re.split("[:=]", point, maxsplit=2) for point in points]
    groups = "".join(f'[project.entry-points."{group}"]\n{own} = "{value}"\n' for group, own, value in read)
    (home / "pyproject.toml").write_text(
        setting("flit").replace("dragoman.acme", f"{name}_llm")
        + f'[project]\nname = "{name}-llm"\nversion = "{version}"\ndescription = "x"\n{groups}',
        "utf-8",
    )
    return make_wheel_in(home / "pyproject.toml", folder).file


# Test files are no package: they take these from fixtures.


@pytest.fixture(scope="session")
def core() -> dict[str, tuple[str, ...]]:
    """How to install core: as a wheel, or editable."""
    return {"wheel": (str(CORE_WHEEL),), "editable": ("-e", str(ROOT / "core"))}


@pytest.fixture(scope="session")
def wheel_of() -> Callable[..., Path]:
    return write_wheel


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each way of packaging for whoever asks for `project`."""
    if "project" in metafunc.fixturenames:
        metafunc.parametrize("project", PROJECTS, ids=lambda project: project.name)


PROJECTS = [
    *(Project(backend, inside) for backend in ("hatchling", "setuptools", "flit") for inside in (True, False)),
    *(Project("setuptools", inside, src=False) for inside in (True, False)),
    Project("setuptools", inside=True, src=False, config="editable_mode=compat"),
]


@pytest.fixture(scope="session")
def projects() -> list[Project]:
    return PROJECTS


@pytest.fixture(scope="session")
def type_checkers() -> dict[str, list[str | Path]]:
    """The type checkers of the session, as commands that take the environment's Python and files."""
    here = Path(sys.executable).parent
    return {
        "mypy": [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--python-executable"],
        "pyright": [here / "pyright", "--pythonpath"],
    }
