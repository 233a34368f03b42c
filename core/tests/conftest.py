"""What several of core's test files need."""

from __future__ import annotations

import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from dragoman.core.plugins import Plugins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Plugins]]:
    """A function that puts a distribution on disk and on `sys.path`, and returns fresh `Plugins` of all such.

    It takes the distribution's name, its entry points as `group:name=value`, and the code of its one module,
    which is called like it.
    """
    monkeypatch.delenv("DRAGOMAN_PLUGINS", raising=False)
    folders: list[str] = []
    modules: list[str] = []

    def install(distribution: str, *points: str, code: str = "", version: str = "1.0", folder: str = "site") -> Plugins:
        site = tmp_path / folder
        info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n\nText\n")
        (info / "entry_points.txt").write_text("".join("[{}]\n{}\n".format(*point.split(":", 1)) for point in points))
        module = distribution.replace("-", "_").lower()
        (site / f"{module}.py").write_text(dedent(code))
        modules.append(module)
        if str(site) not in folders:
            folders.append(str(site))
            monkeypatch.syspath_prepend(str(site))
        return Plugins(path=folders)

    yield install
    for module in modules:
        sys.modules.pop(module, None)
