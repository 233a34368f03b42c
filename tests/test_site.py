"""The site that `nox -s docs` has built: whole, without dead ends, and readable without a network."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
SITE = ROOT / "site"
#: Attributes of tags that make a browser fetch something when it shows a page.
FETCHED = {"img": "src", "link": "href", "script": "src", "source": "src", "iframe": "src"}
#: Markdown that the site's dialect has not understood.
LEFT_OVER = re.compile(r"```|<p>(?:[-*] |\d+\. |\|)|--8&lt;--|\]\([\w./#-]+\)")


@dataclass
class Page(HTMLParser):
    """What a page links to, fetches, and can be linked to at."""

    links: set[str] = field(default_factory=set)
    fetched: set[str] = field(default_factory=set)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        if tag in FETCHED and FETCHED[tag] in given and given.get("rel") != "canonical":
            self.fetched.add(given[FETCHED[tag]])


@cache
def read(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text("utf-8"))
    return page


def built() -> list[Path]:
    return sorted(path for path in SITE.rglob("*.html") if path.name != "404.html")


@pytest.fixture(scope="module", autouse=True)
def site() -> None:
    if not SITE.is_dir():
        pytest.skip("the site is not built: nox -s docs")


def named(entries: list[dict[str, object]]) -> Iterator[str]:
    """The pages of the navigation, in its order."""
    for entry in entries:
        for place in entry.values():
            if isinstance(place, list):
                yield from named(place)
            else:
                yield str(place)


def test_the_navigation_has_every_page_once() -> None:
    settings = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]
    assert sorted(named(settings["nav"])) == sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))


def test_every_package_has_a_page() -> None:
    packages = {path.parent.name for path in ROOT.glob("plugins/*/README.md")}
    assert packages == {path.stem for path in (DOCS / "providers").glob("*.md")}


def test_every_page_is_built() -> None:
    wanted = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")}
    assert wanted == {path.relative_to(SITE) for path in built()}


@pytest.mark.parametrize("path", built(), ids=lambda path: str(path.relative_to(SITE)))
def test_links_lead_somewhere(path: Path) -> None:
    lost = []
    for link in read(path).links | read(path).fetched:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if target.is_dir():
            target /= "index.html"
        anchored = target.suffix != ".html" or not parts.fragment or unquote(parts.fragment) in read(target).anchors
        if not target.is_relative_to(SITE) or not target.is_file() or not anchored:
            lost.append(link)
    assert not lost, f"links that lead nowhere: {sorted(lost)}"


@pytest.mark.parametrize("path", built(), ids=lambda path: str(path.relative_to(SITE)))
def test_nothing_is_fetched_from_elsewhere(path: Path) -> None:
    elsewhere = {link for link in read(path).fetched if urlsplit(link).netloc}
    assert not elsewhere


def test_styles_fetch_nothing_from_elsewhere() -> None:
    sheets = sorted(SITE.rglob("*.css"))
    assert sheets
    for sheet in sheets:
        assert not re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//[^)\"']*", sheet.read_text("utf-8")), sheet


@pytest.mark.parametrize("path", built(), ids=lambda path: str(path.relative_to(SITE)))
def test_all_markdown_is_understood(path: Path) -> None:
    article = path.read_text("utf-8").partition("<article")[2].partition("</article>")[0]
    prose = re.sub(r"(?s)<(code|pre)\b.*?</\1>", "", article)
    assert prose
    assert not LEFT_OVER.findall(prose)
