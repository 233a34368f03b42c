"""Which entry points are found, in which of several installations, and which the environment leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dragoman.core import DragomanWarning
from dragoman.core.offers import find_offers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dragoman.core.plugins import Plugins

    Install = Callable[..., Plugins]


def test_an_offer_says_where_it_comes_from(install: Install, tmp_path: Path) -> None:
    points = ("dragoman.providers:acme=acme_llm:Acme", "dragoman:spy=acme_llm", "console_scripts:acme=acme_llm:main")
    install("acme-llm", *points, code="Acme = 7", version="2.3")
    offers, problems = find_offers([str(tmp_path / "site")])
    assert [(offer.group, offer.name, offer.value, offer.origin) for offer in offers] == [
        ("dragoman.providers", "acme", "acme_llm:Acme", "acme-llm 2.3"),
        ("dragoman", "spy", "acme_llm", "acme-llm 2.3"),
    ]
    assert offers[0].load() == 7
    assert offers[1].load().Acme == 7
    assert problems == []


def test_a_third_partys_other_entry_points_are_not_ours(install: Install) -> None:
    found = install("acme-llm", "console_scripts:dragoman-acme=acme_llm:main")
    assert found.providers() == {}


def test_one_distribution_installed_twice_is_one_provider_and_the_first_on_the_path_wins(install: Install) -> None:
    point = "dragoman.providers:acme=acme_llm:Acme"
    install("Acme.LLM", point, version="1.0", folder="editable")
    found = install("acme-llm", point, version="2.0", folder="wheel")
    assert found.providers()["acme"].origin == "Acme.LLM 1.0"
    assert found.providers()["acme"].duplicates == ()


def test_an_older_installation_without_the_plugin_hides_a_newer_one_with_it(install: Install) -> None:
    install("acme-llm", "console_scripts:acme=acme_llm:main", version="1.0", folder="first")
    found = install("acme-llm", "dragoman.providers:acme=acme_llm:Acme", version="2.0", folder="second")
    assert found.providers() == {}


@pytest.mark.parametrize(
    ("selection", "allowed"),
    [
        (None, "abc"),
        ("a,b", "ab"),
        (" a , b ,", "ab"),
        ("", ""),
        (" , ", ""),
        ("no:a", "bc"),
        ("no:a,", "bc"),
        ("no:a, no:b", "c"),
        ("no:a,b", "b"),
        ("a,no:a", ""),
        ("nobody", ""),
        ("no:nobody", "abc"),
    ],
)
def test_the_environment_chooses(
    install: Install, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, selection: str | None, allowed: str
) -> None:
    for name in "abc":
        install(f"acme-{name}", f"dragoman.providers:{name}=x:X", f"dragoman:{name}=x")
    if selection is not None:
        monkeypatch.setenv("DRAGOMAN_PLUGINS", selection)
    offers, _ = find_offers([str(tmp_path / "site")])
    for group in ("dragoman.providers", "dragoman"):
        left = sorted(offer.name for offer in offers if offer.group == group and not offer.blocked)
        assert "".join(left) == allowed


def test_metadata_that_cannot_be_read_hurt_only_their_owner(install: Install, tmp_path: Path) -> None:
    install("acme-llm", "dragoman.providers:acme=acme_llm:Acme")
    found = install("bad-llm", "dragoman.providers:bad=bad_llm:Bad")
    (tmp_path / "site" / "bad_llm-1.0.dist-info" / "entry_points.txt").write_bytes(b"[dragoman.providers]\n\xff=\n")
    with pytest.warns(DragomanWarning, match=r"metadata of a plugin in .*site.*UnicodeDecodeError.*reinstall"):
        assert list(found.providers()) == ["acme"]
