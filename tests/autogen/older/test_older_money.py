"""What calls used and cost, and AutoGen's caches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dragoman.autogen import DragomanModelClient, wire

if TYPE_CHECKING:
    from pathlib import Path

autogen = pytest.importorskip("autogen", reason="neither AutoGen 0.2 nor AG2 classic is installed")


HI = [{"role": "user", "content": "Hi"}]


def wrapper(config_list: Any, **more: Any) -> Any:
    return autogen.OpenAIWrapper(config_list=config_list, **{"cache_seed": None, **more})


@pytest.mark.scenario(19)
@pytest.mark.parametrize(
    ("price", "cost"), [([1.0, 2.0], 0.017), ((1.0, 2.0), 0.017), (1.0, 0.012), (None, 0)], ids=repr
)
@pytest.mark.parametrize("way", ["wired", "registered"])
def test_price(way: str, price: Any, cost: float, start: Any, said: Any) -> None:
    entry = start("vllm", said("here")).entry()
    entry |= {} if price is None else {"price": price}
    if way == "registered":
        one = wrapper([{**entry, "model_client_cls": "DragomanModelClient"}])
        one.register_model_client(DragomanModelClient)
    else:
        one = wrapper(wire([entry]))
    # 7 and 5 tokens.
    assert one.create(messages=HI).cost == pytest.approx(cost)
    assert one.actual_usage_summary["total_cost"] == pytest.approx(cost)


@pytest.mark.scenario(20)
@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("anthropic", "claude-sonnet-4-5"),
        ("mistralai", "mistral-large-latest"),
        ("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
    ],
)
@pytest.mark.parametrize("way", ["wired", "registered"])
def test_known_models_have_a_price(way: str, name: str, model: str, start: Any, said: Any) -> None:
    entry = {**start(name, said("here")).entry(), "model": f"{name}/{model}"}
    if way == "registered":
        one = wrapper([{**entry, "model_client_cls": "DragomanModelClient"}])
        one.register_model_client(DragomanModelClient)
    else:
        one = wrapper(wire([entry]))
    assert 0 < one.create(messages=HI).cost < 0.01


@pytest.mark.scenario(21)
def test_usage_with_a_cache(start: Any, said: Any) -> None:
    vendor = start("anthropic", said("here"))
    one = wrapper(wire([vendor.entry(price=[1, 2])]))
    with autogen.Cache.disk(7) as cache:
        answers = [one.create(messages=HI, cache=cache) for _ in range(3)]
    assert len(vendor.bodies) == 1
    assert {answer.choices[0].message.content for answer in answers} == {"here"}
    assert one.actual_usage_summary["claude-sonnet-4-5"]["total_tokens"] == 12
    assert one.total_usage_summary["claude-sonnet-4-5"]["total_tokens"] == 36
    assert one.total_usage_summary["total_cost"] == pytest.approx(3 * 0.017)
    one.clear_usage_summary()
    assert one.actual_usage_summary is None


@pytest.mark.scenario(22)
def test_one_models_name_at_two_providers(start: Any, said: Any) -> None:
    one, other = start("vllm", said("from one")), start("vllm", said("from the other"))
    with autogen.Cache.disk(7) as cache:
        answers = [
            wrapper(wire([{**vendor.entry(), "model": "vllm/same"}])).create(messages=HI, cache=cache)
            for vendor in (one, other, one)
        ]
    assert [answer.choices[0].message.content for answer in answers] == ["from one", "from the other", "from one"]
    assert (len(one.bodies), len(other.bodies)) == (1, 1)


@pytest.mark.scenario(23)
def test_no_secret_in_caches_and_logs(start: Any, said: Any, agents: Any, tmp_path: Path, is_classic: bool) -> None:
    from autogen import runtime_logging

    vendor = start("anthropic", said("here"))
    entry = vendor.entry(default_headers={"x-own": "sk-in-a-header"})
    # AG2 classic cannot write an entry with a base_url into its database, whoever's it is.
    kind = (
        {"logger_type": "file", "config": {"filename": "logs.db"}} if is_classic else {"config": {"dbname": "logs.db"}}
    )
    runtime_logging.start(**kind)
    config_list = wire([entry])
    try:
        assistant, user = agents(config_list)
        with autogen.Cache.disk(7) as cache:
            user.initiate_chat(assistant, message="Hi", max_turns=1, cache=cache)
    finally:
        runtime_logging.stop()
    assert "sk-very-secret" in vendor.keys[0]
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert "logs.db" in {path.name for path in written}
    for path in written:
        assert b"sk-very-secret" not in path.read_bytes(), path
        assert b"sk-in-a-header" not in path.read_bytes(), path
    assert "sk-" not in repr(config_list)


@pytest.mark.scenario(24)
def test_a_cache_object(start: Any, said: Any, agents: Any, tmp_path: Path) -> None:
    vendor = start("mistralai", said("here"))
    with autogen.Cache.disk(cache_seed=3, cache_path_root=str(tmp_path / "cache")) as cache:
        for _ in range(2):
            assistant, user = agents(wire([vendor.entry()]))
            assert user.initiate_chat(assistant, message="Hi", max_turns=1, cache=cache).summary == "here"
    assert len(vendor.bodies) == 1
