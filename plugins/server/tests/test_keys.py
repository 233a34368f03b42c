"""Who is let in, for which models, and what the others are told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from dragoman.server.admission import Anybody, OpenGate
from dragoman.server.gates import KeyGate, make_gate
from dragoman.server.keycommand import command
from dragoman.server.keys import HASH, Key, hash_key, new_key
from dragoman.server.limits import Limits, LocalStore
from dragoman.server.refusals import Refusal
from dragoman.server.settings import ServerSettings, load

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
GOOD = "key-of-this-test-only"
ALIASES = {"cheap": "ollama/small", "smart": "anthropic/big"}


def gate(*keys: Key, limits: dict[str, Limits] | None = None) -> KeyGate:
    settings = ServerSettings(keys=keys, limits=limits or {}, aliases=ALIASES)
    return KeyGate(settings, LocalStore(lambda: 1000.0), lambda: NOW)


def key(**more: Any) -> Key:
    return Key(**{"name": "ci", "hash": hash_key(GOOD), "aliases": ALIASES, **more})


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {GOOD}"},
        {"authorization": f"bearer  {GOOD} "},
        {"x-api-key": GOOD},
        {"authorization": "Basic abc", "x-api-key": f" {GOOD} "},
    ],
)
def test_a_key_is_found_where_clients_put_it(headers: dict[str, str]) -> None:
    assert gate(key(), key(name="other", hash=hash_key("x" * 20))).admit(headers).name == "ci"


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "You didn't provide an API key"),
        ({"authorization": GOOD}, "You didn't provide an API key"),
        ({"authorization": "Bearer not-it"}, "Incorrect API key provided"),
        ({"authorization": f"Bearer {hash_key(GOOD)}"}, "Incorrect API key provided"),
        ({"x-api-key": GOOD[:-1]}, "Incorrect API key provided"),
        ({"x-api-key": "schlüssel"}, "Incorrect API key provided"),
    ],
)
def test_who_has_none_is_told_as_openai_tells_it(headers: dict[str, str], said: str) -> None:
    with pytest.raises(Refusal, match=said) as caught:
        gate(key()).admit(headers)
    refusal = caught.value
    assert (refusal.status, refusal.error["code"]) == (401, "invalid_api_key")
    assert refusal.error["type"] == "invalid_request_error"
    assert "not-it" not in str(refusal)
    assert refusal.headers["www-authenticate"] == "Bearer"


def test_a_key_expires() -> None:
    assert gate(key(expires=NOW)).admit({"x-api-key": GOOD}).name == "ci"
    with pytest.raises(Refusal, match=r"'ci' has expired \(2026-11-28 11:59 UTC\)") as caught:
        gate(key(expires=NOW - timedelta(seconds=1))).admit({"x-api-key": GOOD})
    assert caught.value.status == 401


@pytest.mark.parametrize(
    ("models", "model", "allowed"),
    [
        ((), "whatever", True),
        ((), "", True),
        (("anthropic/*",), "anthropic/big", True),
        (("anthropic/*",), "anthropic:big", True),
        (("anthropic/*",), "smart", True),
        (("smart",), "smart", True),
        (("smart",), "anthropic/big", False),
        (("anthropic/*",), "openai/gpt", False),
        (("anthropic/*",), "ANTHROPIC/big", False),
        (("anthropic/*",), "", False),
        (("gpt-?",), "gpt-5", True),
        (("gpt-?",), "gpt-50", False),
    ],
)
def test_models_of_a_key(models: tuple[str, ...], model: str, allowed: bool) -> None:
    one = key(models=models)
    assert one.allows(model) is allowed
    if not allowed and model:
        with pytest.raises(Refusal, match="does not have access to model") as caught:
            asyncio.run(gate(one).begin(one, model))
        assert (caught.value.status, caught.value.error["code"]) == (403, "model_not_found")


def test_the_limits_of_a_key_and_of_a_model_count_both() -> None:
    one, two = key(limits=Limits(requests_per_minute=2)), key(name="two", hash=hash_key("y" * 20))
    opened = gate(one, two, limits={"anthropic/*": Limits(requests_per_minute=3)})

    async def run() -> None:
        await opened.begin(one, "smart")
        await opened.begin(one, "anthropic:big")
        with pytest.raises(Refusal, match=r"key ci\) on requests per min \(RPM\): Limit 2, Used 2") as caught:
            await opened.begin(one, "ollama/small")
        assert (caught.value.status, caught.value.error["code"]) == (429, "rate_limit_exceeded")
        assert (caught.value.error["type"], caught.value.headers["retry-after"]) == ("requests", "61")
        await opened.begin(two, "anthropic/big")
        with pytest.raises(Refusal, match=r"model anthropic/\*\)"):
            await opened.begin(two, "anthropic/other")
        await opened.begin(two, "cheap")
        await opened.close()

    asyncio.run(run())


def test_tokens_and_places_are_settled_once() -> None:
    one = key(limits=Limits(tokens_per_minute=10, max_concurrency=1))
    opened = gate(one)

    async def run() -> None:
        lease = await opened.begin(one, "m")
        with pytest.raises(Refusal, match="concurrent requests: Limit 1, Used 1"):
            await opened.begin(one, "m")
        await lease.settle(9)
        await lease.settle(9)
        lease = await opened.begin(one, "m")
        await lease.settle(90)
        with pytest.raises(Refusal, match=r"tokens per min \(TPM\): Limit 10, Used 99"):
            await opened.begin(one, "m")

    asyncio.run(run())


def test_without_keys_the_limits_of_models_hold() -> None:
    assert isinstance(make_gate(ServerSettings()), OpenGate)
    opened = gate(limits={"*": Limits(requests_per_minute=1)})
    assert isinstance(make_gate(ServerSettings(limits={"*": Limits(1)})), KeyGate)

    async def run() -> None:
        caller = opened.admit({"host": "127.0.0.1:4000"})
        assert isinstance(caller, Anybody)
        with pytest.raises(Refusal, match="this machine only"):
            opened.admit({"host": "elsewhere.example"})
        await opened.begin(caller, "m")
        with pytest.raises(Refusal, match="Rate limit reached for m"):
            await opened.begin(caller, "m")

    asyncio.run(run())


def test_what_is_kept_of_a_key_is_not_the_key() -> None:
    made = {new_key() for _ in range(50)}
    assert len(made) == 50
    for one in made:
        assert one.startswith("dgm-")
        assert len(one) == 47
        assert HASH.fullmatch(hash_key(one))
    assert hash_key(GOOD) not in repr(key())


def test_a_new_key_is_printed_with_the_table_that_lets_it_in(tmp_path: Any) -> None:
    options = ["--models", "smart,anthropic/*", "--rpm", "60", "--tpm", "9000", "--concurrency", "4"]
    result = CliRunner().invoke(command, ["new", 'the "ci"', *options, "--expires", "2027-01-31"])
    assert result.exit_code == 0
    made, _, table = result.stdout.partition("\n")
    file = tmp_path / "dragoman.toml"
    file.write_text(table, "utf-8")
    (found,) = load(file).server.keys
    assert found == Key(
        'the "ci"',
        hash_key(made),
        ("smart", "anthropic/*"),
        Limits(60, 9000, 4),
        datetime(2027, 1, 31, 23, 59, 59, tzinfo=UTC),
    )
    assert made not in table


@pytest.mark.parametrize("expires", ["soon", "2027-02-30", "d", "99999999d"])
def test_a_last_day_that_is_none(expires: str) -> None:
    result = CliRunner().invoke(command, ["new", "ci", "--expires", expires])
    assert result.exit_code == 2
    assert "--expires must be a date" in result.stderr


def test_days_from_now() -> None:
    result = CliRunner().invoke(command, ["new", "ci", "--expires", "90d"])
    days = datetime.fromisoformat(result.stdout.partition("expires = ")[2].strip()).replace(tzinfo=UTC)
    assert timedelta(days=88) < days - datetime.now(UTC) <= timedelta(days=90)
