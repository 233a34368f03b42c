"""What a replica of Ray Serve does, as far as it needs no Ray; the rest is tested on a cluster (`nox -s ray`)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from dragoman.core import ConfigError
from dragoman.server import ray as on_ray

if TYPE_CHECKING:
    from pathlib import Path

FILE = '[[server.keys]]\nname = "ci"\nkey = "env:GATEWAY_KEY"\n[server]\nmax_concurrency = 7\n'


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.server.logs.set_up_logging", lambda **_: None)
    monkeypatch.setenv("GATEWAY_KEY", "this-one-was-made-by-a-random-generator")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the application is built; the replica runs elsewhere."""
    for name in ("built", "runs"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "runs")
    return tmp_path / "built"


def listen_at(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setattr(on_ray, "proxies_host", lambda: host)


def test_a_replica_needs_keys_where_others_reach_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listen_at(monkeypatch, "127.0.0.1")
    assert on_ray.make_replica(None, folder).state.gateway.settings.keys == ()
    for host in ("0.0.0.0", ""):  # noqa: S104 (it is refused)
        listen_at(monkeypatch, host)
        with pytest.raises(ConfigError, match="no keys are configured"):
            on_ray.make_replica(None, folder)


def test_the_configuration_is_where_the_replica_runs_or_where_it_was_built(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen_at(monkeypatch, "0.0.0.0")  # noqa: S104 (there are keys)
    (folder / "gateway.toml").write_text(FILE, "utf-8")
    assert on_ray.make_replica("gateway.toml", folder).state.gateway.settings.max_concurrency == 7
    monkeypatch.setenv("DRAGOMAN_CONFIG", "gateway.toml")
    assert on_ray.make_replica(None, folder).state.gateway.settings.max_concurrency == 7
    (folder.parent / "runs" / "gateway.toml").write_text(FILE.replace("7", "8"), "utf-8")
    assert on_ray.make_replica("gateway.toml", folder).state.gateway.settings.max_concurrency == 8
    with pytest.raises(ConfigError, match=r"other\.toml"):
        on_ray.make_replica("other.toml", folder)


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"pip install 'dragoman-server\[ray\]'"):
        on_ray.deployment({})
