"""Configuration lists as AutoGen's users have them: loaded from JSON, `.env` or key files, and filtered per agent.

The functions return what their namesakes in AutoGen 0.2 return, surprises included (its documentation:
https://microsoft.github.io/autogen/0.2/docs/topics/llm_configuration). Where its documentation and its code
disagree, `strict=True` follows the documentation. Unlike AutoGen's, they leave `os.environ` as it is.
"""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dragoman.core.dotenv import read_dotenv

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from dragoman.core.provider import Json

log = logging.getLogger("dragoman")

#: Key -> the values that are accepted for it.
Filter = dict[str, Any]

_DEFAULT_MODELS = ("gpt-4", "gpt-3.5-turbo")
#: In bytes. A longer text is JSON: asking the system for a file of that name would fail.
_LONGEST_PATH = 255
#: AutoGen 0.2's own default for Azure.
_AZURE_API_VERSION = "2024-02-01"
#: What `config_list_from_dotenv` may be told about a model beside the name of its key's variable.
_ADDRESS = ("base_url", "api_type", "api_version")


def filter_config(
    config_list: list[Json], filter_dict: Mapping[str, Any] | None, exclude: bool = False, *, strict: bool = False
) -> list[Json]:
    """Return the entries that match `filter_dict` in each of its keys; with `exclude`, those that match in none.

    A list in an entry (`tags`) matches if one of its values is accepted, anything else if it is accepted itself.
    `strict` follows AutoGen's documentation where its code does not: a None among the accepted values accepts
    entries without the key, `exclude` keeps exactly what would be left out without it, and accepted values
    must be a list, tuple or set (a bare text would be searched for a part). Raises TypeError.
    """
    if not filter_dict:
        return config_list
    if strict:
        for key, accepted in filter_dict.items():
            if not isinstance(accepted, list | tuple | set | frozenset):
                message = f"the values accepted for {key!r} must be a list, not {type(accepted).__name__}"
                raise TypeError(message)
        return [
            entry for entry in config_list if exclude is not all(_documented(entry, *it) for it in filter_dict.items())
        ]
    matched = (any, False) if exclude else (all, True)
    return [
        entry for entry in config_list if matched[0](_built(entry, *it) for it in filter_dict.items()) is matched[1]
    ]


def _built(entry: Json, key: str, accepted: Any) -> bool:
    """Match as AutoGen does: what is not there matches nothing."""
    value = entry.get(key)
    if isinstance(value, list):
        return bool(set(value) & set(accepted))
    return value is not None and value in accepted


def _documented(entry: Json, key: str, accepted: Collection[Any]) -> bool:
    value = entry.get(key)
    if isinstance(value, list):
        return any(item in accepted for item in value)
    return value in accepted


def config_list_from_json(
    env_or_file: str, file_location: str | None = "", filter_dict: Mapping[str, Any] | None = None
) -> list[Json]:
    """Load a list from the environment variable `env_or_file`, else from the file of that name in `file_location`.

    The variable holds JSON or a file's path. Raises FileNotFoundError, `json.JSONDecodeError` with line and column,
    or TypeError if the JSON is no list of objects.
    """
    value = os.environ.get(env_or_file)
    if not value:
        path = Path(file_location or "") / env_or_file
        return filter_config(_parse(path.read_text("utf-8-sig"), str(path)), filter_dict)
    if _names_a_file(value):
        return filter_config(_parse(Path(value).read_text("utf-8-sig"), value), filter_dict)
    return filter_config(_parse(value, f"the environment variable {env_or_file}"), filter_dict)


def _names_a_file(value: str) -> bool:
    # What the system says of a text that can be no path would quote it, and it may be JSON with keys.
    with suppress(OSError, ValueError):
        return len(os.fsencode(value)) < _LONGEST_PATH and Path(value).exists()
    return False


def _parse(text: str, place: str) -> list[Json]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as cause:
        error = json.JSONDecodeError(f"{place} is not JSON: {cause.msg}", text, cause.pos)
        # The text holds keys, and tools that report exceptions show their attributes.
        error.doc = ""
        raise error from None
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        message = f"{place} must hold a list of objects, one for each model"
        raise TypeError(message)
    return found


