"""Settings for workers elsewhere: keys go by the names of their variables."""

from __future__ import annotations

import asyncio
import pickle
import sys
from typing import Any

import pytest

from dragoman.batch import Settings, make_engine
from dragoman.batch.portable import with_keys, without_keys
from dragoman.core import CallOptions, DragomanError
from dragoman.openai import OpenAI

SECRET = "a-secret-key-of-this-test-0123"
PLACES: dict[str, Any] = {
    "the default provider's": {"default_options": {"api_key": SECRET, "base_url": "http://127.0.0.1:1/v1"}},
    "an entry's": {"config_list": [{"model": "openai/x", "api_key": SECRET}]},
    "a provider's": {"providers": (OpenAI(api_key=SECRET),)},
    "a provider's SDK's": {"providers": (OpenAI(api_key=SECRET, default_headers={"Authorization": SECRET}),)},
    "a header": {"config_list": [{"model": "openai/x", "headers": {"X-Api-Key": SECRET}}]},
}


@pytest.mark.parametrize("client", PLACES.values(), ids=PLACES)
def test_a_key_goes_by_its_variables_name(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_KEY", SECRET)
    sent = pickle.dumps(without_keys(Settings(client)))
    assert SECRET.encode() not in sent
    assert b"TEAM_KEY" in sent
    monkeypatch.setenv("TEAM_KEY", "what-the-worker-has-instead")
    found = pickle.dumps(with_keys(pickle.loads(sent)))  # noqa: S301 (made above)
    assert b"what-the-worker-has-instead" in found
    assert SECRET.encode() in pickle.dumps(Settings(client)), "the run's own settings are as they were"


@pytest.mark.parametrize("client", PLACES.values(), ids=PLACES)
def test_a_key_of_no_variable_goes_nowhere(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEAM_KEY", raising=False)
    with pytest.raises(DragomanError, match="in no environment variable") as refused:
        without_keys(Settings(client))
    assert SECRET not in str(refused.value)


def test_what_each_call_says_has_keys_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_KEY", SECRET)
    options = CallOptions(api_key=SECRET, headers={"authorization": SECRET}, default_headers={"api-key": SECRET})
    sent = pickle.dumps(without_keys(Settings(options=options)))
    assert SECRET.encode() not in sent
    assert with_keys(pickle.loads(sent)).options == options  # noqa: S301 (made above)


def test_a_variable_that_a_worker_lacks_is_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_KEY", SECRET)
    settings = without_keys(Settings(PLACES["an entry's"]))
    monkeypatch.delenv("TEAM_KEY")
    assert with_keys(settings).client["config_list"] == [{"model": "openai/x", "api_key": None}]


def test_no_key_is_no_fault() -> None:
    settings = Settings({"default_options": {"api_key": None}, "aliases": {"a": "openai/b"}, "config_list": None})
    assert with_keys(without_keys(settings)) == settings


def test_without_ray_its_engine_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    engine: Any = make_engine("ray", workers=2)
    with pytest.raises(DragomanError, match=r"pip install 'dragoman-batch\[ray\]'"):
        asyncio.run(engine.run(None, Settings()))
