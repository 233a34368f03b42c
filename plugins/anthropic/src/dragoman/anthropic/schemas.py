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

COMBINATORS = ("anyOf", "oneOf", "allOf")
#: Keywords whose value is data: a `$ref` in there is not a reference.
_DATA = frozenset({"const", "default", "enum", "example", "examples"})
#: Keywords whose value maps names (of properties, of definitions) to schemas.
_MAPS = frozenset({"$defs", "definitions", "properties", "patternProperties", "dependentSchemas"})
#: Keywords with an enforced meaning; everything else in a strict schema is refused, or has no effect.
_ENFORCED = frozenset(
    {
        "$defs",
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


def _rewrite_refs(schema: Json, old: str, new: str, keep: tuple[str, ...] = ()) -> Json:
    """Point local references below `old` to `new` instead, except those below one of `keep`."""

    def change(found: Json) -> Json:
        ref = found.get("$ref")
        if isinstance(ref, str) and ref.startswith(old) and not ref.startswith(keep):
            return {**found, "$ref": new + ref.removeprefix(old)}
        return found

    result: Json = map_schema(schema, change)
    return result


def modern_schema(schema: Json) -> Json:
    """Rename draft-07 `definitions` to `$defs`, together with the references into them."""
    if "definitions" not in schema or "$defs" in schema:
        return schema
    renamed = {"$defs" if key == "definitions" else key: value for key, value in schema.items()}
    return _rewrite_refs(renamed, "#/definitions/", "#/$defs/")


def inline_root(schema: Json) -> Json:
    """Replace a `$ref` at the very top (pydantic writes one for recursive models) by what it names."""
    seen: set[str] = set()
    while isinstance(ref := schema.get("$ref"), str) and ref.startswith("#/$defs/") and ref not in seen:
        seen.add(ref)
        target = (schema.get("$defs") or {}).get(ref.removeprefix("#/$defs/"))
        if not isinstance(target, dict):
            break
        schema = {**{key: value for key, value in schema.items() if key != "$ref"}, **target, "$defs": schema["$defs"]}
    return schema


def is_object_schema(schema: Json) -> bool:
    """Whether a (modern, inlined) schema can be an `input_schema` or an output format as it stands."""
    return (
        schema.get("type", "object") == "object"
        and "$ref" not in schema
        and not any(key in schema for key in COMBINATORS)
    )


def must_wrap(parameters: object) -> bool:
    """Whether a function's `parameters` have to be nested one level down."""
    return isinstance(parameters, dict) and not is_object_schema(inline_root(modern_schema(parameters)))


def input_schema(parameters: object) -> Json:
    """The parameters of an OpenAI function -> `input_schema`, whole; nested under `value` where it must be.

    Missing or null parameters mean "no arguments". Definitions stay at the top, so that references to
    them hold; other local references follow the schema down.
    """
    if not isinstance(parameters, dict):
        return {"type": "object", "properties": {}}
    schema = inline_root(modern_schema(parameters))
    if is_object_schema(schema):
        return {"type": "object", "properties": {}, **schema} if "type" not in schema else schema
    return wrap_schema(schema)


def wrap_schema(schema: Json) -> Json:
    """Nest a schema under `value`."""
    below = f"#/properties/{WRAP_KEY}"
    moved = _rewrite_refs(schema, "#", below, keep=("#/$defs/",))
    definitions = moved.pop("$defs", None)
    wrapped: Json = {"type": "object", "properties": {WRAP_KEY: moved}, "required": [WRAP_KEY]}
    return wrapped if definitions is None else {**wrapped, "$defs": definitions}


def closed_schema(schema: Json) -> Json:
    """Say `additionalProperties: false` where nothing was said, as the API demands; annotations become description.

    What conforms to the result conforms to the original too, so nothing is lost.
    """

    def change(found: Json) -> Json:
        closed = _described(found, [key for key in found if key in _ANNOTATIONS])
        if (found.get("type") == "object" or "properties" in found) and "additionalProperties" not in found:
            closed["additionalProperties"] = False
        return closed

    result: Json = map_schema(schema, change)
    return result


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
        "additionalProperties": schema.get("additionalProperties") in (None, False),
        "allOf": not any("$ref" in part for part in schema.get("allOf") or () if isinstance(part, dict)),
        "enum": not isinstance(enum, list) or not any(isinstance(value, (dict, list)) for value in enum),
        "format": "format" not in schema or schema["format"] in _FORMATS,
        "minItems": schema.get("minItems") in (None, 0, 1),
        "pattern": "pattern" not in schema or enforceable_pattern(schema["pattern"]),
    }
    return [key for key in schema if key not in _ENFORCED] + [key for key, fine in checks.items() if not fine]


def _is_recursive(schema: Json) -> bool:
    """Whether some definition reaches itself (or the top) through references."""
    definitions = schema.get("$defs") or {}
    edges = {f"#/$defs/{name}": _refs_in(inner) for name, inner in definitions.items()}
    edges["#"] = _refs_in({key: value for key, value in schema.items() if key != "$defs"})
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

    Recursion and references inside `allOf` have no such place and stay as they are.
    """

    def change(found: Json) -> Json:
        problems = [key for key in _problems_of(found) if key not in {"allOf", "oneOf"}]
        kept = _described(found, problems)
        if "additionalProperties" in problems:
            kept["additionalProperties"] = False
        if "oneOf" in kept:
            kept["anyOf"] = [*kept.get("anyOf", ()), *kept.pop("oneOf")]
        return kept

    result: Json = map_schema(schema, change)
    return result
