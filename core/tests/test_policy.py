"""Parameters that a provider does not have: the four policies, the ledger, the warning that comes once."""

from __future__ import annotations

import logging
import threading
import warnings
from typing import Any, get_args

import pytest

from dragoman.core import Call, DragomanWarning, UnsupportedParameter, is_default, unsupported, warn_once
from dragoman.core.policy import DEFAULTS, HINTS, forget_warnings
from dragoman.core.provider import OnUnsupported


def call(policy: Any) -> Call:
    return Call("acme", "m", {}, on_unsupported=policy)


@pytest.mark.parametrize(("param", "value"), [*DEFAULTS.items(), ("temperature", 1.0), ("anything", None)])
def test_values_that_mean_nothing(param: str, value: Any) -> None:
    assert is_default(param, value)
    for policy in get_args(OnUnsupported):
        asked = call(policy)
        assert unsupported(asked, param, value, reason="no") is False
        assert asked.ledger.report() == {}


def test_the_standard_tier_is_what_one_gets_without_tiers() -> None:
    asked = call("raise")
    assert unsupported(asked, "service_tier", "default", reason="no") is False
    assert asked.ledger.report() == {}
    with pytest.raises(UnsupportedParameter):
        unsupported(asked, "service_tier", "priority", reason="no")


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("n", 2),
        ("n", True),
        ("store", 0),
        ("logprobs", True),
        ("temperature", 0),
        ("parallel_tool_calls", False),
        ("parallel_tool_calls", 1),
        ("stop", ["x"]),
        ("seed", 0),
        ("anything", False),
    ],
)
def test_values_that_mean_something(param: str, value: Any) -> None:
    assert not is_default(param, value)


@pytest.mark.parametrize("param", sorted(HINTS))
def test_hints_are_left_out_at_debug_level(param: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "dragoman")
    asked = call("raise")
    assert unsupported(asked, param, "x", reason="no") is False
    assert asked.ledger.report() == {}
    assert param in caplog.text


def test_raise() -> None:
    with pytest.raises(
        UnsupportedParameter, match=r"^acme does not support seed: no dice. To go on: roll\.$"
    ) as caught:
        unsupported(call("raise"), "seed", 1, reason="no dice", hint="roll")
    error = caught.value
    assert (error.param, error.provider, error.reason, error.hint) == ("seed", "acme", "no dice", "roll")
    with pytest.raises(UnsupportedParameter, match='choose on_unsupported="adapt", "warn" or "ignore"'):
        unsupported(call("raise"), "seed", 1, reason="no dice", nearest="a loaded die")


@pytest.mark.parametrize(
    ("policy", "nearest", "nearest_done", "report", "warning"),
    [
        ("warn", "rounded", False, {"dropped": ["seed"]}, "acme: seed: no dice; left out."),
        ("warn", "", False, {"dropped": ["seed"]}, "acme: seed: no dice; left out."),
        ("ignore", "rounded", False, {"dropped": ["seed"]}, None),
        ("adapt", "rounded", True, {"adapted": {"seed": "rounded"}}, "acme: seed: no dice; rounded."),
        ("adapt", "", False, {"dropped": ["seed"]}, "acme: seed: no dice; left out."),
    ],
)
def test_the_other_policies(policy: str, nearest: str, nearest_done: bool, report: Any, warning: str | None) -> None:
    asked = call(policy)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            assert unsupported(asked, "seed", 1, reason="no dice", nearest=nearest) is nearest_done
    assert asked.ledger.report() == report
    assert [str(each.message) for each in caught] == ([warning] if warning else [])
    assert {each.category for each in caught} <= {DragomanWarning}


def test_a_warning_comes_once_for_each_provider_and_topic() -> None:
    topics = [("a", "x"), ("a", "x"), ("a", "y"), ("b", "x"), ("a", "x")]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for provider, topic in topics:
            warn_once(provider, topic, f"{provider}{topic}")
        assert [str(each.message) for each in caught] == ["ax", "ay", "bx"]
        forget_warnings()
        threads = [threading.Thread(target=warn_once, args=("a", "x", "ax")) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(caught) == 4
