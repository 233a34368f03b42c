"""Where Ollama is, in all forms in which people write it."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.core import InvalidRequest
from dragoman.ollama import Ollama
from dragoman.ollama.address import read_host


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1.2.3.4", "http://1.2.3.4:11434"),
        ("1.2.3.4:56789", "http://1.2.3.4:56789"),
        ("gpu-box", "http://gpu-box:11434"),
        ("GPU-Box:8080/", "http://gpu-box:8080"),
        ("localhost:0", "http://localhost:0"),
        (":56789", "http://127.0.0.1:56789"),
        (":", "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),  # noqa: S104 (an address to ask, not to listen at)
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        ("http://0.0.0.0:11434", "http://127.0.0.1:11434"),
        ("[::]:1234", "http://[::1]:1234"),
        ("::", "http://[::1]:11434"),
        ("::1", "http://[::1]:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("[0001:002:003:0004::1]:56789/path/", "http://[0001:002:003:0004::1]:56789/path"),
        ("https://[::1]:8080/v1", "https://[::1]:8080"),
        ("http://example.com", "http://example.com"),
        ("https://example.com", "https://example.com"),
        ("HTTPS://example.com:8443", "https://example.com:8443"),
        ("https://example.com/gate/ollama/", "https://example.com/gate/ollama"),
        ("example.com:8080/path", "http://example.com:8080/path"),
        ("example.com/path", "http://example.com:11434/path"),
        ("http://localhost:11434/v1", "http://localhost:11434"),
        ("http://localhost:11434/v1/", "http://localhost:11434"),
        ("http://localhost:11434/api/chat", "http://localhost:11434"),
        ("http://localhost:11434/v1/chat/completions", "http://localhost:11434"),
        ("https://example.com/ollama/api", "https://example.com/ollama"),
        ("https://example.com/myapi", "https://example.com/myapi"),
        ("https://ollama.com/api", "https://ollama.com"),
        ("ollama.com", "https://ollama.com"),
        ("ollama.com:8080", "http://ollama.com:8080"),
        ("http://user:p%40ss@box:1/x", "http://user:p%40ss@box:1/x"),
        ('  "gpu-box:1"  ', "http://gpu-box:1"),
    ],
)
def test_a_form_and_what_it_means(written: str, meant: str) -> None:
    assert read_host(written) == meant


@pytest.mark.parametrize("port", ["99999", "-1", "port", "1.5", "٣"])
def test_a_port_that_is_none(port: str) -> None:
    with pytest.raises(InvalidRequest, match="write host:port"):
        read_host(f"gpu-box:{port}")


hosts = st.from_regex(r"[a-z][a-z0-9-]{0,10}(\.[a-z]{2,5})?", fullmatch=True) | st.ip_addresses(v=4).map(str)
ports = st.none() | st.integers(0, 65535)
paths = st.lists(st.from_regex(r"[a-u]{1,3}[0-9]", fullmatch=True), max_size=3).map("/".join)
ends = st.sampled_from(["", "/", "/v1", "/v1/", "/api", "/api/chat", "/v1/chat/completions"])


@given(scheme=st.sampled_from(["", "http://", "https://"]), host=hosts, port=ports, path=paths, end=ends)
def test_every_form_is_read_once_and_for_all(scheme: str, host: str, port: int | None, path: str, end: str) -> None:
    if host in {"0.0.0.0", "ollama.com"}:  # noqa: S104 (a name, not a socket)
        return
    written = f"{scheme}{host}{'' if port is None else f':{port}'}{'/' if path else ''}{path}{end}"
    url = read_host(written)
    parts = urlsplit(url)
    assert parts.scheme == (scheme.removesuffix("://") or "http")
    assert parts.hostname == host
    assert parts.port == (port if port is not None or scheme else 11434)
    assert parts.path == (f"/{path}" if path else "")
    assert read_host(url) == url


@given(address=st.ip_addresses(v=6), port=ports, brackets=st.booleans())
def test_ipv6_with_and_without_brackets(address: object, port: int | None, brackets: bool) -> None:
    text = f"[{address}]" if brackets or port is not None else str(address)
    parts = urlsplit(read_host(text if port is None else f"{text}:{port}"))
    assert parts.hostname == ("::1" if str(address) == "::" else str(address))
    assert parts.port == (11434 if port is None else port)


@given(text=st.text(max_size=30))
def test_nonsense_is_read_or_refused(text: str) -> None:
    try:
        url = read_host(text)
    except InvalidRequest:
        return
    assert read_host(url) == url


def test_brackets_that_do_not_close() -> None:
    with pytest.raises(InvalidRequest, match="no URL"):
        read_host("[::1")


def test_the_environment_and_the_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Ollama().base_url == "http://127.0.0.1:11434"
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0:8080")
    assert Ollama().base_url == "http://127.0.0.1:8080"
    assert Ollama(base_url="https://gpu/v1").base_url == "https://gpu"
    monkeypatch.setenv("OLLAMA_HOST", "")
    assert Ollama().base_url == "http://127.0.0.1:11434"
