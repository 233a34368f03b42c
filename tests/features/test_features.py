"""The table of features in README.md says what really happens."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from feature_table import page
from feature_table.features import FEATURES
from feature_table.vendors import VENDORS

import dragoman.core
from dragoman.core.plugins import Plugins

ROOT = Path(__file__).parents[2]
HOW = "run: python tests/features --write"


def needs(*names: str) -> None:
    """Skip where a plugin is not installed."""
    if missing := sorted({*names} - {*Plugins().providers()}):
        pytest.skip(f"not installed: {', '.join(missing)}")


def test_every_provider_is_a_column() -> None:
    projects = [tomllib.loads(path.read_text("utf-8"))["project"] for path in ROOT.glob("plugins/*/pyproject.toml")]
    offered = {name for one in projects for name in one.get("entry-points", {}).get("dragoman.providers", {})}
    assert {vendor.name for vendor in VENDORS} == offered


@pytest.mark.parametrize("feature", [feature.name for feature in FEATURES])
@pytest.mark.parametrize("name", [vendor.name for vendor in VENDORS])
def test_a_feature_is_what_readme_says(name: str, feature: str) -> None:
    needs(name)
    outcome = page.outcomes(name)[feature]
    assert outcome.value == page.cells().get((name, feature)), f"{outcome.note or 'it works'}. {HOW}"


@pytest.mark.parametrize("feature", [feature.name for feature in FEATURES])
@pytest.mark.parametrize("name", [vendor.name for vendor in VENDORS])
def test_a_capability_file_says_what_really_happens(name: str, feature: str) -> None:
    """Tapes are the plugin's own; the servers here are written from the vendors' documentation by somebody else."""
    needs(name)
    told = page.told(name).get(feature)
    if told is None:
        pytest.skip(f"no tape of {name} shows {feature}: README has what was found out here")
    outcome = page.outcomes(name)[feature]
    assert told.value == outcome.value, outcome.note or "it works"


def test_the_rows_are_the_features_of_capability_files() -> None:
    assert tuple(feature.id for feature in FEATURES) == dragoman.core.FEATURES


def test_readme_has_the_whole_table() -> None:
    needs(*(vendor.name for vendor in VENDORS))
    assert page.written() == page.table(), HOW


@pytest.mark.parametrize("name", [vendor.name for vendor in VENDORS])
def test_every_no_says_why(name: str) -> None:
    needs(name)
    found = page.outcomes(name)
    assert len(found) == len(FEATURES)
    assert [feature for feature, outcome in found.items() if outcome.value != "yes" and not outcome.note] == []
