"""`temperature` and `top_p`."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.core import DragomanWarning, InvalidRequest, Json, UnsupportedParameter

OLD = {"anthropic-version": "2023-06-01"}


def sampling(sent: Any) -> Json:
    return {key: sent.body[key] for key in ("temperature", "top_p", "top_k") if key in sent.body}


@pytest.mark.rule(88)
@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-opus-4-6", "claude-3-haiku-20240307"])
@pytest.mark.parametrize("given", [{"temperature": 0}, {"temperature": 0.7}, {"top_p": 0.9}, {"top_k": 5}])
def test_models_that_sample_read_it_in_the_old_version(encode: Any, model: str, given: Json) -> None:
    sent = encode(model, **given)
    assert sampling(sent) == given
    assert sent.headers == OLD


@pytest.mark.rule(88)
@pytest.mark.parametrize("given", [{"temperature": 0.2}, {"top_p": 0.9}])
@pytest.mark.parametrize("model", ["claude-fable-5-1", "claude-sonnet-5", "claude-opus-4-7"])
def test_models_that_do_not_sample(encode: Any, model: str, given: Json) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        encode(model, **given)
    assert [caught.value.param] == list(given)
    assert caught.value.reason == "this model has no sampling parameters"
    with pytest.warns(DragomanWarning, match="left out"):
        sent = encode(model, policy="warn", **given)
    assert (sampling(sent), sent.headers) == ({}, {})
    assert sent.call.ledger.dropped == list(given)


@pytest.mark.rule(90)
@pytest.mark.parametrize("model", ["claude-fable-5-1", "claude-sonnet-4-5"])
@pytest.mark.parametrize("given", [{}, {"temperature": 1, "top_p": 1.0}, {"temperature": None}])
def test_defaults_are_no_use(encode: Any, model: str, given: Json) -> None:
    sent = encode(model, **given)
    assert (sampling(sent), sent.headers) == ({}, {})
    assert sent.call.ledger.report() == {}


@pytest.mark.rule(87)
def test_temperatures_above_one(encode: Any) -> None:
    with pytest.raises(UnsupportedParameter) as caught:
        encode(temperature=1.5)
    assert (caught.value.param, caught.value.reason) == ("temperature", "the highest is 1")
    with pytest.warns(DragomanWarning):
        sent = encode(policy="adapt", temperature=1.5)
    assert sent.call.ledger.adapted == {"temperature": "clamped to 1"}
    assert sampling(sent) == {"temperature": 1}
    assert sampling(encode(policy="ignore", temperature=1.5)) == {}


@pytest.mark.rule(89)
def test_one_of_the_two(encode: Any) -> None:
    both = {"temperature": 0.2, "top_p": 0.9}
    with pytest.raises(UnsupportedParameter) as caught:
        encode(**both)
    assert (caught.value.param, caught.value.reason) == ("top_p", "this model takes temperature or top_p, not both")
    sent = encode(policy="ignore", **both)
    assert sampling(sent) == {"temperature": 0.2}
    assert sent.call.ledger.dropped == ["top_p"]
    assert sampling(encode("claude-opus-4-6", **both)) == both
    assert sampling(encode(temperature=1, top_p=0.9)) == {"top_p": 0.9}


@pytest.mark.rule(91)
@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-opus-4-6"])
def test_sampling_while_thinking(encode: Any, model: str) -> None:
    cases: list[tuple[Json, str]] = [
        ({"temperature": 0.2}, "only 1 is accepted"),
        ({"top_p": 0.5}, "only 0.95 to 1 are accepted"),
    ]
    for given, accepted in cases:
        with pytest.raises(UnsupportedParameter) as caught:
            encode(model, reasoning_effort="low", **given)
        assert [caught.value.param] == list(given)
        assert caught.value.reason == f"while the model thinks, {accepted}"
        with pytest.raises(UnsupportedParameter, match="while the model thinks"):
            encode(model, thinking={"type": "enabled", "budget_tokens": 1024}, **given)
        assert sampling(encode(model, policy="ignore", reasoning_effort="low", **given)) == {}
        assert sampling(encode(model, reasoning_effort="none", **given)) == given
    assert sampling(encode(model, reasoning_effort="low", top_p=0.95)) == {"top_p": 0.95}


@pytest.mark.rule(88)
def test_other_servers_get_what_was_given(encode: Any) -> None:
    given = {"temperature": 1.7, "top_p": 1}
    sent = encode("demo", reasoning_effort="low", **given)
    assert (sampling(sent), sent.headers) == (given, {})


@pytest.mark.parametrize("param", ["temperature", "top_p"])
def test_numbers_only(encode: Any, param: str) -> None:
    with pytest.raises(InvalidRequest, match=f"{param} is '0.5'"):
        encode(**{param: "0.5"})
