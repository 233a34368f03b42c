"""The configuration file: each key at work, each mistake with its line, no value in a message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openai
import pytest

from dragoman.core import AsyncClient, Client, ConfigError, DragomanWarning, load_config
from dragoman.core.configtables import ConfigDocument, dotted

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "sk-secret-of-this-test"
HELLO: Any = [{"role": "user", "content": "Hi!"}]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "dragoman.toml"


def faults(file: Path, text: str) -> list[str]:
    """What is wrong with a text, without the file's name."""
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert SECRET not in "".join((str(caught.value), *caught.value.faults))
    return [fault.removeprefix(f"{file}:") for fault in caught.value.faults]


def test_each_key_arrives(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    (file.parent / "key").write_text(f"{SECRET}\n", "utf-8")
    file.write_text(
        """
default_provider = "here"
on_unsupported = "warn"
timeout = 30
max_retries = 1
[aliases]
fast = "smart"
[providers.here]
api_type = "openai"
base_url = "http://127.0.0.1:9/v1"
api_key = "env:MY_KEY"
options.organization = "org"
[models.smart]
model = "here/a"
price = [0.1, 0.2]
[[models.two]]
model = "b"
base_url = "http://127.0.0.1:9/v1"
api_key = "file:key"
[[models.two]]
model = "c"
temperature = 0.5
extra_headers = { x-team = "env:MY_KEY" }
[[config_list]]
model = "d"
[fallbacks]
smart = ["two", "e"]
[server]
port = 1
""",
        "utf-8",
    )
    client = load_config(file).client
    (provider,) = client.pop("providers")
    assert (provider.name, provider.base_url, provider.api_key) == ("here", "http://127.0.0.1:9/v1", SECRET)
    assert provider.sdk_options == {"organization": "org"}
    assert client.pop("config_list") == [
        {"model": "here/a", "price": [0.1, 0.2], "name": "smart"},
        {
            "model": "b",
            "base_url": "http://127.0.0.1:9/v1",
            "api_key": f"file:{file.parent / 'key'}",
            "name": "two",
        },
        {"model": "c", "temperature": 0.5, "extra_headers": {"x-team": "env:MY_KEY"}, "name": "two"},
        {"model": "d"},
    ]
    assert client == {
        "default_provider": "here",
        "on_unsupported": "warn",
        "timeout": 30,
        "max_retries": 1,
        "aliases": {"fast": "smart"},
        "fallbacks": {"smart": ("two", "e")},
    }


def test_a_client_of_a_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    (file.parent / "key").write_text(SECRET, "utf-8")
    file.write_text(
        "timeout = 30\n[models.a]\nmodel = 'openai/x'\napi_key = 'file:key'\nbase_url = 'http://127.0.0.1:9/v1'\n"
        "extra_headers = { x-team = 'env:MY_KEY' }\ntags = ['one']\n[models.b]\nmodel = 'openai/y'\n",
        "utf-8",
    )
    monkeypatch.chdir(file.parent.parent)
    for kind in (Client, AsyncClient):
        client = kind.from_config(file, max_retries=0)
        assert isinstance(client, kind)
        assert (client.timeout, client.max_retries) == (30, 0)
        config = client._dispatcher.config
        assert config is not None
        assert config.entries[0].options["api_key"] == SECRET
        assert config.entries[0].headers == {"x-team": SECRET}
        tagged = kind.from_config(str(file), tags=["one", "two"])._dispatcher.config
        assert tagged is not None
        assert [entry.name for entry in tagged.entries] == ["a"]
    with pytest.raises(ConfigError, match="no model has one of the tags two"):
        Client.from_config(file, tags=["two"])


def test_names_of_a_file_are_answered_and_listed(file: Path) -> None:
    file.write_text(
        "[aliases]\nquick = 'smart'\n[[models.smart]]\nmodel = 'llamacpp/no-such-file.gguf'\n"
        "[[models.smart]]\nmodel = 'llamacpp/demo'\n[models.gone]\nmodel = 'llamacpp/no-such-file.gguf'\n"
        "[fallbacks]\ngone = ['quick']\n'plain/name' = ['llamacpp/demo']\n",
        "utf-8",
    )
    pytest.importorskip("dragoman.llamacpp")
    with Client.from_config(file) as client:
        for model in ("smart", "quick", "gone", "plain/name"):
            with pytest.warns(DragomanWarning, match="going on with"):
                answer = client.chat.completions.create(model=model, messages=HELLO)
            assert answer.choices[0].message.content
        listed = [model.id for model in client.models.list()]
        assert listed[:3] == ["smart", "gone", "quick"]
        assert client.models.retrieve("smart").owned_by == "dragoman"
        with pytest.raises(openai.OpenAIError):
            client.chat.completions.create(model="llamacpp/no-such-file.gguf", messages=HELLO)


MISTAKES = {
    'timeout = "soon"': "1: timeout: must be a number, not a text",
    "timeout = 0": "1: timeout: must be above 0",
    "timeout = true": "1: timeout: must be a number, not true or false",
    "max_retries = 1.5": "1: max_retries: must be a whole number, not a number",
    "max_retries = -1": "1: max_retries: must be at least 0",
    'on_unsupported = "guess"': "1: on_unsupported: must be one of raise, warn, ignore, adapt",
    'default_provider = "no-such"': "1: default_provider: no installed plugin offers the provider 'no-such'",
    'default_provider = ""': "1: default_provider: is empty",
    "\ntiemout = 1": "2: tiemout: is unknown; did you mean timeout?",
    "models = 1": "1: models: must be a table, not a number",
    "[models]\na = 1": "2: models.a: must be a table, not a number",
    "[models]\na = []": "2: models.a: is empty",
    "[models]\na = [1]": "2: models.a[0]: must be a table, not a number",
    "[models.a]\ntags = []": "1: models.a.model: is missing; give it the name of one",
    "[models.a]\nmodel = ''": "2: models.a.model: has no model; give it the name of one",
    "[models.a]\nmodel = 'x'\nzzz = 1": "3: models.a.zzz: is unknown; what only its provider knows belongs",
    "[models.a]\nmodel = 'x'\nname = 'b'": "3: models.a.name: is the table's already: a",
    "[models.a]\nmodel = 'x'\nmodel_client_cls = 'b'": "3: models.a.model_client_cls: is code",
    "[models.a]\nmodel = 'x'\ntemperature = 'hot'": "3: models.a.temperature: must be a number, not a text",
    f"[models.a]\nmodel = 'x'\nmax_tokens = '{SECRET}'": "3: models.a.max_tokens: must be a number, not a text",
    "[models.a]\nmodel = 'x'\nstop = 1": "3: models.a.stop: must be a text or a list, not a number",
    "[models.a]\nmodel = 'x'\nprice = 'x'": "3: models.a.price: must be [prompt, completion]",
    "[models.a]\nmodel = 'x'\ntags = 'x'": "3: models.a.tags: must be a list of texts",
    "[models.a]\nmodel = 'x'\non_unsupported = 'x'": "3: models.a.on_unsupported: must be one of raise",
    "[models.a]\nmodel = 'x'\napi_rate_limit = 0": "3: models.a.api_rate_limit: must be a number of requests",
    "[models.a]\nmodel = 'x'\ntimeout = '30'": "3: models.a.timeout: must be a number of seconds, above 0",
    "[models.a]\nmodel = 'x'\ntimeout = nan": "3: models.a.timeout: must be a number of seconds, above 0",
    "[models.a]\nmodel = 'x'\nmax_retries = 1.0": "3: models.a.max_retries: must be a whole number, at least 0",
    "[models.a]\nmodel = 'x'\nextra_body = 1": "3: models.a.extra_body: must be an object, not int",
    "[models.a]\nmodel = 'x'\napi_key = 'env:NOT_SET_HERE'": "3: models.a.api_key: is in the environment variable NOT_",
    "[models.a]\nmodel = 'x'\napi_key = 'file:no-such'": "3: models.a.api_key: is in the file ",
    "[models.a]\nmodel = 'x'\nextra_headers.x = 'env:NOT_SET_HERE'": "3: models.a.extra_headers: is in the environment",
    '[[models."a b"]]\nmodel = "x"\n\n[[models."a b"]]\nmodel = 2': '5: models."a b"[1].model: has no model',
    "[[config_list]]\nmodel = 'x'\n[[config_list]]\nmodel = 'y'\nn = 'z'": "5: config_list[1].n: must be a number",
    "[models.'']\nmodel = 'x'": '1: models."": needs a name: [models.NAME]',
    "[aliases]\na = 1": "2: aliases.a: must be a text, not a number",
    "[aliases]\na = 'b'\n[models.a]\nmodel = 'x'": "2: aliases.a: is the name of a model too",
    "[aliases]\na = 'b'\nb = 'c'": "2: aliases.a: leads to another alias; name the model itself",
    "[fallbacks]\na = 'b'": "2: fallbacks.a: must be a list, not a text",
    "[fallbacks]\na = ['a']": "2: fallbacks.a: answers for itself",
    "[fallbacks]\na = [\n'b',\n3]": "4: fallbacks.a[1]: must be a text",
    "[providers.a]\napi_type = 'no-such'": "2: providers.a.api_type: no installed plugin offers the provider 'no-such'",
    "[providers.no-such]": "1: providers.no-such: no installed plugin offers the provider 'no-such'",
    "[[providers.openai]]\n[[providers.openai]]": "1: providers.openai: must be one table",
    "[providers.openai]\nbaseurl = 'x'\nbase_url = 'http://a'": "2: providers.openai.baseurl: is unknown",
    "[providers.openai]\nbase_url = 'http://a'\napi_key = 'env:NOT_SET_HERE'": "3: providers.openai.api_key: is in",
    "[providers.'a/b']\napi_type = 'openai'": '1: providers."a/b": cannot be a name',
}


@pytest.mark.parametrize("text", MISTAKES)
def test_each_mistake_is_told_with_its_line(text: str, file: Path) -> None:
    (fault,) = faults(file, text)
    assert fault.startswith(MISTAKES[text])


def test_all_mistakes_are_found_at_once(file: Path) -> None:
    assert faults(file, "[models.a]\nmodle = 'x'") == [
        "1: models.a.model: is missing; give it the name of one",
        "2: models.a.modle: is unknown; did you mean model?",
    ]
    text = "timeout = ''\n[models.a]\nmodel = 'x'\nprice = 'x'\ntags = 'x'\nnn = 1\n[aliases]\nb = 2"
    assert [fault.partition(":")[0] for fault in faults(file, text)] == ["1", "4", "5", "6", "8"]
    with pytest.raises(ConfigError, match=rf"{file}:1: timeout.*\(and 4 more: dragoman config check {file}\)"):
        load_config(file)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"a = 1\nb = '{SECRET}", "2: is not TOML: "),
        ("a = 1\n[a]\n", "2: is not TOML: "),
        ("a = 1\na = 2\n", "2: is not TOML: Cannot overwrite a value"),
        ("[models.a]\nmodel = 'x'\n[models.a]\n", "3: is not TOML: Cannot declare ('models', 'a') twice"),
        ("a = [\n1,\n", "3: is not TOML: "),
        (f"[{{'model': '{SECRET}'}}]", "1: is not JSON: "),
    ],
)
def test_what_cannot_be_read_at_all(text: str, said: str, file: Path) -> None:
    (fault,) = faults(file, text)
    assert fault.startswith(said)


