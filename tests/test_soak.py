"""The soak for some seconds: every answer is checked, and nothing is left open. `nox -s soak` takes minutes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent / "soak"
pytestmark = [
    pytest.mark.usefixtures("scripts"),
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="memory and files are read from /proc"),
]


def test_mixed_traffic_for_some_seconds() -> None:
    import soak

    told: list[str] = []
    # A stall takes longer than the rest of the run would.
    report = asyncio.run(soak.run(soak.Plan(seconds=5, workers=8, reload=1.5, stall=3), told.append))
    # Of so short a run memory says nothing, and a busy machine closes later than in a second.
    loose = {"memory is flat", "the provider's connection is closed when its client goes"}
    failed = {name: said for name, (good, said) in report["checks"].items() if not good and name not in loose}
    assert not failed, soak.text_of(report)
    assert sum(report["requests"].values()) > 40


def test_memory_that_grows_is_seen() -> None:
    import soak

    def samples(values: Any) -> list[list[float]]:
        return [[float(number), value, 9.0] for number, value in enumerate(values)]

    assert soak.growth(samples([10.0] * 20 + [80.0] * 80)) == 0
    assert soak.growth(samples([80.0 + number / 10 for number in range(100)])) > soak.GROWTH


def test_what_is_wrong_fails_the_run() -> None:
    import soak

    good = {"checks": {"one": [True, ""], "other": [True, ""]}}
    assert soak.passed(good)
    assert not soak.passed({"checks": {**good["checks"], "third": [False, ""]}})


def test_an_answer_to_somebody_else_is_seen() -> None:
    import traffic
    import upstream

    tally = traffic.Tally()
    clients = traffic.Clients("http://127.0.0.1:1", upstream.Upstream(), tally)
    clients._check("aa", "aa says", says="x", was="x")
    with pytest.raises(traffic.WrongError, match="nonce is not in"):
        clients._check("aa", "bb says", says="x", was="x")
    assert tally.crossed == 1
    with pytest.raises(traffic.WrongError, match="it says"):
        clients._check("aa", "aa says", says="x", was="y")
