from __future__ import annotations

import os
import re
from importlib.metadata import version
from typing import Any

import pytest

PROVIDER = """
from dragoman.core import Provider

class Acme(Provider):
    name = "acme"
    key_env = ("ACME_API_KEY", "ACME_KEY")
"""


@pytest.fixture
def listed(install: Any, start: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The rows of `dragoman plugins`, by the plugin's name."""

    usual = [path for path in [os.environ.get("PYTHONPATH")] if path]

    def listed(*distributions: tuple[str, str, str]) -> tuple[dict[str, list[str]], str]:
        for name, point, code in distributions:
            found = install(name, point, code=code)
            monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*found._path, *usual]))
        process = start("plugins")
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, b"")
        rows = [re.split(r"  +", line, maxsplit=4) for line in out.decode().splitlines()[1:]]
        return {row[1]: row for row in rows}, out.decode()

    return listed


def test_keys_are_found_and_never_shown(listed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = ("dragoman-acme", "dragoman.providers:acme=dragoman_acme:Acme", PROVIDER)
    monkeypatch.setenv("ACME_KEY", "secret-of-acme")
    rows, out = listed(plugin)
    assert rows["acme"] == [
        "provider", "acme", "dragoman-acme 1.0", "ok", "key found: ACME_KEY",
    ]  # fmt: skip
    assert "secret-of-acme" not in out
    assert out.startswith(f"dragoman-core {version('dragoman-core')}, openai {version('openai')}, Python 3.")


def test_missing_keys(listed: Any) -> None:
    keyless = PROVIDER.replace('("ACME_API_KEY", "ACME_KEY")', "()")
    rows, _ = listed(
        ("dragoman-acme", "dragoman.providers:acme=dragoman_acme:Acme", PROVIDER),
        ("dragoman-local", "dragoman.providers:local=dragoman_local:Acme", keyless),
        (
            "dragoman-near",
            "dragoman.providers:near=dragoman_near:Acme",
            f'{PROVIDER}    base_url = "http://127.0.0.1:9/v1"\n',
        ),
    )
    assert rows["acme"][3:] == ["ok", "key missing: ACME_API_KEY or ACME_KEY"]
    assert rows["local"][3:] == ["ok", "needs no key"]
    assert rows["near"][3:] == ["ok", "needs no key (ACME_API_KEY or ACME_KEY if its server wants one)"]
    if "anthropic" in rows:
        assert rows["anthropic"][4] == "key missing: ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN"


def test_what_is_broken_and_why(listed: Any) -> None:
    rows, _ = listed(
        ("dragoman-acme", "dragoman.providers:acme=dragoman_acme:Acme", "import no_such_module"),
        ("dragoman-hooked", "dragoman:hooked=dragoman_hooked", "raise RuntimeError('of\\nno use')"),
        ("twin-a", "dragoman.providers:twin=twin_a:Acme", PROVIDER),
    )
    assert rows["acme"][3] == "broken"
    assert "No module named 'no_such_module'" in rows["acme"][4]
    assert "pip uninstall dragoman-acme" in rows["acme"][4]
    assert rows["hooked"][:1] + rows["hooked"][3:] == ["hooks", "broken", "RuntimeError: of no use"]
    assert rows["twin"][3] == "ok"


def test_blocked_ones(listed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_PLUGINS", "no:acme")
    rows, _ = listed(("dragoman-acme", "dragoman.providers:acme=dragoman_acme:Acme", PROVIDER))
    assert rows["acme"][3] == "blocked"


SHOWN = (
    PROVIDER
    + """
import json, pathlib
told = {"Acme": {"chat": {"value": "yes"}, "tools": {"value": "yes"},
                 "json_object": {"value": "adapted", "note": "a schema " + "that any object fits " * 4},
                 "seed": {"value": "no", "note": "acme rolls its own dice"}}}
pathlib.Path(__file__).with_name("dragoman_acme.capabilities.json").write_text(json.dumps(told))
"""
)


def test_what_a_provider_has(install: Any, start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = install("dragoman-acme", "dragoman.providers:acme=dragoman_acme:Acme", code=SHOWN)
    found = install("dragoman-bare", "dragoman.providers:bare=dragoman_bare:Acme", code=PROVIDER)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [*found._path, os.environ.get("PYTHONPATH")])))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("DRAGOMAN_PLUGINS", "acme,bare")
    out, err = start("plugins", "-v").communicate(timeout=60)
    assert err == b""
    lines = out.decode().splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("provider  acme"))
    assert lines[first + 1 : first + 7] == [
        "    yes      chat, tools",
        "    adapted  json_object: a schema that any object fits that any object fits",
        "             that any object fits that any object fits",
        "    no       seed: acme rolls its own dice",
        "    unknown  stream, system, parallel_tool_calls, tool_results,",
        "             tool_choice_named, tool_choice_required, json_schema, images,",
    ]
    assert all(len(line) <= 80 for line in lines if line.startswith(" "))
    assert "    unknown  all 22 features" in lines


def test_a_broken_capability_file_hurts_only_its_own(
    install: Any, start: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    found = install("dragoman-acme", "dragoman.providers:acme=dragoman_acme:Acme", code=PROVIDER)
    found = install("dragoman-bare", "dragoman.providers:bare=dragoman_bare:Acme", code=PROVIDER)
    (tmp_path / "site" / "dragoman_acme.capabilities.json").write_text("half")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [*found._path, os.environ.get("PYTHONPATH")])))
    monkeypatch.setenv("DRAGOMAN_PLUGINS", "acme,bare")
    process = start("plugins", "-v")
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "dragoman_acme.capabilities.json is no capability file" in out.decode()
    assert "    unknown  all 22 features" in out.decode()
