"""JSON schemas between OpenAI's and Anthropic's dialects.

Two tables of facts are behind this: a tool's `input_schema` must be a plain object at the top
(https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools), and schemas that the API
enforces (strict tools, structured outputs) are a subset of JSON Schema
(https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from dragoman.core import Json

#: The property that holds a schema which cannot stand at the top of `input_schema` itself.
WRAP_KEY = "value"

COMBINATORS = frozenset({"allOf", "anyOf", "oneOf"})
#: Where schemas keep what they refer to; draft-07's word for it is understood like the newer one.
_DEFINITIONS = ("$defs", "definitions")
#: Keywords whose value is data: a `$ref` in there is not a reference.
_DATA = frozenset({"const", "default", "enum", "example", "examples"})
#: Keywords whose value maps names (of properties, of definitions) to schemas.
_MAPS = frozenset({*_DEFINITIONS, "properties", "patternProperties", "dependentSchemas"})
#: Keywords with an enforced meaning; everything else in a strict schema is refused, or has no effect.
_ENFORCED = frozenset(
    {
        *_DEFINITIONS,
        "$ref",
        "$schema",
        "additionalProperties",
        "allOf",
        "anyOf",
        "const",
        "default",
        "description",
        "enum",
        "format",
        "items",
        "minItems",
        "pattern",
        "properties",
        "required",
        "title",
        "type",
    }
)
_FORMATS = frozenset(
    {"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"},
)
#: Keywords that constrain nothing. The API does not know them; in a description the model can read them.
_ANNOTATIONS = frozenset({"$comment", "$id", "deprecated", "example", "examples", "readOnly", "writeOnly"})
#: Lookaround, flags, back references, word boundaries and Unicode classes are outside the API's regular expressions.
_REFUSED_PATTERN = re.compile(r"\(\?(?!:)|\\[1-9bBAzZpPkG]")


def map_schema(schema: Any, change: Callable[[Json], Json]) -> Any:
    """Apply `change` to a schema and all the schemas in it, innermost first; data in it are left alone."""
    if isinstance(schema, list):
        return [map_schema(item, change) for item in schema]
    if not isinstance(schema, dict):
        return schema
    mapped: Json = {}
    for key, value in schema.items():
        if key in _DATA:
            mapped[key] = value
        elif key in _MAPS and isinstance(value, dict):
            mapped[key] = {name: map_schema(inner, change) for name, inner in value.items()}
        else:
            mapped[key] = map_schema(value, change)
    return change(mapped)


def inline_root(schema: Json) -> Json:
    """Replace a `$ref` at the very top (pydantic writes one for recursive models) by what it names."""
    seen: set[str] = set()
    while isinstance(ref := schema.get("$ref"), str) and ref not in seen:
        seen.add(ref)
        target = _definition(schema, ref)
        if not isinstance(target, dict):
            break
        definitions = {key: schema[key] for key in _DEFINITIONS if key in schema}
        schema = {**{key: value for key, value in schema.items() if key != "$ref"}, **target, **definitions}
    return schema


def _definition(schema: Json, ref: str) -> Any:
    """What a reference names, if that is among the definitions at the top."""
    for key in _DEFINITIONS:
        if ref.startswith(f"#/{key}/"):
            return (schema.get(key) or {}).get(ref.removeprefix(f"#/{key}/"))
    return None


def is_object_schema(schema: Json) -> bool:
    """Whether a schema (without a reference at its top) can be an `input_schema` or an output format as it stands."""
    return schema.get("type", "object") == "object" and "$ref" not in schema and COMBINATORS.isdisjoint(schema)


def must_wrap(parameters: object) -> bool:
    """Whether a function's `parameters` have to be nested one level down."""
    return isinstance(parameters, dict) and not is_object_schema(inline_root(parameters))


def input_schema(parameters: object) -> Json:
    """The parameters of an OpenAI function -> `input_schema`, whole; nested under `value` where it must be.

    Missing or null parameters mean "no arguments". Definitions stay at the top, so that references to
    them hold; other local references follow the schema down.
    """
    if not isinstance(parameters, dict) or not parameters:
        return {"type": "object", "properties": {}}
    schema = inline_root(parameters)
    return typed_schema(schema) if is_object_schema(schema) else wrap_schema(schema)


def typed_schema(schema: Json) -> Json:
    """Say that it is an object, where the schema does not; the model reads its keys in the caller's order."""
    return schema if "type" in schema else {"type": "object", **schema}


