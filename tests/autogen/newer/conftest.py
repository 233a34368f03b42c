"""What the tests of AutoGen 0.7 and of ag2 share: vendors on loopback that answer from a script."""

from __future__ import annotations

import re
import sys
import threading
from contextlib import ExitStack, contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# The vendors are those of the feature table.
sys.path.insert(0, str(Path(__file__).parents[2] / "features"))

from feature_table.canon import Heard, Made, Said
from feature_table.server import VendorServer
from feature_table.vendors import BY_NAME

from dragoman.core import plugins as plugins_module
from dragoman.core.plugins import Plugins
from dragoman.core.policy import forget_warnings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dragoman.core import Json


class ScriptedVendor(VendorServer):
    """Gives its answers in their order; `told` are the requests, as the vendor understood them."""

    def __init__(self, name: str, script: tuple[Said, ...]) -> None:
        self.told: list[Heard] = []
        self.script = list(script)
        self.vendor = BY_NAME[name]
        super().__init__(self.vendor)

    @property
    def heard(self) -> Heard:
        return self.told[-1] if self.told else Heard()

    @heard.setter
    def heard(self, heard: Heard) -> None:
        # The first is the base class's own.
        if hasattr(self, "url"):
            self.told.append(heard)
            self.said = self.script.pop(0) if self.script else Said(text="the script is at its end", status=500)

    @property
    def entry(self) -> Json:
        """An entry of a configuration list that reaches it."""
        model = f"{self.vendor.name}/{self.vendor.model}"
        return {"model": model, "base_url": self.url, "api_key": "sk-very-secret", "max_retries": 0}


@contextmanager
def _running(vendor: ScriptedVendor) -> Iterator[ScriptedVendor]:
    with vendor:
        thread = threading.Thread(target=vendor.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield vendor
        vendor.shutdown()
        thread.join()


@pytest.fixture
def start() -> Iterator[Callable[..., ScriptedVendor]]:
    """Start a vendor by its name, with its answers."""
    with ExitStack() as stack:
        yield lambda name, *script: stack.enter_context(_running(ScriptedVendor(name, script)))


@pytest.fixture
def said() -> type[Said]:
    """An answer: `text`, `thoughts`, `calls`, or an HTTP `status` with its message."""
    return Said


@pytest.fixture
def call() -> Callable[..., Made]:
    """A tool call: `call("add", a=1)`."""
    return lambda name, **arguments: Made(name, arguments)


@pytest.fixture(autouse=True)
def _as_on_the_first_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test may cause the same warnings, and no address of the developer's counts."""
    monkeypatch.delenv("DRAGOMAN_OFFLINE", raising=False)
    forget_warnings()


@pytest.fixture
def uninstall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make a plugin look as if it were not installed."""

    def go(name: str) -> None:
        for distribution in metadata.distributions():
            found = distribution.name.lower()
            if found.startswith("dragoman-") and found != f"dragoman-{name}":
                files = tmp_path / f"{found.replace('-', '_')}-{distribution.version}.dist-info"
                files.mkdir(exist_ok=True)
                for file in ("METADATA", "entry_points.txt"):
                    (files / file).write_text(distribution.read_text(file) or "", "utf-8")
        monkeypatch.setattr(plugins_module, "_installed", Plugins(path=[str(tmp_path)]))

    return go


@pytest.fixture
def run_page(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    """Run the Python of one of docs/autogen's pages, as one program; return how many blocks it has."""
    monkeypatch.setenv("OAI_CONFIG_LIST", "")

    def go(name: str) -> int:
        text = (Path(__file__).parents[3] / "docs" / "autogen" / name).read_text("utf-8")
        blocks = re.findall(r"^```python [^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        program: Json = {"__name__": "__main__"}
        for number, block in enumerate(blocks):
            exec(compile(block, f"{name}, block {number}", "exec"), program)  # noqa: S102 (our own page)
        return len(blocks)

    return go