def config_list_from_dotenv(
    dotenv_file_path: str | None = None,
    model_api_key_map: Mapping[str, Any] | None = None,
    filter_dict: Mapping[str, Any] | None = None,
    *,
    strict: bool = False,
) -> list[Json]:
    """Make a list of models from the keys that `.env` and the environment hold; the environment comes first.

    `model_api_key_map` says where a model's key is: the variable's name, or an object with `api_key_env_var`,
    `base_url`, `api_type` and `api_version` (the last three may be names of variables too). gpt-4 and
    gpt-3.5-turbo with OPENAI_API_KEY are always added. Models without a key are left out with a logged warning.
    `strict`: a missing file raises FileNotFoundError, the two models are added only if no map is given, and
    other keys of an entry (`tags`) stay in it. Raises TypeError for anything else in the map.
    """
    variables = {**_dotenv(dotenv_file_path, must_exist=strict), **os.environ}
    wanted = dict(model_api_key_map or {})
    if not strict or not wanted:
        wanted = {**wanted, **{name: "OPENAI_API_KEY" for name in _DEFAULT_MODELS if name not in wanted}}
    found: list[Json] = []
    for model, told in wanted.items():
        entry = _dotenv_entry(model, told, variables, strict=strict)
        if (entry["api_key"] or "").strip():
            found.append({**entry, "model": model})
        else:
            log.warning("no API key was found for the model %s; it is left out of the list", model)
    found = filter_config(found, filter_dict, strict=strict)
    if not found:
        log.error("no model of the list has an API key")
    return found


def _dotenv(given: str | None, *, must_exist: bool) -> dict[str, str]:
    here = Path.cwd()
    paths = [Path(given)] if given else [folder / ".env" for folder in (here, *here.parents)]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        if must_exist and given:
            message = f"there is no file {given}"
            raise FileNotFoundError(message)
        log.warning("no file %s was found; only the environment is read", given or ".env")
        return {}
    values, problems = read_dotenv(path)
    for problem in problems:
        log.warning("%s", problem)
    return values


def _dotenv_entry(model: str, told: Any, variables: Mapping[str, str], *, strict: bool) -> Json:
    if isinstance(told, str):
        return {"api_key": variables.get(told)}
    if not isinstance(told, dict):
        message = f"the map must give the name of a variable or an object for {model}, not {type(told).__name__}"
        raise TypeError(message)
    others = {key: value for key, value in told.items() if key not in {"api_key_env_var", *_ADDRESS}}
    if others and not strict:
        message = f"the map gives {', '.join(sorted(others))} for {model}; AutoGen takes only {', '.join(_ADDRESS)}"
        raise TypeError(message)
    entry: Json = {"api_key": variables.get(told.get("api_key_env_var", "OPENAI_API_KEY"))}
    entry.update({key: variables.get(told[key], told[key]) for key in _ADDRESS if told.get(key)})
    return {**entry, **others}


def config_list_from_models(  # noqa: PLR0913, PLR0917 (AutoGen's own, in its order)
    key_file_path: str | None = ".",
    openai_api_key_file: str | None = "key_openai.txt",
    aoai_api_key_file: str | None = "key_aoai.txt",
    aoai_api_base_file: str | None = "base_aoai.txt",
    exclude: str | None = None,
    model_list: Sequence[str] | None = None,
) -> list[Json]:
    """Make a list of each model with each key: OpenAI's and Azure's, of key files or else of the environment.

    The variables are OPENAI_API_KEY, OPENAI_API_BASE, AZURE_OPENAI_API_KEY and AZURE_OPENAI_API_BASE, one value
    a line, as in the files (`base_openai.txt` beside those named here). `exclude`: "openai" or "aoai". Raises
    ValueError if there are not as many addresses as keys.
    """

    def read(variable: str, file: str | None) -> list[str] | None:
        text = os.environ.get(variable)
        if key_file_path is not None and file is not None:
            path = Path(key_file_path) / file
            text = path.read_text("utf-8-sig").strip() if path.is_file() else text
        return None if text is None else text.split("\n")

    entries = [] if exclude == "openai" else _openai(read, openai_api_key_file)
    entries += [] if exclude == "aoai" else _azure(read, aoai_api_key_file, aoai_api_base_file)
    return [{**entry, "model": model} for model in model_list for entry in entries] if model_list else entries


def _openai(read: Callable[[str, str | None], list[str] | None], key_file: str | None) -> list[Json]:
    keys = read("OPENAI_API_KEY", key_file) or [""]
    return _pairs(keys, read("OPENAI_API_BASE", "base_openai.txt"), {})


def _azure(
    read: Callable[[str, str | None], list[str] | None], key_file: str | None, base_file: str | None
) -> list[Json]:
    keys = read("AZURE_OPENAI_API_KEY", key_file) or [""]
    bases = read("AZURE_OPENAI_API_BASE", base_file) or [""]
    return _pairs(keys, bases, {"api_type": "azure", "api_version": _AZURE_API_VERSION})


def _pairs(keys: list[str], bases: list[str] | None, more: Json) -> list[Json]:
    if bases is not None and len(bases) != len(keys):
        message = f"there are {len(keys)} API keys and {len(bases)} addresses; each key needs one"
        raise ValueError(message)
    found = []
    for key, base in zip(keys, bases or [""] * len(keys), strict=True):
        if key.strip():
            found.append({"api_key": key, **({"base_url": base} if bases is not None else {}), **more})
    return found
