"""The configuration file: what `Client` may be told by keyword, in TOML, for code, command line and server alike.

A JSON file holds the same keys, or is a configuration list as AutoGen's users have it.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman.core.choices import SENDERS
from dragoman.core.configtables import ConfigDocument, ConfigTable, kind_of
from dragoman.core.entries import known_keys, read_entries
from dragoman.core.errors import ConfigError, DragomanError
from dragoman.core.jsonlines import find_json_lines
from dragoman.core.plugins import plugins
from dragoman.core.policy import POLICIES
from dragoman.core.routing import Router
from dragoman.core.tomllines import find_lines

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    from dragoman.core.provider import Json, Provider
    from dragoman.core.tomllines import Keys

#: Tables that a plugin reads -> what brings it.
ELSEWHERE = {"batch": "dragoman-batch", "server": "dragoman-server"}
#: Formats that a plugin reads.
_YAML = frozenset({".yaml", ".yml"})
_WHERE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)")
#: What an entry's keys must be, where reading the entry does not find out; the SDK checks the rest of a request's.
_TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("api_key", "api_type", "base_url", "client_host", "organization", "project"), (str,)),
    **dict.fromkeys(("api_version", "azure_ad_token", "azure_deployment", "azure_endpoint"), (str,)),
    **dict.fromkeys(("frequency_penalty", "presence_penalty", "temperature", "top_p"), (float, int)),
    **dict.fromkeys(("max_completion_tokens", "max_tokens", "n", "seed", "top_logprobs"), (int,)),
    **dict.fromkeys(("reasoning_effort", "service_tier", "verbosity"), (str,)),
    **dict.fromkeys(("logprobs", "parallel_tool_calls", "store", "stream"), (bool,)),
    "stop": (str, list),
}


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A file that was read and is right. `client`: keyword arguments of `Client`. `root`: for plugins' own tables."""

    path: str
    client: Json = field(repr=False)
    root: ConfigTable


def load_config(path: str | os.PathLike[str]) -> ConfigFile:
    """Read a file. Raises `ConfigError`: the message names file, line and key, and quotes no value."""
    document = open_config(path)
    config = read_config(document)
    document.check()
    return config


def open_config(path: str | os.PathLike[str]) -> ConfigDocument:
    """Read a file's text: TOML, or JSON where its name says so. Raises `ConfigError`."""
    path = Path(path)
    if is_foreign(path):
        message = f"{path} is YAML: dragoman serve and dragoman config check of dragoman-server read it, this does not"
        raise ConfigError(message)
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as cause:
        reason = getattr(cause, "strerror", None) or "it is not UTF-8 text"
        message = f"{path} cannot be read: {reason}"
        raise ConfigError(message) from cause
    return _from_json(str(path), text) if path.suffix == ".json" or _is_list(text) else _from_toml(str(path), text)


def is_foreign(path: str | os.PathLike[str]) -> bool:
    """Whether only a plugin reads files of this format."""
    return Path(path).suffix in _YAML


def _is_list(text: str) -> bool:
    """Whether it is AutoGen's OAI_CONFIG_LIST, which has no suffix: no TOML begins so and is more than a header."""
    return bool(re.match(r"\s*\[\s*\{", text))


def _from_toml(path: str, text: str) -> ConfigDocument:
    try:
        return ConfigDocument(path, tomllib.loads(text), find_lines(text))
    except tomllib.TOMLDecodeError as cause:
        said = str(cause)
        found = _WHERE.search(said)
        line = (found and found[1]) or text.count("\n") + 1
        message = f"{path}:{line}: is not TOML: {_WHERE.sub('', said)}"
    # The text holds keys, and newer Pythons' exceptions keep it.
    raise ConfigError(message)


def _from_json(path: str, text: str) -> ConfigDocument:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as cause:
        message = f"{path}:{cause.lineno}: is not JSON: {cause.msg}"
    else:
        root: Keys = ("config_list",) if isinstance(data, list) else ()
        lines, twice = find_json_lines(text, root)
        data = {"config_list": data} if isinstance(data, list) else data
        if isinstance(data, dict):
            document = ConfigDocument(path, data, lines)
            for keys in twice:
                document.fault(keys, "is there twice")
            return document
        message = f"{path}:1: must hold a table or a list of models, not {kind_of(data)}"
    raise ConfigError(message)


