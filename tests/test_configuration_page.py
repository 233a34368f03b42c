"""The file in docs/guides/configuration.md has every key that there is, and says what it seems to say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.batch.limits import Limits as BatchLimits
from dragoman.batch.options import read_file
from dragoman.core import ConfigTable
from dragoman.core.configtables import dotted
from dragoman.server.limits import Limits
from dragoman.server.settings import read

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).resolve().parents[1] / "docs/guides/configuration.md"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in re.findall(r'(?ms)^```\w+ title="(.+?)"\n(.*?)^```$', PAGE.read_text("utf-8")):
        if name == ".env":
            for variable, value in re.findall(r"(?m)^(\w+)=(.*)$", text):
                monkeypatch.setenv(variable, value)
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path / "dragoman.toml"


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> dict[str, ConfigTable]:
    """Every table that is read, by its place."""
    found: dict[str, ConfigTable] = {}
    usual = ConfigTable.__init__

    def note(self: ConfigTable, document: Any, keys: Any, values: Any) -> None:
        usual(self, document, keys, values)
        found[dotted(keys)] = self

    monkeypatch.setattr(ConfigTable, "__init__", note)
    return found


def family(place: str) -> str:
    """Tables that may say the same: several providers, several keys, several entries."""
    return re.sub(r"\[\d+\]$|(?<=^providers)\..*", "", place)


def missing(tables: dict[str, ConfigTable]) -> Iterator[str]:
    """Keys that were asked for and are not there; one table of several is enough."""
    for place, table in tables.items():
        same = [one for name, one in tables.items() if family(name) == family(place)]
        for key in table._asked:
            if not any(key in one.values for one in same):
                yield f"{place}.{key}"


def test_it_has_every_key(file: Path, tables: dict[str, ConfigTable]) -> None:
    _, remarks = read(file)
    read_file(file)
    assert (remarks, [*missing(tables)]) == ([], [])
    assert {"server", "server.keys[0]", 'server.limits."anthropic/*"', "providers.gpu1", "aliases"} <= tables.keys()


def test_it_says_what_it_seems_to_say(file: Path) -> None:
    configuration, _ = read(file)
    client, server = configuration.client, configuration.server
    assert [entry.get("name", entry["model"]) for entry in client["config_list"]] == [
        "smart",
        "smart",
        "quick",
        "gpt-4o",
    ]
    assert [(provider.name, type(provider).__name__) for provider in client["providers"]] == [
        ("anthropic", "Anthropic"),
        ("gpu1", "VLLM"),
    ]
    first, second = server.keys
    assert [first.allows(model) for model in ("quick", "gpu1/x", "smart", "")] == [True, True, False, False]
    assert (first.limits, second.limits) == (Limits(60, 100_000, 4), Limits())
    assert server.limits == {"anthropic/*": Limits(600, 2_000_000, 100)}


def test_batches_are_told(file: Path) -> None:
    _, options = read_file(file)
    assert (options.timeout, options.max_retries, options.max_cost) == (600, 5, 20)
    assert options.limits_of("anthropic") == BatchLimits(4000, 400_000, 100)
    assert options.limits_of("openai") == BatchLimits(max_concurrency=512)
