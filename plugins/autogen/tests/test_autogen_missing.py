from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import pytest

from dragoman.autogen import install, uninstall
from dragoman.autogen.create_args import check_create_args

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


@pytest.mark.parametrize("function", [install, uninstall])
def test_installing_needs_an_older_autogen(function: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "autogen", None)
    with pytest.raises(
        ImportError, match=r"AutoGen 0\.2 and AG2 classic: pip install autogen-agentchat==0\.2\.40$"
    ) as caught:
        function()
    assert isinstance(caught.value.__cause__, ImportError)


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ({"temprature": 1}, TypeError, "'temprature' cannot be set here: .* did you mean temperature"),
        ({"top_k": 1}, TypeError, "'top_k' cannot be set here: .* did you mean top_p"),
        ({"zzz": 1}, TypeError, "'zzz' .* belongs into extra_body"),
        ({"stream": True}, ValueError, "stream cannot be set here: the client says it itself"),
    ],
)
def test_arguments_that_no_request_has(given: dict[str, Any], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        check_create_args(given, frozenset({"stream"}), "here")
    check_create_args({"temperature": 1, "timeout": 5, "extra_body": {"top_k": 1}}, frozenset({"stream"}), "here")


def test_what_needs_no_framework_imports_none() -> None:
    code = f"""
import sys
from dragoman.autogen import {", ".join(ALONE)}
print(sorted(set({FRAMEWORKS!r}) & set(sys.modules)))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 (our own code)
    assert done.stdout == "[]\n"