def test_files_that_are_none(tmp_path: Path) -> None:
    for name, said in (("no-such.toml", "No such file"), (".", "Is a directory"), ("a.yaml", "a.yaml is YAML")):
        with pytest.raises(ConfigError, match=said):
            load_config(tmp_path / name)
    (tmp_path / "latin.toml").write_bytes("a = 'é'".encode("latin-1"))
    with pytest.raises(ConfigError, match="it is not UTF-8 text"):
        load_config(tmp_path / "latin.toml")


@pytest.mark.parametrize("name", ["OAI_CONFIG_LIST", "list.json"])
def test_a_list_as_autogens_users_have_it(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    entries = [{"model": "a", "api_key": SECRET, "tags": ["x"]}, {"model": "b"}]
    file.write_text(json.dumps(entries, indent=1), "utf-8")
    assert load_config(file).client["config_list"] == entries
    assert faults(file, '[\n {"model": "a"},\n {"model": "b",\n  "tags": 3}\n]') == [
        "4: config_list[1].tags: must be a list of texts"
    ]
    assert faults(file, '[{"model": "a",\n"model": "b"}]') == ["2: config_list[0].model: is there twice"]


def test_json_may_say_all_that_toml_says(tmp_path: Path) -> None:
    file = tmp_path / "dragoman.json"
    file.write_text('{"timeout": 3, "models": {"a": {"model": "x"}}}', "utf-8")
    assert load_config(file).client["config_list"] == [{"model": "x", "name": "a"}]
    assert faults(file, "3") == ["1: must hold a table or a list of models, not a number"]
    assert faults(file, '{"timeout":\n"x"}') == ["1: timeout: must be a number, not a text"]


def test_keys_are_written_as_they_are_in_the_file() -> None:
    assert dotted(("a", 0, "b c", 'd"e', "f")) == 'a[0]."b c"."d\\"e".f'
    assert dotted(()) == "the file"


def test_a_table_shows_no_value() -> None:
    document = ConfigDocument("f.toml", {"key": SECRET}, {})
    assert repr(document.root) == "<ConfigTable the file of f.toml>"
