"""The page's files as a browser gets them; what it does in a browser is tried in `tests/servers/page`."""

from __future__ import annotations

import re
from typing import Any

import pytest
from server_lab import KEY

from dragoman.core.errors import httpx
from dragoman.server.keys import Key, hash_key

WAIT = 60


def get(server: Any, path: str, **headers: str) -> Any:
    found = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.get(f"http://127.0.0.1:{server.port}{path}", headers=found, timeout=WAIT, trust_env=False)


def test_the_page_is_served_with_a_strict_policy(server: Any) -> None:
    page = get(server, "/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(rule.split(" ", 1) for rule in page.headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self' data: blob:",
        "form-action": "'none'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "no-referrer"


def test_all_it_needs_comes_from_the_server(server: Any) -> None:
    kinds = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
    waiting, seen = [""], set()
    while waiting:
        name = waiting.pop()
        answer = get(server, f"/{name}")
        assert answer.status_code == 200, name
        assert answer.headers["x-content-type-options"] == "nosniff"
        if name:
            assert answer.headers["content-type"] == kinds[name.rpartition(".")[2]]
        named = re.findall(r'(?:src|href)="(page/[^"]+)"', answer.text)
        named += [f"page/{found}" for found in re.findall(r'from "\./([^"]+)"', answer.text)]
        waiting += [found for found in named if found not in seen]
        seen.update(named)
        assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", answer.text) == []
        assert (
            re.search(r"<script(?! type=\"module\" src=)|<style|style=|\bon\w+=\"|innerHTML|eval\(", answer.text)
            is None
        )
    assert len(seen) > 8


def test_what_the_browser_has_is_not_sent_again(server: Any) -> None:
    tag = get(server, "/page/main.js").headers["etag"]
    again = get(server, "/page/main.js", if_none_match=f'"other", W/{tag}')
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert get(server, "/page/main.js", if_none_match='"other"').status_code == 200


@pytest.mark.parametrize(
    "path", ["/page/__init__.py", "/page/..%2Fapp.py", "/page/%2e%2e/app.py", "/page/x.js", "/page/"]
)
def test_nothing_else_is_a_file(server: Any, path: str) -> None:
    assert get(server, path).status_code == 404


def test_it_is_told_its_bounds_and_no_secret(serve: Any) -> None:
    key = Key("me", hash_key("k" * 40))
    told = get(serve(keys=(key,), max_body_bytes=5000), "/page/settings.json")
    assert told.json().items() >= {"needs_key": True, "max_body_bytes": 5000, "shows_wires": False}.items()
    assert get(serve(), "/page/settings.json").json()["shows_wires"] is True
    assert key.hash not in told.text
    assert KEY not in told.text


@pytest.mark.parametrize("path", ["/", "/page/main.js", "/page/settings.json"])
def test_it_can_be_switched_off(serve: Any, path: str) -> None:
    assert get(serve(page=False), path).status_code == 404
