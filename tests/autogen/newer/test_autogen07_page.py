from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("autogen_agentchat.agents", reason="AutoGen 0.4 to 0.7 is not installed")

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_pages_blocks_do_what_they_show(run_page: Callable[[str], int]) -> None:
    assert run_page("0.7.md") == 4
