"""What the tests of this folder share: the table's own modules, which tests cannot import from each other."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))
if "feature_table" not in sys.modules:
    # AutoGen's scenarios use it too, and pytest complains of a package without a file that it is told of twice.
    pytest.register_assert_rewrite("feature_table")

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def _own_settings() -> Iterator[None]:
    """One vendor keeps its own address, though nothing goes there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DRAGOMAN_OFFLINE", raising=False)
        yield
