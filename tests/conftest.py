"""What tests of scripts share."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def scripts(request: pytest.FixtureRequest) -> Iterator[None]:
    """The scripts in the folder `HERE` of a test module find each other as scripts do."""
    here = str(request.module.HERE)
    before = set(sys.modules)
    sys.path.insert(0, here)
    yield
    sys.path.remove(here)
    for name in set(sys.modules) - before:
        if here in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
