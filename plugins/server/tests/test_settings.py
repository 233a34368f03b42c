"""The table `server`: each key, each mistake with its line, flags before the file."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from dragoman.core import ConfigError
from dragoman.server.keys import hash_key
from dragoman.server.limits import Limits
from dragoman.server.settings import Configuration, ServerSettings, is_loopback, load, read

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "sk-secret-of-this-test"
HASH = hash_key(SECRET)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "dragoman.toml"


def test_without_a_file_it_serves_this_machine() -> None:
    assert load(None) == Configuration()
    assert load(None, {"port": 0, "host": None}).server == ServerSettings(port=0)


def test_each_key_arrives(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS", f"redis://:{SECRET}@here:6379/0")
    monkeypatch.setenv("OWN", SECRET)
    file.write_text(
        f"""
timeout = 30
max_retries = 1
on_unsupported = "warn"
[aliases]
quick = "llamacpp/demo"
[models.smart]
model = "llamacpp/demo"
tags = ["team"]
[server]
host = "0.0.0.0"
port = 8080
workers = 2
max_body_bytes = 1000
max_concurrency = 10
request_timeout = 1.5
body_timeout = 2
drain_seconds = 3
redis_url = "env:REDIS"
log_prompts = true
stream_usage = false
page = false
show_wire = true
endpoints = ["files"]
[server.limits."llamacpp/*"]
requests_per_minute = 5
[[server.keys]]
name = "a"
hash = "{hash_key("x" * 20)}"
models = ["quick"]
tags = ["team"]
tokens_per_minute = 7
expires = 2027-01-31
[[server.keys]]
name = "b"
key = "env:OWN"
""",
        "utf-8",
    )
    found = load(file, {"port": 1, "workers": None})
    assert (found.client["timeout"], found.client["max_retries"]) == (30, 1)
    assert found.client["on_unsupported"] == "warn"
    server = found.server
    default = ServerSettings()
    told = [one.name for one in fields(server) if one.compare]
    assert [name for name in told if getattr(server, name) == getattr(default, name)] == []
    assert (server.host, server.port, server.workers, server.redis_url) == (
        "0.0.0.0",  # noqa: S104 (nobody listens)
        1,
        2,
        f"redis://:{SECRET}@here:6379/0",
    )
    assert server.limits == {"llamacpp/*": Limits(5)}
    first, second = server.keys
    assert (first.models, first.limits, str(first.expires)) == (
        ("quick", "smart"),
        Limits(None, 7),
        "2027-01-31 23:59:59+00:00",
    )
    assert first.allows("llamacpp/demo") is False
    assert (second.hash, second.models) == (HASH, ())
    assert SECRET not in repr(found)


MISTAKES = {
    "port = 70000": "2: server.port: must be from 0 to 65535",
    'port = "x"': "2: server.port: must be a number, not a text",
    "workers = 0": "2: server.workers: must be at least 1",
    "drain_seconds = -1": "2: server.drain_seconds: must be above 0",
    "drain_seconds = inf": "2: server.drain_seconds: must be above 0",
    "log_prompts = 1": "2: server.log_prompts: must be true or false, not a number",
    "prot = 1": "2: server.prot: is unknown; did you mean port?",
    'redis_url = "env:NOT_SET_HERE"': "2: server.redis_url: is in the environment variable NOT_SET_HERE",
    "endpoints = [1]": "2: server.endpoints[0]: must be a text",
    "keys = 1": "2: server.keys: must be a list, not a number",
    '[server.limits."a/*"]\nrpm = 1': '3: server.limits."a/*".rpm: is unknown; known are',
    "[[server.keys]]\nhash = 'H'": "2: server.keys[0].name: is missing; logs name the key by it",
    "[[server.keys]]\nname = 'a'": "2: server.keys[0].hash: is missing: dragoman keys new makes a key and its hash",
    "[[server.keys]]\nname = 'a'\nhash = 'sk'": "4: server.keys[0].hash: must be sha256: and 64 digits",
    f"[[server.keys]]\nname = 'a'\nkey = '{SECRET}'": "4: server.keys[0].key: must be env:NAME or file:PATH",
    "[[server.keys]]\nname = 'a'\nkey = 'env:SHORT'": "4: server.keys[0].key: has less than 16 characters",
    "[[server.keys]]\nname = 'a'\nkey = 'env:OWN'\nhash = 'H'": "4: server.keys[0].key: cannot be beside a hash",
    "[[server.keys]]\nname = 'a'\nhash = 'H'\nexpires = 'soon'": "5: server.keys[0].expires: must be a date",
    "[[server.keys]]\nname = 'a'\nhash = 'H'\ntags = ['b']": "5: server.keys[0].tags: are no model's",
    "[[server.keys]]\nname = 'a'\nhash = 'H'\nmodels = 'b'": "5: server.keys[0].models: must be a list, not a text",
    "[[server.keys]]\nname='a'\nhash='H'\n[[server.keys]]\nname='a'\nkey='env:OWN'": "6: server.keys[1].name: is an",
    "[[server.keys]]\nname='a'\nhash='H'\n[[server.keys]]\nname='b'\nhash='H'": "7: server.keys[1].hash: is another",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_told_with_its_line(mistake: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWN", SECRET)
    monkeypatch.setenv("SHORT", "sk-1234")
    file.write_text("[server]\n" + mistake.replace("'H'", f"'{hash_key('z')}'"), "utf-8")
    with pytest.raises(ConfigError) as caught:
        read(file)
    (fault,) = caught.value.faults
    assert fault.startswith(f"{file}:{MISTAKES[mistake]}")
    assert SECRET not in fault


@pytest.mark.parametrize(
    ("host", "here"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("localhost", True)]
    + [(host, False) for host in ("0.0.0.0", "::", "10.0.0.1", "example.org", "")],  # noqa: S104 (nobody listens)
)
def test_wider_than_this_machine_needs_keys(host: str, here: bool, file: Path) -> None:
    assert is_loopback(host) is here
    file.write_text(f"[[server.keys]]\nname = 'a'\nhash = '{HASH}'", "utf-8")
    assert load(file, {"host": host}).server.host == host
    if here:
        assert load(None, {"host": host}).server.host == host
    else:
        with pytest.raises(ConfigError, match="is reached by other machines, and no keys are configured"):
            load(None, {"host": host})
