"""How much the model shall think."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dragoman.core import Call, DragomanWarning, UnsupportedParameter
from dragoman.ollama.thinking import encode_effort

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.rule(241)
@pytest.mark.parametrize("effort", ["none", "low", "medium", "high"])
def test_the_levels_that_models_share(make_call: Callable[..., Call], effort: str) -> None:
    assert encode_effort(make_call(), effort, own_name="think") == effort


@pytest.mark.rule(241)
@pytest.mark.parametrize(("effort", "nearest"), [("minimal", "low"), ("xhigh", "high"), ("max", "high")])
def test_other_levels_follow_the_policy(make_call: Callable[..., Call], effort: str, nearest: str) -> None:
    with pytest.raises(UnsupportedParameter, match=f"extra_body={{'think': '{effort}'}}") as caught:
        encode_effort(make_call(), effort, own_name="think")
    assert caught.value.param == "reasoning_effort"
    call = make_call("adapt")
    with pytest.warns(DragomanWarning, match=nearest):
        assert encode_effort(call, effort, own_name="think") == nearest
    assert call.ledger.adapted == {"reasoning_effort": nearest}
    ignoring = make_call("ignore")
    assert encode_effort(ignoring, effort, own_name="think") is None
    assert ignoring.ledger.dropped == ["reasoning_effort"]


def test_a_level_without_a_neighbour_is_left_out(make_call: Callable[..., Call]) -> None:
    call = make_call("adapt")
    with pytest.warns(DragomanWarning, match="left out"):
        assert encode_effort(call, "ultra", own_name="think") is None
