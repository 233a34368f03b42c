"""LiteLLM's `config.yaml`, read as dragoman's own file; what cannot be taken over is told, line by line.

Its keys: https://docs.litellm.ai/docs/proxy/config_settings. Several deployments of one `model_name` become a list
whose first model answers; the others follow where it fails.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman.core import ConfigDocument, ConfigError
from dragoman.server.deployments import WORDS, Deployment, read_deployment
from dragoman.server.keys import hash_key

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from dragoman.core import Json

    Keys = tuple[str | int, ...]

_REFERENCE = re.compile(r"os\.environ/(\w+)")
#: What LiteLLM's settings are called in dragoman's file, each with its place there.
_TOP = {"num_retries": "max_retries", "request_timeout": "timeout", "timeout": "timeout"}
_SERVER = {"global_max_parallel_requests": "max_concurrency", "max_parallel_requests": "max_concurrency"}


def open_litellm(path: str | os.PathLike[str]) -> tuple[ConfigDocument, list[str]]:
    """Read a file; return it as a document of dragoman's, and what was left out or means something else there.

    Raises `ConfigError` for what is no YAML, or no configuration of LiteLLM's.
    """
    data, lines = _parsed(str(path))
    taken = _Translation(str(path), data, lines)
    taken.run()
    return ConfigDocument(str(path), taken.data, taken.lines), taken.remarks


def _parsed(path: str) -> tuple[Json, dict[Keys, int]]:
    import yaml

    try:
        loader = yaml.SafeLoader(Path(path).read_text("utf-8-sig"))
        node = loader.get_single_node()
        data = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as cause:
        line = cause.problem_mark.line + 1 if cause.problem_mark else 1
        message = f"{path}:{line}: is not YAML: {cause.problem}"
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as cause:
        message = f"{path} cannot be read: {getattr(cause, 'strerror', None) or type(cause).__name__}"
    else:
        if isinstance(data, dict) and isinstance(data.get("model_list"), list):
            return data, dict(_lines_of(node))
        message = f"{path}:1: has no list `model_list`, so it is no configuration of LiteLLM's"
    # The text holds keys, and the causes quote it.
    raise ConfigError(message)


def _lines_of(node: Any, keys: Keys = ()) -> Iterator[tuple[Keys, int]]:
    if node.id == "mapping":
        for key, value in node.value:
            inner = (*keys, str(key.value))
            yield inner, key.start_mark.line + 1
            yield from _lines_of(value, inner)
    elif node.id == "sequence":
        for number, value in enumerate(node.value):
            yield (*keys, number), value.start_mark.line + 1
            yield from _lines_of(value, (*keys, number))


class _Translation:
    """One file on its way; `data`, `lines` and `remarks` are the result."""

    def __init__(self, path: str, source: Json, lines: dict[Keys, int]) -> None:
        self.path, self.source, self._from = path, source, lines
        self.data: Json = {"models": {}, "providers": {}, "aliases": {}, "fallbacks": {}, "server": {}}
        self.lines: dict[Keys, int] = {}
        self.remarks: list[str] = []
        self._limits: dict[str, list[Json]] = {}

    def run(self) -> None:
        parts: dict[str, Callable[[Keys, Any], None]] = {
            "model_list": self._models,
            "litellm_settings": self._settings,
            "router_settings": self._settings,
            "general_settings": self._general,
        }
        for name, value in self.source.items():
            keys: Keys = (str(name),)
            if name not in parts:
                self.remark(keys, "is left out")
            elif name == "model_list" or isinstance(value, dict):
                parts[name](keys, value)
            elif value is not None:
                self.remark(keys, "is left out: it should be a mapping")

    def remark(self, keys: Keys, said: str) -> None:
        """Tell what becomes of a key, by its line."""
        line = next((self._from[keys[:end]] for end in range(len(keys), 0, -1) if keys[:end] in self._from), 1)
        text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
        self.remarks.append(f"{self.path}:{line}: {text}: {said}")

    def put(self, to: Keys, value: Any, source: Keys) -> None:
        """Put a value into dragoman's file, with the line it comes from."""
        place: Any = self.data
        for key in to[:-1]:
            place = place.setdefault(key, {}) if isinstance(place, dict) else place[key]
        place[to[-1]] = value
        self._mark(to, source)

    def _mark(self, to: Keys, source: Keys) -> None:
        line = next((self._from[source[:end]] for end in range(len(source), 0, -1) if source[:end] in self._from), 1)
        for end in range(1, len(to) + 1):
            self.lines.setdefault(to[:end], line)
        self.lines[to] = line

    def _models(self, keys: Keys, deployments: list[Any]) -> None:
        for number, given in enumerate(deployments):
            where: Keys = (*keys, number)
            name = given.get("model_name") if isinstance(given, dict) else None
            params = given.get("litellm_params") if isinstance(given, dict) else None
            if not isinstance(name, str) or not isinstance(params, dict) or not isinstance(params.get("model"), str):
                self.remark(where, "is left out: it wants model_name, and litellm_params with a model")
                continue
            found = read_deployment(name, {key: referenced(value) for key, value in params.items()})
            for key, said in found.remarks:
                self.remark((*where, "litellm_params", key), said)
            for key in sorted(given.keys() - {"model_name", "litellm_params", "model_info"}, key=str):
                self.remark((*where, str(key)), "is left out")
            self._information(where, given.get("model_info") or {}, found)
            self._place(where, name, found)
        for name, entries in self.data["models"].items():
            if len(entries) > 1:
                said = f"{name} has {len(entries)} deployments: the first one answers, the next where it fails"
                self.remark(keys, said)
        self._put_limits()

    def _information(self, where: Keys, info: Any, found: Deployment) -> None:
        for key, value in info.items() if isinstance(info, dict) else ():
            if key == "access_groups" and isinstance(value, list):
                found.entry["tags"] = [*found.entry.get("tags", []), *value]
            else:
                self.remark((*where, "model_info", str(key)), "is left out: dragoman asks the provider")

    def _place(self, where: Keys, name: str, found: Deployment) -> None:
        source = (*where, "litellm_params")
        if found.wildcard:
            self.put(("providers", name.removesuffix("/*")), found.entry, source)
            to: Keys = ("providers", name.removesuffix("/*"))
        elif "*" in name:
            self.remark(
                (*where, "model_name"), "is left out: only PROVIDER/* of the same provider's models is taken over"
            )
            return
        else:
            entries = self.data["models"].setdefault(name, [])
            entries.append(found.entry)
            to = ("models", name, len(entries) - 1)
            self._mark(to, where)
        for key in found.entry:
            self._mark((*to, key), (*source, found.sources.get(key, key)))
        self._limits.setdefault(name, []).append(found.limits)

    def _put_limits(self) -> None:
        """A name's limit is the sum of its deployments', if each has one."""
        for name, several in self._limits.items():
            totals: Counter[str] = Counter()
            for limits in several:
                totals.update(limits)
            for key, total in totals.items():
                if all(key in limits for limits in several):
                    self.put(("server", "limits", name, key), total, ("model_list",))
                else:
                    self.remark(("model_list",), f"{name}: {WORDS[key]} is left out, for not each deployment has one")

    def _settings(self, keys: Keys, settings: Json) -> None:
        for key, value in settings.items():
            where = (*keys, str(key))
            if key in _TOP:
                self.put((_TOP[key],), value, where)
            elif key == "drop_params":
                self.put(("on_unsupported",), "ignore" if value else "raise", where)
            elif key == "fallbacks" and isinstance(value, list):
                for one in value:
                    for name, others in one.items() if isinstance(one, dict) else ():
                        self.put(("fallbacks", str(name)), others, where)
            elif key == "model_group_alias" and isinstance(value, dict):
                for name, target in value.items():
                    model = target.get("model") if isinstance(target, dict) else target
                    self.put(("aliases", str(name)), model, (*where, str(name)))
            elif key == "redis_url":
                self.put(("server", "redis_url"), referenced(value), where)
            else:
                self.remark(where, "is left out")

    def _general(self, keys: Keys, settings: Json) -> None:
        for key, value in settings.items():
            where = (*keys, str(key))
            if key == "master_key" and isinstance(value, str):
                found = referenced(value)
                kept = {"key": found} if found != value else {"hash": hash_key(value)}
                self.data["server"]["keys"] = [{"name": "master", **kept}]
                for to in (("server", "keys"), ("server", "keys", 0), *(("server", "keys", 0, one) for one in kept)):
                    self._mark(to, where)
            elif key in _SERVER:
                self.put(("server", _SERVER[key]), value, where)
            elif key == "max_request_size_mb" and isinstance(value, int | float):
                self.put(("server", "max_body_bytes"), int(value * 1024 * 1024), where)
            else:
                self.remark(where, "is left out")


def referenced(value: Any) -> Any:
    """Write `os.environ/NAME` as `env:NAME`, in headers too."""
    if isinstance(value, dict):
        return {key: referenced(inner) for key, inner in value.items()}
    found = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    return f"env:{found[1]}" if found else value