def read_config(document: ConfigDocument, others: Iterable[str] = ELSEWHERE) -> ConfigFile:
    """Read core's part of a document; the keys in `others` are somebody else's. Faults stay in the document."""
    root = document.root
    client: Json = {
        "default_provider": root.text("default_provider") or "openai",
        "on_unsupported": root.choice("on_unsupported", POLICIES),
        "sender": root.choice("sender", SENDERS),
        "timeout": root.number("timeout"),
        "max_retries": root.integer("max_retries"),
        "providers": _providers(root.table("providers")),
        "aliases": _texts(root.table("aliases")),
    }
    models = root.table("models").named()
    listed = [_entry(table, name) for name, tables in models.items() for table in tables]
    listed += [_entry(table) for table in root.tables("config_list")]
    client["config_list"] = [entry for entry in listed if entry] or None
    client["fallbacks"] = _fallbacks(root.table("fallbacks"))
    _check_names(root, client, models)
    root.end(others)
    return ConfigFile(document.path, {key: value for key, value in client.items() if value is not None}, root)


def _providers(table: ConfigTable) -> list[Provider]:
    router = Router(plugins())
    found = []
    for name, tables in table.named().items():
        if len(tables) != 1:
            table.fault(name, "must be one table")
            continue
        one = tables[0]
        if not name or "/" in name or ":" in name:
            table.fault(name, "cannot be a name: models are called NAME/MODEL")
            continue
        kind = one.text("api_type") or name
        options: Json = {key: value for key in ("api_key", "base_url") if (value := one.text(key)) is not None}
        if (sender := one.choice("sender", SENDERS)) is not None:
            options["sender"] = sender
        sdk = one.table("options")
        options.update({key: sdk.text(key) if isinstance(value, str) else value for key, value in sdk.values.items()})
        one.end()
        try:
            found.append(router.fresh(kind, {**options, "name": name}))
        except DragomanError as error:
            one.fault("api_type" if "api_type" in one.values else "", str(error))
        except (TypeError, ValueError) as error:
            one.fault("", f"does not suit {kind}: {type(error).__name__}")
    return found


def _entry(table: ConfigTable, name: str = "") -> Json:
    """Check an entry of a list; it is read for good when a client is made."""
    given = {key: table.at_home(value) if isinstance(value, str) else value for key, value in table.values.items()}
    table.end(known_keys(), "what only its provider knows belongs into extra_body")
    known = known_keys() - {"model_client_cls"}
    if "model_client_cls" in given:
        table.fault("model_client_cls", "is code, which a file cannot hold; give it to Client(config_list=…)")
    if name and "name" in given:
        table.fault("name", f"is the table's already: {name}")
    for key in given.keys() & _TYPES.keys():
        if not _fits(given[key], _TYPES[key]):
            table.fault(key, f"must be {_or(_TYPES[key])}, not {kind_of(given.pop(key))}")
    given = {key: value for key, value in given.items() if key in known} | ({"name": name} if name else {})
    sound = dict(given)
    while "model" in sound:
        try:
            read_entries([sound])
            break
        except ConfigError as error:
            # Each says what is wrong first.
            table.fault(error.key, error.said.removeprefix(f"{error.key} "))
            del sound[error.key]
    if "model" not in given:
        table.fault("model", "is missing; give it the name of one")
    return given


def _fits(value: Any, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool))


def _or(kinds: tuple[type, ...]) -> str:
    names = {bool: "true or false", float: "a number", int: "a number", list: "a list", str: "a text"}
    return " or ".join(dict.fromkeys(names[kind] for kind in kinds))


def _texts(table: ConfigTable) -> dict[str, str]:
    return {name: found for name in table.values if (found := table.text(name))}


def _fallbacks(table: ConfigTable) -> dict[str, tuple[str, ...]]:
    found = {name: table.texts(name) for name in table.values}
    for name, others in found.items():
        if name in others:
            table.fault(name, "answers for itself")
    return found


def _check_names(root: ConfigTable, client: Json, models: Mapping[str, Any]) -> None:
    """Find names that are there twice or mean nothing."""
    aliases = root.table("aliases")
    named = {*models, *(entry.get("name") for entry in client["config_list"] or ())}
    for name, target in client["aliases"].items():
        if name in named:
            aliases.fault(name, "is the name of a model too")
        if target in client["aliases"]:
            aliases.fault(name, "leads to another alias; name the model itself")
    if "" in models:
        root.document.fault(("models", ""), "needs a name: [models.NAME]")
    own = {provider.name for provider in client["providers"]}
    default = client["default_provider"]
    if default not in own | {"openai"} and "default_provider" in root.values:
        try:
            plugins().provider(default)
        except DragomanError as error:
            root.fault("default_provider", str(error))
