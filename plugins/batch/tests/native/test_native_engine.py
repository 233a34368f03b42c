"""The vendors' batch APIs, from the first request to the last result, through their own SDKs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Run


def test_what_goes_in_comes_out(run: Run) -> None:
    run.ask("one", "please refuse", "three")
    line = run.go()
    assert run.said() == {"id-1": "You said: one", "id-2": "400 no", "id-3": "You said: three"}
    assert line.open == set()
    assert not run.state.exists()
    assert [one.name for one in run.state.parent.iterdir()] == []
