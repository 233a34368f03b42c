"""Which Python runs a side: the one of an environment that holds it and nothing else, or this one.

`environments.toml` says what each environment holds; `nox -s bench` makes them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

#: Ours with what the extra `dragoman-core[direct]` brings.
WITH_AIOHTTP = ("dragoman aiohttp", "dragoman direct")
#: Packages of the environment itself.
_OWN = {"pip", "setuptools", "wheel", "pkg_resources", "_distutils_hack", "distutils-precedence.pth", "_virtualenv.pth"}


@dataclass(frozen=True)
class Environments:
    """Environments below `folder`; without one, everything runs in the Python that runs this."""

    folder: Path | None

    def name(self, side: str, vendor: str) -> str:
        """Return the environment's name for a side."""
        if side in WITH_AIOHTTP:
            return f"dragoman-direct-{vendor}"
        return f"{side}-{vendor}" if side in {"sdk", "dragoman"} else side

    def python(self, side: str, vendor: str = "") -> str:
        """Return the interpreter for a side, whether it exists or not."""
        if self.folder is None:
            return sys.executable
        home = self.folder / f"bench-{self.name(side, vendor)}"
        return str(home / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))

    def has(self, side: str, vendor: str = "") -> bool:
        """Whether there is such an environment."""
        return Path(self.python(side, vendor)).exists()


def footprint(python: str) -> dict[str, float]:
    """Return how many distributions an environment holds, and its size in MiB, as pip leaves it, compiled.

    `openai` is the part of that package alone, without what it needs.
    """
    code = "import json, sysconfig; print(json.dumps([sysconfig.get_path('purelib'), sysconfig.get_path('platlib')]))"
    found = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 (an environment of ours)
    size = count = openai = 0
    for folder in {Path(name) for name in json.loads(found.stdout)}:
        subprocess.run([python, "-m", "compileall", "-q", "-j", "0", str(folder)], check=False, capture_output=True)  # noqa: S603 (as above)
        for entry in folder.iterdir():
            if entry.name in _OWN or entry.name.partition("-")[0] in _OWN:
                continue
            count += entry.suffix == ".dist-info"
            files = entry.rglob("*") if entry.is_dir() else [entry]
            held = sum(file.stat().st_size for file in files if file.is_file() and not file.is_symlink())
            size += held
            openai += held if entry.name.partition("-")[0] == "openai" else 0
    return {"distributions": count, "mib": round(size / 2**20, 2), "openai": round(openai / 2**20, 2)}
