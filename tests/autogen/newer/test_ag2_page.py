from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("ag2.config", reason="ag2 1.x is not installed")

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_pages_blocks_do_what_they_show(run_page: Callable[[str], int]) -> None:
    assert run_page("ag2.md") == 2
