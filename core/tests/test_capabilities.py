"""What is known of a provider: the file beside its class, and the way there from a model's name."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

import dragoman.core.plugins
from dragoman.core import (
    FEATURES,
    AsyncClient,
    Capabilities,
    Capability,
    Client,
    FunctionProvider,
    PluginError,
    Provider,
    UnknownProvider,
    capabilities_of,
    capability_file,
    stand_in,
)
from dragoman.core.capabilities import common

if TYPE_CHECKING:
    from pathlib import Path

CODE = """
from dragoman.core import Provider

class Acme(Provider):
    name = "acme"

class Other(Provider):
    name = "other"
"""
TOLD = {"Acme": {"tools": {"value": "yes"}, "seed": {"value": "no", "note": "acme rolls its own dice"}}}


def put(folder: Path, path: str, text: Any) -> Path:
    place = folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text if isinstance(text, str) else json.dumps(text), "utf-8")
    return place


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that imports a module, with its files on disk, and returns its class `Acme`."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = {*sys.modules}

    def load(module: str, **files: Any) -> Any:
        for path, text in files.items():
            put(tmp_path, path, text)
        importlib.invalidate_caches()
        return importlib.import_module(module).Acme

    yield load
    for name in {*sys.modules} - before:
        if "acme" in name:
            del sys.modules[name]


LAYOUTS = {
    "a module that stands alone": ("acme_alone", {"acme_alone.py": CODE}, "acme_alone.capabilities.json"),
    "a package": ("acme_package", {"acme_package/__init__.py": CODE}, "acme_package/capabilities.json"),
    "a module in a package": (
        "acme_two.provider",
        {"acme_two/__init__.py": "", "acme_two/provider.py": CODE},
        "acme_two/capabilities.json",
    ),
    "a module in the namespace": (
        "dragoman.acme_near",
        {"dragoman/acme_near.py": CODE},
        "dragoman/acme_near.capabilities.json",
    ),
}


@pytest.mark.parametrize(("module", "files", "file"), LAYOUTS.values(), ids=LAYOUTS)
def test_a_file_stands_beside_the_class(acme: Any, tmp_path: Path, module: str, files: Any, file: str) -> None:
    found = acme(module, **files)
    assert capability_file(found) == tmp_path / file
    assert not any(capabilities_of(found).values())
    put(tmp_path, file, TOLD)
    known = capabilities_of(found)
    assert (known["tools"], known["seed"]) == (Capability("yes"), Capability("no", "acme rolls its own dice"))
    assert {name for name in FEATURES if known[name].value != "unknown"} == {"tools", "seed"}


def test_a_file_in_a_zip_is_read(acme: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "acme.zip", "w") as packed:
        packed.writestr("acme_zipped/__init__.py", CODE)
        packed.writestr("acme_zipped/capabilities.json", json.dumps(TOLD))
    monkeypatch.syspath_prepend(str(tmp_path / "acme.zip"))
    assert capabilities_of(acme("acme_zipped"))["tools"]


def test_unknown_stays_unknown(acme: Any, tmp_path: Path) -> None:
    found = acme("acme_alone", **{"acme_alone.py": CODE, "acme_alone.capabilities.json": TOLD})
    other: Any = sys.modules["acme_alone"].Other
    assert capabilities_of(other)["tools"] == Capability("unknown")
    # A subclass may do everything otherwise, and its own file says nothing.
    assert capabilities_of(type("Acme", (found,), {"__module__": __name__}))["tools"].value == "unknown"
    assert capabilities_of(Provider)["chat"].value == "unknown"
    assert capability_file(type("Typed", (Provider,), {"__module__": "__main__.typed"})) is None


def test_what_a_newer_version_tells_is_passed_over(acme: Any) -> None:
    newer = {"Acme": {"telepathy": {"value": "yes"}, "seed": {"value": "sometimes"}, "n": {"value": "yes", "since": 2}}}
    known = capabilities_of(acme("acme_alone", **{"acme_alone.py": CODE, "acme_alone.capabilities.json": newer}))
    assert [name for name in known if known[name].value != "unknown"] == ["n"]


@pytest.mark.parametrize("broken", ["", "[]", '{"Acme": []}', '{"Acme": {"n": {}}}', '{"Acme": {"n": "yes"}}'])
def test_a_broken_file_is_told(acme: Any, broken: str) -> None:
    found = acme("acme_alone", **{"acme_alone.py": CODE, "acme_alone.capabilities.json": broken})
    with pytest.raises(PluginError, match=r"acme_alone\.capabilities\.json is no capability file: .*reinstall"):
        capabilities_of(found)


def test_a_view_of_all_features() -> None:
    known = Capabilities({"n": Capability("adapted", "one after the other")})
    assert tuple(known) == FEATURES
    assert len(known) == len(FEATURES)
    assert (bool(known["n"]), bool(known["seed"]), bool(Capability("yes"))) == (False, False, True)
    assert (str(known["n"]), str(known["seed"])) == ("adapted (one after the other)", "unknown")
    assert repr(known) == "<Capabilities n=adapted>"
    with pytest.raises(KeyError, match="'tool' is no feature; they are: chat, "):
        known["tool"]
    with pytest.raises(KeyError, match="'tool' is no feature"):
        known.but(tool=Capability("no"))
    assert known.but(n=Capability("no"))["n"].value == "no"
    with pytest.raises(AttributeError):
        known["n"].value = "yes"  # type: ignore[misc]  # that it cannot be set is the test


def test_several_have_what_the_poorest_has() -> None:
    yes, adapted, no = Capability("yes"), Capability("adapted", "so"), Capability("no", "why")
    one = Capabilities({"n": yes, "seed": yes, "stop": yes, "tools": yes, "images": adapted})
    two = Capabilities({"n": yes, "seed": adapted, "stop": no, "images": no})
    both = common([one, two])
    assert [both[name] for name in ("n", "seed", "stop", "tools", "images")] == [yes, adapted, no, Capability(), no]
    assert not any(common([]).values())


class Rich(FunctionProvider):
    def narrow_capabilities(self, shown: Capabilities) -> Capabilities:
        return shown.but(tools=Capability("yes"), seed=Capability("yes"))


class Poor(FunctionProvider):
    def narrow_capabilities(self, shown: Capabilities) -> Capabilities:
        return shown.but(tools=Capability("yes"), seed=Capability("no", "no dice"))


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_model_is_found_as_in_a_request(kind: Any) -> None:
    client = kind(
        default_provider="poor",
        providers=[Rich(str, name="rich"), Poor(str, name="poor")],
        aliases={"fast": "rich/quick"},
    )
    assert [client.capabilities(model)["seed"].value for model in ("rich/x", "fast", "x")] == ["yes", "yes", "no"]
    assert client.with_options(timeout=1).capabilities("fast")["seed"]


def test_a_list_has_what_all_its_entries_have(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
    from dragoman.core import Capability, Provider

    class Rich(Provider):
        def narrow_capabilities(self, shown):
            return shown.but(tools=Capability("yes"), seed=Capability("yes"))

    class Poor(Provider):
        def narrow_capabilities(self, shown):
            return shown.but(tools=Capability("yes"), seed=Capability("no"))
    """
    found = install("listed", "dragoman.providers:rich=listed:Rich\npoor=listed:Poor", code=code)
    monkeypatch.setattr(dragoman.core.plugins, "_installed", found)
    client = Client(config_list=[{"model": "rich/a"}, {"model": "poor/b", "api_key": "k"}])
    assert [client.capabilities(model)["seed"].value for model in ("", "rich/a", "poor/b")] == ["no", "yes", "no"]
    assert client.capabilities("")["tools"]


def test_who_is_not_there_is_told() -> None:
    with pytest.raises(UnknownProvider, match="no installed plugin offers the provider 'nobody-has-this'"):
        Client().capabilities("nobody-has-this/x")


def test_who_stands_in_is_asked() -> None:
    with stand_in(lambda name, _: Rich(str, name=name)):
        assert Client().capabilities("nobody-has-this/x")["tools"]


def test_providers_are_imported_when_they_are_asked_for(install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    code = CODE + "\nprint('imported', __name__)\n"
    install("acme-first", "dragoman.providers:first=acme_first:Acme", code=code)
    found = install("acme-second", "dragoman.providers:second=acme_second:Acme", code=code)
    monkeypatch.setenv("PYTHONPATH", ":".join(found._path or ()))
    script = "from dragoman.core import Client; print(Client().capabilities('second/x')['chat'])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: S603 (ours)
    assert done.stdout.split("\n")[:2] == ["imported acme_second", "unknown"]
