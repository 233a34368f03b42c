"""The names that users and plugins import."""

from __future__ import annotations

import pytest

import dragoman.core


def test_names_are_known_before_they_are_loaded() -> None:
    assert dir(dragoman.core) == sorted(dragoman.core.__all__)
    assert set(dragoman.core.__all__) == set(dragoman.core._MODULE_OF)


def test_each_leads_to_what_it_names() -> None:
    for name in dragoman.core.__all__:
        found = getattr(dragoman.core, name)
        assert getattr(found, "__name__", name) in {name, "hookimpl", "dict", "Literal"}, name


def test_a_name_that_is_none() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        dragoman.core.nonsense  # noqa: B018 (asking for it is the test)
