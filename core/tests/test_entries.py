"""The entries of a configuration list: read, checked, and never quoted."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import openai
import pytest

from dragoman.core import ConfigError
from dragoman.core.entries import read_entries

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "sk-secret-0000"


def read(**entry: Any) -> Any:
    (found,) = read_entries([{"model": "m", **entry}])
    return found


def test_each_key_finds_its_place() -> None:
    found = read(
        api_key=SECRET,
        base_url="http://here",
        api_type="anthropic",
        temperature=0.5,
        timeout=3,
        max_retries=1,
        default_headers={"a": "1"},
        extra_headers={"b": "2"},
        default_query={"q": 1},
        top_k=5,
        extra_body={"thinking": {}},
        tags=["x"],
    )
    assert (found.model, found.provider, found.tags) == ("m", "anthropic", ("x",))
    assert found.options == {"api_key": SECRET, "base_url": "http://here"}
    assert (found.params, found.extra_body) == ({"temperature": 0.5}, {"thinking": {}, "top_k": 5})
    assert (found.timeout, found.max_retries) == (3, 1)
    assert (found.headers, found.query) == ({"a": "1", "b": "2"}, {"q": 1})
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    ("api_type", "provider"),
    [("mistral", "mistralai"), ("Anthropic", "anthropic"), ("azure", "openai"), ("ollama", "ollama"), (None, "")],
)
def test_autogens_names_of_providers(api_type: str | None, provider: str) -> None:
    assert read(api_type=api_type).provider == provider


def test_vendors_words_for_openais_parameters() -> None:
    found = read(api_type="ollama", client_host="http://here", num_predict=5, random_seed=7, stop_sequences=["a"])
    assert found.params == {"max_tokens": 5, "seed": 7, "stop": ["a"]}
    assert found.options == {"base_url": "http://here"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([0.01, 0.02], (Decimal("0.01"), Decimal("0.02"))),
        ((1, 2), (Decimal(1), Decimal(2))),
        (0.03, (Decimal("0.03"), Decimal("0.03"))),
        (0, (Decimal(0), Decimal(0))),
        (None, None),
    ],
)
def test_prices(given: Any, expected: Any) -> None:
    assert read(price=given).price == expected


def test_secrets_may_be_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text(f"{SECRET}\n", "utf-8")
    monkeypatch.setenv("MY_KEY", SECRET)
    assert read(api_key="env:MY_KEY").options == {"api_key": SECRET}
    assert read(api_key=f"file:{tmp_path / 'key'}").options == {"api_key": SECRET}
    assert read(base_url="http://env:8000").options == {"base_url": "http://env:8000"}


def test_other_values_may_be_elsewhere_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_MODEL", "other")
    monkeypatch.setenv("T", "2.5")
    monkeypatch.setenv("R", "3")
    (found,) = read_entries([{"model": "env:MY_MODEL", "timeout": "env:T", "max_retries": "env:R"}])
    assert (found.model, found.raw["model"], found.place) == ("other", "other", "config_list[0] (other)")
    assert (found.timeout, found.max_retries) == (2.5, 3)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (3, 3),
        (None, None),
        ({"connect": 1, "read": None}, {"connect": 1, "read": None}),
        (openai.Timeout(5, read=None), {"connect": 5, "read": None, "write": 5, "pool": 5}),
    ],
)
def test_times(given: Any, expected: Any) -> None:
    assert read(timeout=given).timeout == expected


def test_an_entry_shows_no_key() -> None:
    assert SECRET not in repr(read(api_key=SECRET, extra_body={"key": SECRET}))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("model", r"must be a list of objects, not str"),
        ({"model": "m"}, r"must be a list of objects, not dict"),
        ([], r"config_list is empty"),
        ([1], r"config_list\[0\] must be an object, not int"),
        ([{"model": "m"}, {"api_key": SECRET}], r"config_list\[1\] has no model"),
        ([{"model": "m", "temprature": 1}], r"config_list\[0\] \(m\) has unknown keys: temprature .*mean temperature"),
        ([{"model": "m", "extra_body": [SECRET]}], r"extra_body must be an object"),
        ([{"model": "m", "default_headers": SECRET}], r"default_headers must be an object"),
        ([{"model": "m", "tags": SECRET}], r"tags must be a list"),
        ([{"model": "m", "price": [1]}], r"price must be"),
        ([{"model": "m", "price": "cheap"}], r"price must be"),
        ([{"model": "m", "price": [-1, 0]}], r"price must be"),
        ([{"model": "m", "api_rate_limit": 0}], r"api_rate_limit must be"),
        *(
            (
                [{"model": "m", "timeout": value}],
                r"config_list\[0\] \(m\): timeout must be a number of seconds, above 0",
            )
            for value in ("30", -1, 0, True, float("nan"), float("inf"), [3], {"connect": "5"}, {"all": 5}, "env:WORD")
        ),
        *(
            ([{"model": "m", "max_retries": value}], r"config_list\[0\] \(m\): max_retries must be a whole number")
            for value in ("3", 1.0, -1, True, "env:WORD")
        ),
        ([{"model": "m", "api_key": "env:NOT_SET_ANYWHERE"}], r"environment variable NOT_SET_ANYWHERE, which is not"),
        ([{"model": "m", "api_key": "file:/does/not/exist"}], r"file /does/not/exist, which cannot be read"),
    ],
)
def test_a_wrong_list_is_told_by_its_place(given: Any, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORD", SECRET)
    with pytest.raises(ConfigError, match=said) as caught:
        read_entries(given)
    assert SECRET not in str(caught.value)
