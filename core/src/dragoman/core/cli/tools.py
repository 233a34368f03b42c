"""Python functions as tools: the signature and the docstring say what the model needs to know."""

from __future__ import annotations

import asyncio
import inspect
import re
import sys
import typing
from dataclasses import dataclass, field
from functools import cached_property, reduce
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from dragoman.core.provider import Json

#: A parameter in a docstring: `:param city: …`, or `city: …` and `city (str): …` with deeper lines going on.
_FIELD = re.compile(r"(?m)^\s*:param (?:[\w.\[\], |]+ )?(\w+):\s*(.+(?:\n(?!\s*:|\s*$).+)*)")
_SECTION = re.compile(r"(?m)^(?:Args|Arguments|Parameters):\s*\n((?:[ \t]+.*(?:\n|$)|\s*\n)+)")
_ENTRY = re.compile(r"(?m)^( +)(\w+)(?: *\([^)]*\))?: *(.+(?:\n\1 +.+)*)")
_ENDS_DESCRIPTION = re.compile(r"(?m)^\s*(?::\w|Args:|Arguments:|Parameters:|Returns?:|Raises:|Yields:|Examples?:)")

#: Keywords of JSON Schema whose values are no schemas, and those that hold schemas by names.
_DATA = frozenset({"const", "default", "enum", "examples"})
_BY_NAME = frozenset({"$defs", "properties"})


class ToolError(Exception):
    """A call that cannot be carried out; the text is for the model, which may try again."""


@dataclass(frozen=True, eq=False)
class Tool:
    """One function. Raises `click.UsageError` for a signature that no model can fill in."""

    function: Callable[..., Any]
    name: str
    _fields: dict[str, inspect.Parameter] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        for parameter in self._signature().parameters.values():
            if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
                message = f"{self.name} takes *{parameter.name}, which a tool cannot: name its parameters"
                raise click.UsageError(message)
            # pydantic has names of its own, which a parameter may have too.
            self._fields[f"field_{parameter.name}"] = parameter

    def _signature(self) -> inspect.Signature:
        try:
            return inspect.signature(self.function)
        except (NameError, TypeError, ValueError) as error:
            raise self._refusal(error) from error

    def _refusal(self, error: Exception) -> click.UsageError:
        reason = str(error).partition("\n")[0]
        return click.UsageError(f"{self.name} cannot be a tool: {reason}")

    @property
    def description(self) -> str:
        """The docstring up to its list of parameters."""
        doc = inspect.getdoc(self.function) or ""
        return _ENDS_DESCRIPTION.split(doc, maxsplit=1)[0].strip()

    @cached_property
    def model(self) -> type[BaseModel]:
        """The parameters as a pydantic model."""
        from pydantic import ConfigDict, Field, create_model

        hints = self._hints()
        texts = parameter_texts(inspect.getdoc(self.function) or "")
        fields: dict[str, Any] = {}
        for name, parameter in self._fields.items():
            about: Json = {"alias": parameter.name}
            if parameter.name in texts:
                about["description"] = texts[parameter.name]
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[name] = (hints.get(parameter.name, Any), Field(default, **about))
        return create_model(self.name, __config__=ConfigDict(extra="forbid", arbitrary_types_allowed=False), **fields)

    def _hints(self) -> Json:
        """The parameters' types; the result's is nobody's business here, and may not even be importable."""
        typed = [item for item in self._fields.values() if item.annotation is not item.empty]
        holder = SimpleNamespace(__annotations__={item.name: item.annotation for item in typed})
        names = getattr(inspect.unwrap(self.function), "__globals__", {})
        return typing.get_type_hints(holder, names, include_extras=True) if typed else {}

    def definition(self) -> Json:
        """OpenAI's form of it. Raises `click.UsageError` for a type that has no JSON schema."""
        from pydantic.errors import PydanticUserError

        try:
            schema = _without_titles(self.model.model_json_schema())
        except (PydanticUserError, NameError, TypeError) as error:
            raise self._refusal(error) from error
        schema.setdefault("properties", {})
        function: Json = {"name": self.name, "parameters": schema}
        if self.description:
            function["description"] = self.description
        return {"type": "function", "function": function}

    def arguments(self, text: str) -> tuple[list[Any], Json]:
        """Read a call's JSON into positional and keyword arguments. Raises `ToolError`."""
        from pydantic import ValidationError

        try:
            values = self.model.model_validate_json(text or "{}")
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}".lstrip(": ") for item in error.errors()]
            message = f"invalid arguments: {'; '.join(problems)}"
            raise ToolError(message) from error
        positional: list[Any] = []
        named: Json = {}
        for name, parameter in self._fields.items():
            if parameter.kind is parameter.POSITIONAL_ONLY:
                positional.append(getattr(values, name))
            elif name in values.model_fields_set:
                named[parameter.name] = getattr(values, name)
        return positional, named

    def call(self, text: str) -> str:
        """Run the function with a call's JSON arguments; the result as text. Raises `ToolError`."""
        positional, named = self.arguments(text)
        try:
            result = self.function(*positional, **named)
            if inspect.iscoroutine(result):
                result = asyncio.run(result)
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            raise ToolError(message) from error
        return as_text(result)


def load_tool(spec: str) -> Tool:
    """Import `module:name`, from the current folder too. Raises `click.UsageError`."""
    module, _, name = spec.partition(":")
    if not module or not name:
        message = f"--tool wants module:name, not {spec!r}"
        raise click.UsageError(message)
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found = reduce(getattr, name.split("."), import_module(module))
    except Exception as error:
        message = f"the tool {spec} cannot be imported: {type(error).__name__}: {error}"
        raise click.UsageError(message) from error
    if not callable(found):
        message = f"the tool {spec} is no function"
        raise click.UsageError(message)
    return Tool(found, re.sub(r"\W", "_", name))


def parameter_texts(doc: str) -> dict[str, str]:
    """What a docstring says about each parameter, in the styles of Google and Sphinx."""
    section = _SECTION.search(doc)
    entries = _ENTRY.findall(section[1]) if section else []
    found = [(name, text) for _, name, text in entries] + _FIELD.findall(doc)
    return {name: " ".join(text.split()) for name, text in found}


def as_text(result: Any) -> str:
    """Return a function's result as a tool message: text as it is, all else as JSON."""
    from pydantic_core import to_json

    return result if isinstance(result, str) else to_json(result, fallback=str).decode()


def _without_titles(schema: Any) -> Any:
    """Drop the titles that pydantic makes up from names; parameters and data called `title` stay."""
    if isinstance(schema, list):
        return [_without_titles(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    cleaned: Json = {}
    for key, value in schema.items():
        if key in _DATA:
            cleaned[key] = value
        elif key in _BY_NAME:
            cleaned[key] = {name: _without_titles(item) for name, item in value.items()}
        elif key != "title":
            cleaned[key] = _without_titles(value)
    return cleaned
