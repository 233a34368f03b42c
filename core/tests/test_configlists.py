"""Configuration lists: the same lists as AutoGen 0.2's functions give."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from dragoman.core import (
    Json,
    config_list_from_dotenv,
    config_list_from_json,
    config_list_from_models,
    filter_config,
)

LIST: list[Json] = [
    {"model": "a"},
    {"model": "b", "tags": ["x", "y"]},
    {"model": "c", "api_type": "azure"},
    {"model": None},
    {"model": "d", "n": 3},
]


@pytest.fixture(autouse=True)
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "OPENAI_API_BASE", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_API_BASE"):
        monkeypatch.delenv(name, raising=False)


def models(found: list[Json]) -> list[Any]:
    return [entry["model"] for entry in found]


@pytest.mark.parametrize(
    ("criteria", "exclude", "expected"),
    [
        ({"model": ["a", "b"]}, False, ["a", "b"]),
        ({"model": ["a"], "tags": ["x"]}, False, []),
        ({"tags": ["x", "q"]}, False, ["b"]),
        ({"api_type": [None]}, False, []),
        ({"api_type": ["azure", None]}, False, ["c"]),
        ({"api_type": ["azure"]}, True, ["a", "b", None, "d"]),
        ({"model": ["a"], "tags": ["x"]}, True, ["c", None, "d"]),
        ({"model": "ab"}, False, ["a", "b"]),
        ({"tags": "xy"}, False, ["b"]),
        ({"tags": []}, False, []),
        ({"tags": []}, True, ["a", "b", "c", None, "d"]),
    ],
)
def test_filtering_as_autogen_does(criteria: Json, exclude: bool, expected: list[Any]) -> None:
    found = filter_config(LIST, criteria, exclude)
    assert models(found) == expected
    assert all(any(entry is own for own in LIST) for entry in found)


@pytest.mark.parametrize("criteria", [{}, None])
def test_without_criteria_the_list_itself_comes_back(criteria: Any) -> None:
    assert filter_config(LIST, criteria, exclude=True) is LIST
    assert filter_config(LIST, criteria, strict=True) is LIST


@pytest.mark.parametrize(
    ("criteria", "exclude", "expected"),
    [
        ({"api_type": [None]}, False, ["a", "b", None, "d"]),
        ({"api_type": ["azure", None]}, False, ["a", "b", "c", None, "d"]),
        ({"model": ["a"], "tags": ["x", None]}, True, ["b", "c", None, "d"]),
        ({"tags": ("x",)}, False, ["b"]),
    ],
)
def test_filtering_as_autogen_documents_it(criteria: Json, exclude: bool, expected: list[Any]) -> None:
    assert models(filter_config(LIST, criteria, exclude, strict=True)) == expected


def test_a_text_is_no_list_of_accepted_values() -> None:
    with pytest.raises(TypeError, match="values accepted for 'model' must be a list"):
        filter_config(LIST, {"model": "ab"}, strict=True)


def test_json_from_the_environment_from_a_path_and_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "list.json").write_text(json.dumps(LIST), "utf-8")
    monkeypatch.setenv("CONFIG", json.dumps(LIST[:2]))
    assert config_list_from_json("CONFIG", file_location="/nowhere") == LIST[:2]
    monkeypatch.setenv("CONFIG", str(tmp_path / "list.json"))
    assert config_list_from_json("CONFIG", filter_dict={"model": ["c"]}) == [LIST[2]]
    monkeypatch.setenv("CONFIG", "")
    assert config_list_from_json("list.json", str(tmp_path)) == LIST
    assert config_list_from_json("list.json") == LIST


def test_bad_json_is_told_by_line_and_column_and_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFIG", '[{"api_key": "sk-secret"\n "model"}]')
    with pytest.raises(json.JSONDecodeError, match=r"variable CONFIG is not JSON: .* line 2 column 2") as caught:
        config_list_from_json("CONFIG")
    assert "sk-secret" not in f"{vars(caught.value)}{caught.value.__context__ and caught.value.__suppress_context__}"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("text", ['{"model": "a"}', '["a"]', "1"])
def test_what_is_no_list_of_objects(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFIG", text)
    with pytest.raises(TypeError, match="variable CONFIG must hold a list of objects"):
        config_list_from_json("CONFIG")


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.json"):
        config_list_from_json("missing.json")


def test_dotenv_gives_keys_and_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("OPENAI_API_KEY=sk-file\nOTHER=sk-other\nPLACE=http://here\n", "utf-8")
    told = {"claude": {"api_key_env_var": "OTHER", "base_url": "PLACE", "api_type": "anthropic"}, "x": "NOT_SET"}
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env")
    found = config_list_from_dotenv(model_api_key_map=told)
    assert found == [
        {"api_key": "sk-other", "base_url": "http://here", "api_type": "anthropic", "model": "claude"},
        {"api_key": "sk-env", "model": "gpt-4"},
        {"api_key": "sk-env", "model": "gpt-3.5-turbo"},
    ]
    assert models(config_list_from_dotenv(model_api_key_map=told, strict=True)) == ["claude"]
    assert models(config_list_from_dotenv(filter_dict={"model": {"gpt-4"}})) == ["gpt-4"]
    assert "gpt-4" not in told


def test_no_key_is_an_empty_list_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "dragoman"):
        assert config_list_from_dotenv("missing.env") == []
    assert "no file missing.env was found" in caplog.text
    assert "no API key was found for the model gpt-4" in caplog.text
    with pytest.raises(FileNotFoundError, match=r"missing\.env"):
        config_list_from_dotenv("missing.env", strict=True)


def test_a_map_that_says_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "sk")
    told = {"m": {"api_key_env_var": "KEY", "tags": ["t"]}}
    with pytest.raises(TypeError, match="gives tags for m"):
        config_list_from_dotenv(model_api_key_map=told)
    assert config_list_from_dotenv(model_api_key_map=told, strict=True) == [
        {"api_key": "sk", "tags": ["t"], "model": "m"}
    ]
    with pytest.raises(TypeError, match="for m, not int"):
        config_list_from_dotenv(model_api_key_map={"m": 1})


def test_each_model_with_each_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env")
    (tmp_path / "key_openai.txt").write_text("sk-1\nsk-2\n", "utf-8")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "az")
    monkeypatch.setenv("AZURE_OPENAI_API_BASE", "https://az.example")
    azure = {"api_key": "az", "base_url": "https://az.example", "api_type": "azure", "api_version": "2024-02-01"}
    keys: list[Json] = [{"api_key": "sk-1"}, {"api_key": "sk-2"}, azure]
    assert config_list_from_models() == keys
    assert config_list_from_models(model_list=["a", "b"]) == [{**key, "model": name} for name in "ab" for key in keys]
    assert config_list_from_models(exclude="aoai", key_file_path=None) == [{"api_key": "sk-env"}]
    assert config_list_from_models(exclude="openai") == [azure]


def test_as_many_addresses_as_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1\nsk-2")
    monkeypatch.setenv("OPENAI_API_BASE", "http://a")
    with pytest.raises(ValueError, match="2 API keys and 1 addresses"):
        config_list_from_models(exclude="aoai")


def test_a_short_list_of_many_bytes_is_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system would say that the name is too long, and quote it with the key in it."""
    text = json.dumps([{"model": "ж" * 120, "api_key": "sk-1111"}], ensure_ascii=False)
    assert len(text) < 255 < len(text.encode())
    monkeypatch.setenv("OAI_CONFIG_LIST", text)
    assert config_list_from_json("OAI_CONFIG_LIST") == json.loads(text)
    monkeypatch.setenv("OAI_CONFIG_LIST", "sk-1111-" + "ж" * 120)
    with pytest.raises(json.JSONDecodeError) as caught:
        config_list_from_json("OAI_CONFIG_LIST")
    assert "1111" not in str(caught.value)
