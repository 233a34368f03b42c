"""No parameter is lost in silence, at any provider; and the pages that say so are true."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

HERE = Path(__file__).parent


def load(name: str) -> ModuleType:
    """Import a script that lies beside this file."""
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


parameters = load("parameters")
CASES = [
    pytest.param(provider, model, param, id=f"{heading}-{param}".replace("`", ""))
    for heading, model, provider in parameters.columns()
    for param in sorted(parameters.fields())
]


def test_every_field_of_the_sdks_request_type_was_decided_about() -> None:
    assert parameters.fields() <= parameters.VALUES.keys()


@pytest.mark.rule(94)
@pytest.mark.parametrize(("provider", "model", "param"), CASES)
def test_a_parameter_ends_in_exactly_one_way(provider: object, model: str, param: str) -> None:
    strict = parameters.outcome(provider, model, param, "raise")
    assert strict in {"sent", "translated", "refused", "hint"}
    lenient = parameters.outcome(provider, model, param, "adapt")
    if strict == "refused":
        assert lenient == "left out" or lenient.startswith("adapted: ")
    else:
        assert lenient == strict


def test_the_page_of_parameters_is_true() -> None:
    assert parameters.PAGE.read_text(encoding="utf-8") == parameters.page(), "run: python tests/parameters.py --write"


def test_the_page_of_rules_is_true() -> None:
    index = load("translation_index")
    text, open_rules = index.page()
    assert index.PAGE.read_text(encoding="utf-8") == text, "run: python tests/translation_index.py --write"
    assert open_rules == []


reference = load("reference")


@pytest.mark.parametrize("name", reference.PAGES)
def test_the_page_of_the_reference_is_true(name: str) -> None:
    text = (reference.FOLDER / name).read_text(encoding="utf-8")
    assert text == reference.PAGES[name](), "run: python tests/reference.py --write"
