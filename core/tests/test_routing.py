"""Model name -> provider: prefixes, aliases, instances, and messages for names that lead nowhere."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from dragoman.core import DragomanError, MissingKey, PluginError, Provider, UnknownProvider
from dragoman.core.routing import Router

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core.plugins import Plugins

CODE = """
from dragoman.core import Provider
class Acme(Provider):
    name = "acme"
"""


class Local(Provider):
    name = "local"


@pytest.fixture
def acme(install: Callable[..., Plugins]) -> Plugins:
    return install("acme-llm", "dragoman.providers:acme=acme_llm:Acme", code=CODE)


def route(router: Router, model: str) -> tuple[str, str]:
    provider, name = router.route(model)
    return provider.name, name


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("acme/big", ("acme", "big")),
        ("acme:big", ("acme", "big")),
        ("acme/meta/llama:7b", ("acme", "meta/llama:7b")),
        ("one/x", ("one", "x")),
        ("two:x", ("two", "x")),
        ("meta/llama", ("one", "meta/llama")),
        ("llama:7b", ("one", "llama:7b")),
        ("plain", ("one", "plain")),
        ("acme/", ("one", "acme/")),
        ("/x", ("one", "/x")),
        ("fast", ("acme", "small")),
        ("acme/a\nb", ("acme", "a\nb")),
    ],
)
def test_names(acme: Plugins, model: str, expected: tuple[str, str]) -> None:
    providers = [Local(name="one", base_url="http://a/"), Local(name="two", base_url="http://b")]
    router = Router(acme, "one", providers=providers, aliases={"fast": "acme/small"})
    assert route(router, model) == expected
    assert router.provider("one") is providers[0]


def test_an_instance_is_made_once(acme: Plugins) -> None:
    router = Router(acme, "acme", {"base_url": "http://x", "api_key": "k"})
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(router.provider("acme"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1
    assert (found[0].base_url, found[0].api_key) == ("http://x", "k")


def test_options_are_the_default_providers_alone(acme: Plugins) -> None:
    router = Router(acme, "openai", {"base_url": "http://x", "api_key": "k"})
    assert router.provider("acme").api_key is None
    assert router.provider("openai").api_key == "k"
    assert "k'" not in repr(router)


def test_any_compatible_endpoint_needs_no_plugin(acme: Plugins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env")
    given = Router(acme, "openai", {"base_url": "http://x/v1/"})
    assert (given.route("org/model")[1], given.provider("openai").base_url) == ("org/model", "http://x/v1")
    assert given.provider("openai").api_key == "sk-env"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://env/v1")
    found = Router(acme)
    assert (found.route("org/model")[1], found.provider("openai").base_url) == ("org/model", "http://env/v1")


def test_openai_itself_is_a_plugin(acme: Plugins) -> None:
    with pytest.raises(UnknownProvider, match="pip install dragoman-openai"):
        Router(acme).route("gpt-9")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("anthropic/claude", r"'anthropic' \(installed: acme\); pip install dragoman-anthropic"),
        ("nobody/x", "'nobody' .*check the name"),
        ("hf:org/x", "'hf' .*check the name"),
    ],
)
def test_a_provider_that_is_not_there(acme: Plugins, model: str, said: str) -> None:
    with pytest.raises(UnknownProvider, match=said):
        Router(acme).route(model)


def test_a_configured_openai_takes_names_with_slashes(acme: Plugins) -> None:
    assert route(Router(acme, providers=[Provider(base_url="http://x")]), "org/x") == ("openai", "org/x")


def test_a_provider_that_cannot_be_made_names_its_distribution(install: Callable[..., Plugins]) -> None:
    code = """
        from dragoman.core import MissingKey, Provider

        class Acme(Provider):
            def __init__(self, *, region="", **options):
                if region:
                    raise MissingKey("no key for " + region)
                raise KeyError("region")
    """
    found = install("acme-llm", "dragoman.providers:acme=acme_llm:Acme", code=code)
    said = r"^the provider 'acme' of acme-llm 1\.0 cannot be made: KeyError: 'region'; {}upgrade it \(pip "
    with pytest.raises(PluginError, match=said.format("")) as caught:
        Router(found).provider("acme")
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(PluginError, match=said.format("check its base_url, or ")):
        Router(found).fresh("acme", {"base_url": "http://127.0.0.1:1"})
    with pytest.raises(MissingKey, match=r"^no key for north$"):
        Router(found).fresh("acme", {"region": "north"})


def test_two_of_one_name(acme: Plugins) -> None:
    with pytest.raises(PluginError, match="two providers are called 'local'"):
        Router(acme, providers=[Local(), Local()])


def test_a_key_that_would_be_ignored(acme: Plugins) -> None:
    with pytest.raises(DragomanError, match="give it api_key there"):
        Router(acme, "local", {"api_key": "k"}, providers=[Local()])


def test_all_names(install: Callable[..., Plugins], monkeypatch: pytest.MonkeyPatch) -> None:
    install("acme-llm", "dragoman.providers:acme=acme_llm:Acme", code=CODE)
    found = install("other-llm", "dragoman.providers:other=other_llm:Acme", code=CODE)
    monkeypatch.setenv("DRAGOMAN_PLUGINS", "no:other")
    assert Router(found, "openai", providers=[Local()]).names() == ["openai", "local", "acme"]


def test_through_a_client(road: Any, server: Any, provider: Provider) -> None:
    second = Local(name="gpu2", base_url=f"{server.origin}/two")
    road.make(provider, providers=[second], aliases={"best": "gpu2/x"})
    for model in ("gpu2/a", "gpu2:b", "best", "here/c", "d/e"):
        road.create(model=model)
    assert [(seen.path.partition("/chat")[0], seen.json["model"]) for seen in server.requests] == [
        ("/two", "a"),
        ("/two", "b"),
        ("/two", "x"),
        ("/v1", "c"),
        ("/v1", "d/e"),
    ]
