"""The contract's defaults, which are an OpenAI-compatible endpoint."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.core import Call, Ledger, Provider, Reply, VendorError
from dragoman.core.errorbodies import error_object
from dragoman.core.provider import first_env, without_password


class Acme(Provider):
    name = "acme"
    base_url = "http://acme/v1"
    base_url_env = ("ACME_URL",)
    key_env = ("ACME_KEY", "ACME_TOKEN")


def test_where_settings_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ACME_URL", "ACME_KEY", "ACME_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    bare = Acme()
    assert (bare.name, bare.base_url, bare.api_key) == ("acme", "http://acme/v1", None)
    monkeypatch.setenv("ACME_URL", "http://env/v1/")
    monkeypatch.setenv("ACME_KEY", "  ")
    monkeypatch.setenv("ACME_TOKEN", " sk-env ")
    from_env = Acme(base_url="", api_key="")
    assert (from_env.base_url, from_env.api_key) == ("http://env/v1", "sk-env")
    given = Acme(name="gpu1", base_url="http://given//", api_key="sk-given", organization="o")
    assert (given.name, given.base_url, given.api_key) == ("gpu1", "http://given", "sk-given")
    assert given.sdk_options == {"organization": "o"}
    assert repr(given) == "<Acme 'gpu1' at http://given>"


def test_the_first_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_KEY", "a")
    monkeypatch.setenv("ACME_TOKEN", "b")
    assert first_env(Acme.key_env) == "a"
    assert first_env(()) is None


def test_the_defaults() -> None:
    provider, call = Acme(), Call("acme", "m", {"model": "m"})
    wire = provider.encode(call)
    assert (wire.method, wire.path, wire.body) == ("POST", "/chat/completions", {"model": "m"})
    listing = provider.encode(Call("acme", "", {}, endpoint="models", method="GET"))
    assert (listing.method, listing.path, listing.body) == ("GET", "/models", None)
    body = {"a": 1}
    assert provider.decode(call, body) is body
    assert provider.decode_stream(call) is None
    assert (provider.sender(), provider.async_sender()) == (None, None)
    assert Reply(200).close() is None


@pytest.mark.parametrize("given", ["", "/", "/v1/", "/v1/v1/", "/chat/completions", "/v1/chat/completions "])
def test_addresses_are_read_as_people_write_them(given: str) -> None:
    assert Acme(base_url=f"http://x/v1{given}").base_url == "http://x/v1"


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        ({"error": {"message": "a", "code": 5}}, "a", 5),
        ({"message": "b", "code": "x"}, "b", "x"),
        ({"message": "outer", "error": {"message": "inner"}}, "inner", None),
        ({"error": "c"}, "c", None),
        ({"error": "c", "code": "gone"}, "c", "gone"),
        ({"detail": "d"}, "d", None),
        ({"error": {"detail": "e"}}, "e", None),
        ([{"error": {"code": 400, "message": "f", "status": "INVALID_ARGUMENT"}}], "f", 400),
        ({"detail": [{"loc": ["body", "n", 0], "msg": "g", "input": "secret"}]}, "body.n.0: g", None),
        ({"detail": [{"loc": ["body"], "msg": "g"}, {"msg": "h"}]}, "body: g; h", None),
        ({"detail": {"error": "i", "code": "x"}}, "i", "x"),
        ({"detail": {"error": {"message": "j", "code": "x"}}}, "j", "x"),
        ({"detail": {"message": "k", "code": "x"}}, "k", "x"),
        ({"error": {"message": {"detail": [{"loc": ["n"], "msg": "l"}]}, "code": "x"}}, "n: l", "x"),
        ({"object": "error", "message": [{"msg": "m"}], "code": "x"}, "m", "x"),
        ({"detail": {"input": "secret"}}, "HTTP 500 without a message", None),
        ({"detail": [[[[[[[[["too deep"]]]]]]]]]}, "HTTP 500 without a message", None),
        ([], "HTTP 500 without a message", None),
        ([{"error": "n"}, {"error": "o"}], "n; o", None),
        ({"detail": [{"loc": ["x"]}]}, "HTTP 500 without a message", None),
        ({"error": {}}, "HTTP 500 without a message", None),
        ({"error": {"message": "  "}}, "HTTP 500 without a message", None),
        ({}, "HTTP 500 without a message", None),
        ("text", "text", None),
        ("  <!doctype html>", "HTTP 500 with an HTML page instead of a message", None),
        ("", "HTTP 500 without a message", None),
        ([1], "HTTP 500 without a message", None),
        (None, "HTTP 500 without a message", None),
    ],
)
def test_error_bodies(body: Any, message: str, code: Any) -> None:
    found = error_object(500, body)
    assert (found["message"], found["code"]) == (message, code)
    assert found.keys() == {"message", "type", "param", "code"}
    assert "secret" not in str(found)
    assert Acme().decode_error(500, body) == found


def test_what_is_known_of_a_bare_error_text_may_stand_beside_it() -> None:
    assert error_object(424, {"error": "overloaded", "error_type": "overloaded"})["type"] == "overloaded"


def test_a_call_tells_no_secrets() -> None:
    call = Call("acme", "m", {"messages": "secret", "stream": True}, api_key="sk-secret", extra_headers={"a": "secret"})
    assert repr(call) == "<Call acme/m chat/completions stream pending>"
    call.request["stream"] = 1
    assert repr(call) == "<Call acme/m chat/completions pending>"


def test_the_ledger() -> None:
    ledger = Ledger()
    assert ledger.report() == {}
    ledger.dropped.append("seed")
    assert ledger.report() == {"dropped": ["seed"]}
    ledger.adapted["n"] = "1"
    report = ledger.report()
    report["dropped"].append("x")
    assert ledger.report() == {"dropped": ["seed"], "adapted": {"n": "1"}}


def test_a_vendors_error() -> None:
    assert str(VendorError({"message": "full"}, 503)) == "full"
    assert str(VendorError({})) == "the provider reported an error"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.test/v1", "https://a.test/v1"),
        ("https://user:pass@a.test:8/v1@x", "https://a.test:8/v1@x"),
        ("user:pass@a.test/x", "a.test/x"),
        ("a.test", "a.test"),
    ],
)
def test_a_password_stays_out_of_messages(url: str, shown: str) -> None:
    assert without_password(url) == shown
