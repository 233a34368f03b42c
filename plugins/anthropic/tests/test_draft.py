"""What the parts of a request's translation share."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from dragoman.anthropic.draft import Draft
from dragoman.anthropic.models import ModelFacts
from dragoman.core import Call, DragomanWarning, UnsupportedParameter


def draft_for(provider: str, policy: Any = "warn") -> Draft:
    return Draft(Call(provider, "m", {"model": "m", "messages": []}, on_unsupported=policy), ModelFacts())


def test_a_warning_is_given_once_for_each_provider_and_topic() -> None:
    told = [("anthropic", "a"), ("anthropic", "b"), ("claude-eu", "a"), ("anthropic", "a")]
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter("always")
        for provider, topic in told:
            draft_for(provider).warn(topic, f"about {topic}.")
        draft_for("quiet", "ignore").warn("a", "about a.")
    assert [str(warning.message) for warning in given] == [
        "anthropic: about a.",
        "anthropic: about b.",
        "claude-eu: about a.",
    ]
    assert {warning.category for warning in given} == {DragomanWarning}


def test_no_hint_and_no_nearest_thing_unless_named() -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        draft_for("anthropic", "raise").unsupported("seed", 1, reason="none there")
    assert (caught.value.param, caught.value.reason, caught.value.hint) == ("seed", "none there", "")
    with pytest.warns(DragomanWarning, match=r"^anthropic: seed: none there; left out\.$"):
        assert not draft_for("anthropic", "adapt").unsupported("seed", 1, reason="none there")
