"""Configuration lists: dragoman's functions beside AutoGen's own."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman import core
from dragoman.autogen import wire

autogen = pytest.importorskip("autogen", reason="neither AutoGen 0.2 nor AG2 classic is installed")


if TYPE_CHECKING:
    from pathlib import Path

try:
    from autogen import config_list_from_dotenv, config_list_from_json, config_list_from_models, filter_config
except ImportError:
    # AG2 classic has only the first two left, and its filter has rules of its own.
    from autogen.llm_config.utils import config_list_from_json, filter_config

    config_list_from_dotenv = config_list_from_models = None

TABLE = [
    {"model": "a"},
    {"model": "b", "tags": ["x", "y"]},
    {"model": "c", "api_type": "azure"},
    {"model": None},
    {"model": "d", "n": 3},
]
FILTERS: list[Any] = [
    {"model": ["a", "b"]},
    {"model": ["a"], "tags": ["x"]},
    {"tags": ["x", "q"]},
    {"api_type": [None]},
    {"api_type": ["azure", None]},
    {"api_type": ["azure"]},
    {"model": "ab"},
    {"tags": "xy"},
    {"tags": []},
    {},
    None,
    {"n": [3]},
    {"n": 3},
]


def outcome(function: Any, *arguments: Any, **options: Any) -> Any:
    try:
        return function(*copy.deepcopy(arguments), **options)
    except (TypeError, ValueError, OSError) as error:
        return type(error).__name__


def same(is_classic: bool, config_list: Any, filter_dict: Any, exclude: bool) -> None:
    theirs = outcome(filter_config, config_list, filter_dict, exclude)
    assert outcome(core.filter_config, config_list, filter_dict, exclude) == theirs


@pytest.mark.scenario(25)
@pytest.mark.parametrize("exclude", [False, True])
@pytest.mark.parametrize("filter_dict", FILTERS, ids=repr)
def test_filters_of_the_table(filter_dict: Any, exclude: bool, is_classic: bool) -> None:
    if is_classic:
        pytest.skip("AG2 classic has changed the rules; dragoman's are those of 0.2")
    same(is_classic, TABLE, filter_dict, exclude)


VALUES = st.one_of(st.sampled_from(["a", "b", "ab", "azure"]), st.none(), st.integers(0, 2))
ENTRIES = st.dictionaries(
    st.sampled_from(["model", "tags", "api_type"]),
    st.one_of(VALUES, st.lists(st.sampled_from(["a", "b", "x"]), max_size=3), st.tuples(VALUES)),
)
ACCEPTED = st.one_of(
    st.lists(VALUES, max_size=3),
    st.tuples(VALUES),
    st.sets(st.sampled_from(["a", "b"])),
    st.text("ab", max_size=2),
    VALUES,
)


@pytest.mark.scenario(25)
@settings(max_examples=500, deadline=None)
@given(
    config_list=st.lists(ENTRIES, max_size=5),
    filter_dict=st.one_of(st.none(), st.dictionaries(st.sampled_from(["model", "tags", "api_type"]), ACCEPTED)),
    exclude=st.booleans(),
)
def test_filters_of_any_kind(config_list: Any, filter_dict: Any, exclude: bool) -> None:
    if config_list_from_models is None:
        pytest.skip("AG2 classic has changed the rules; dragoman's are those of 0.2")
    same(False, config_list, filter_dict, exclude)


@pytest.mark.scenario(26)
@pytest.mark.parametrize("place", ["json", "path", "file", "folder", "missing", "no path"])
def test_lists_from_json(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps([{"model": "a"}, {"model": "b"}])
    (tmp_path / "lists").mkdir()
    for path in (tmp_path / "OAI_LIST", tmp_path / "lists" / "OAI_LIST"):
        path.write_text(text)
    variable = {"json": text, "path": str(tmp_path / "OAI_LIST"), "no path": "nowhere/at/all"}.get(place)
    if variable:
        monkeypatch.setenv("OAI_LIST", variable)
    name = "OTHER" if place == "missing" else "OAI_LIST"
    more = {"file_location": "lists"} if place == "folder" else {}
    theirs = outcome(config_list_from_json, name, filter_dict={"model": ["b"]}, **more)
    assert outcome(core.config_list_from_json, name, filter_dict={"model": ["b"]}, **more) == theirs
    assert theirs in ([{"model": "b"}], "FileNotFoundError", "JSONDecodeError")


@pytest.mark.scenario(27)
@pytest.mark.parametrize(
    "keys", [{}, {"key_openai.txt": "one\ntwo"}, {"key_aoai.txt": "k", "base_aoai.txt": "http://h"}], ids=repr
)
@pytest.mark.parametrize("models", [None, ["a", "b"]])
def test_lists_from_models(keys: Any, models: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if config_list_from_models is None:
        pytest.skip("AG2 classic has no such function")
    for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "OPENAI_API_BASE", "AZURE_OPENAI_API_BASE"):
        # AutoGen's own writes into the environment; so it is put back.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, text in keys.items():
        (tmp_path / name).write_text(text)
    ours = core.config_list_from_models(key_file_path=str(tmp_path), model_list=models)
    theirs = config_list_from_models(key_file_path=str(tmp_path), model_list=models)
    assert ours == theirs


@pytest.mark.scenario(27)
@pytest.mark.parametrize(
    "wanted",
    [
        None,
        {"gpt-4": "OPENAI_API_KEY", "claude": "ANTHROPIC_API_KEY"},
        {"m": {"api_key_env_var": "ANTHROPIC_API_KEY", "base_url": "BASE", "api_type": "x"}},
        {"m": {"api_key_env_var": "ANTHROPIC_API_KEY", "tags": ["x"]}},
    ],
    ids=repr,
)
def test_lists_from_dotenv(wanted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if config_list_from_dotenv is None:
        pytest.skip("AG2 classic has no such function")
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "BASE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    path = tmp_path / "keys.env"
    path.write_text("OPENAI_API_KEY=one\nANTHROPIC_API_KEY='two'\nBASE=http://h\n")
    ours = outcome(core.config_list_from_dotenv, str(path), wanted)
    theirs = outcome(config_list_from_dotenv, str(path), wanted)
    assert ours == theirs


@pytest.mark.scenario(53)
def test_one_list_for_all_lines(start: Any, said: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    vendor, other = start("anthropic", said("I am Claude.")), start("ollama", said("I am local."))
    entries = [vendor.entry(tags=["cloud"]), {**other.entry(tags=["local"]), "model": "qwen3", "api_type": "ollama"}]
    monkeypatch.setenv("OAI_CONFIG_LIST", json.dumps(entries))
    config_list = wire(core.config_list_from_json("OAI_CONFIG_LIST"))
    for tag, text in {"cloud": "I am Claude.", "local": "I am local."}.items():
        one = autogen.OpenAIWrapper(config_list=core.filter_config(config_list, {"tags": [tag]}), cache_seed=None)
        answer = one.create(messages=[{"role": "user", "content": "Who?"}])
        assert answer.choices[0].message.content == text
