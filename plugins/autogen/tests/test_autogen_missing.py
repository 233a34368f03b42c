from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

FRAMEWORKS = ("ag2", "autogen", "autogen_agentchat", "autogen_core", "autogen_ext")
#: What needs no framework.
ALONE = ("capabilities", "gathering", "tokens")


@pytest.mark.parametrize(
    ("module", "framework", "command"),
    [
        ("chat", "autogen_core", "pip install 'autogen-agentchat>=0.4'"),
        ("ag2", "ag2", "pip install 'ag2>=1'"),
    ],
)
def test_without_its_framework_a_module_says_what_to_install(
    module: str, framework: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == framework]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, framework, None)
    monkeypatch.delitem(sys.modules, f"dragoman.autogen.{module}", raising=False)
    with pytest.raises(ImportError) as caught:
        importlib.import_module(f"dragoman.autogen.{module}")
    assert str(caught.value).endswith(command)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value.__cause__, ImportError)


def test_what_needs_no_framework_imports_none() -> None:
    code = f"""
import sys
from dragoman.autogen import {", ".join(ALONE)}
print(sorted(set({FRAMEWORKS!r}) & set(sys.modules)))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 (our own code)
    assert done.stdout == "[]\n"
