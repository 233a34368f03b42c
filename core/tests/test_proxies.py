"""Which proxy leads where."""

from __future__ import annotations

import os

import pytest

from dragoman.core import DragomanError
from dragoman.core.proxies import proxy_for


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("variable", "url", "port"),
    [
        ("http_proxy", "http://a.example", 3128),
        ("HTTPS_PROXY", "https://a.example", 3128),
        ("all_proxy", "https://a.example", 3128),
        ("http_proxy", "https://a.example", None),
        ("https_proxy", "http://a.example", None),
    ],
)
def test_the_scheme_decides(monkeypatch: pytest.MonkeyPatch, variable: str, url: str, port: int | None) -> None:
    monkeypatch.setenv(variable, "proxy.example:3128")
    found = proxy_for(url)
    assert (found.port if found is not None else None) == port


@pytest.mark.parametrize(
    ("spared", "host", "expected"),
    [
        ("*", "a.example", True),
        ("", "a.example", False),
        ("example.com", "example.com", True),
        ("example.com", "www.example.com", True),
        ("example.com", "myexample.com", False),
        (".example.com", "www.example.com", True),
        (".example.com", "example.com", False),
        ("*.example.com", "www.example.com", True),
        ("other, Example.com ", "example.com", True),
        ("example.com:8080", "example.com:8080", True),
        ("example.com:8080", "example.com", False),
        ("http://example.com", "example.com", True),
        ("https://example.com", "example.com", False),
        ("all://example.com", "example.com", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("::1", "[::1]", True),
        ("[::1]", "[::1]:80", True),
        ("localhost", "localhost:11434", True),
        ("example.com:x", "example.com", False),
    ],
)
def test_who_is_spared(monkeypatch: pytest.MonkeyPatch, spared: str, host: str, expected: bool) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", spared)
    assert (proxy_for(f"http://{host}/v1") is None) is expected


def test_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://me:p%40ss@proxy.example")
    found = proxy_for("https://a.example")
    assert found is not None
    assert (found.host, found.port, found.headers) == (
        "proxy.example",
        80,
        {"Proxy-Authorization": "Basic bWU6cEBzcw=="},
    )
    assert "bWU6" not in repr(found)


@pytest.mark.parametrize("address", ["socks5://proxy.example:1080", "https://proxy.example", "http://"])
def test_other_kinds_are_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("http_proxy", address)
    with pytest.raises(DragomanError, match="http:// proxies only"):
        proxy_for("http://a.example")