def wrap_schema(schema: Json) -> Json:
    """Nest a schema under `value`."""
    below = f"#/properties/{WRAP_KEY}"
    keep = tuple(f"#/{key}/" for key in _DEFINITIONS)

    def change(found: Json) -> Json:
        ref = found.get("$ref")
        if isinstance(ref, str) and ref.startswith("#") and not ref.startswith(keep):
            return {**found, "$ref": below + ref.removeprefix("#")}
        return found

    moved = map_schema(schema, change)
    definitions = {key: moved.pop(key) for key in _DEFINITIONS if key in moved}
    return {"type": "object", "properties": {WRAP_KEY: moved}, "required": [WRAP_KEY], **definitions}


def closed_schema(schema: Json) -> Json:
    """Say `additionalProperties: false` where nothing was said, as the API demands; annotations become description.

    What conforms to the result conforms to the original too, so nothing is lost. An object of any keys stays one:
    closed, it would have none at all.
    """

    def change(found: Json) -> Json:
        closed = _described(found, [key for key in found if key in _ANNOTATIONS])
        if _is_open(found) and not _is_free(found):
            closed["additionalProperties"] = False
        return closed

    result: Json = map_schema(schema, change)
    return result


def _is_open(schema: Json) -> bool:
    """Whether a schema is of objects, and does not say whether there may be other keys than the named ones."""
    kind = schema.get("type")
    objects = kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema
    return objects and "additionalProperties" not in schema


def _is_free(schema: Json) -> bool:
    """Whether a schema is of objects whose keys it does not name."""
    named = "properties" in schema or "$ref" in schema or not COMBINATORS.isdisjoint(schema)
    return not named and (_is_open(schema) or schema.get("additionalProperties") not in (None, False))


def _described(schema: Json, keys: list[str]) -> Json:
    """Move keywords into the description."""
    kept = {key: value for key, value in schema.items() if key not in keys}
    if keys:
        words = f"({', '.join(f'{key}: {schema[key]}' for key in keys)})"
        kept["description"] = f"{schema['description']} {words}" if schema.get("description") else words
    return kept


def enforceable_pattern(pattern: object) -> bool:
    """Whether the API can enforce a regular expression."""
    return isinstance(pattern, str) and not _REFUSED_PATTERN.search(pattern)


def unenforceable(schema: Json) -> list[str]:
    """What in a schema the API cannot enforce, as short words for a message; empty: it can all of it."""
    problems: dict[str, None] = {}

    def change(found: Json) -> Json:
        problems.update(dict.fromkeys(_problems_of(found)))
        return found

    map_schema(schema, change)
    if _is_recursive(schema):
        problems["recursion"] = None
    return list(problems)


def _problems_of(schema: Json) -> list[str]:
    enum = schema.get("enum")
    checks = {
        "additionalProperties": schema.get("additionalProperties") in (None, False) and not _is_free(schema),
        "allOf": not any("$ref" in part for part in schema.get("allOf") or () if isinstance(part, dict)),
        "enum": not isinstance(enum, list) or not any(isinstance(value, (dict, list)) for value in enum),
        "format": "format" not in schema or schema["format"] in _FORMATS,
        "minItems": schema.get("minItems") in (None, 0, 1),
        "pattern": "pattern" not in schema or enforceable_pattern(schema["pattern"]),
    }
    return [key for key in schema if key not in _ENFORCED] + [key for key, fine in checks.items() if not fine]


def _is_recursive(schema: Json) -> bool:
    """Whether some definition reaches itself (or the top) through references."""
    edges = {
        f"#/{key}/{name}": _refs_in(inner) for key in _DEFINITIONS for name, inner in (schema.get(key) or {}).items()
    }
    edges["#"] = _refs_in({key: value for key, value in schema.items() if key not in _DEFINITIONS})
    for start, refs in edges.items():
        seen: set[str] = set()
        queue = list(refs)
        while queue:
            ref = queue.pop()
            if ref == start:
                return True
            if ref not in seen:
                seen.add(ref)
                queue.extend(edges.get(ref, ()))
    return False


def _refs_in(schema: Any) -> set[str]:
    refs: set[str] = set()

    def change(found: Json) -> Json:
        if isinstance(found.get("$ref"), str):
            refs.add(found["$ref"])
        return found

    map_schema(schema, change)
    return refs


def described_schema(schema: Json) -> Json:
    """Move what the API cannot enforce into the descriptions, where the model can still read it.

    Recursion, references inside `allOf` and objects of any keys have no such place and stay as they are.
    """

    def change(found: Json) -> Json:
        stays = {"allOf", "oneOf", "additionalProperties"} if _is_free(found) else {"allOf", "oneOf"}
        problems = [key for key in _problems_of(found) if key not in stays]
        kept = _described(found, problems)
        if "additionalProperties" in problems:
            kept["additionalProperties"] = False
        if "oneOf" in kept:
            kept["anyOf"] = [*kept.get("anyOf", ()), *kept.pop("oneOf")]
        return kept

    result: Json = map_schema(schema, change)
    return result
