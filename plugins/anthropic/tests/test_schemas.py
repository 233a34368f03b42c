"""JSON schemas in Anthropic's dialect."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dragoman.anthropic.schemas import (
    closed_schema,
    described_schema,
    inline_root,
    input_schema,
    map_schema,
    must_wrap,
    unenforceable,
)

NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}


@pytest.mark.rule(61)
def test_an_object_schema_goes_whole() -> None:
    schema = {
        "type": "object",
        "description": "d",
        "properties": {"a": {"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}]}},
        "required": ["a"],
        "additionalProperties": False,
        "$defs": {"A": {"type": "integer", "minimum": 1}},
    }
    assert input_schema(schema) == schema


@pytest.mark.rule(62)
@pytest.mark.parametrize("parameters", [None, {}, "text"])
def test_no_parameters_are_an_empty_object(parameters: Any) -> None:
    assert input_schema(parameters) == {"type": "object", "properties": {}}


@pytest.mark.rule(61, 62)
def test_a_missing_type_is_an_object() -> None:
    found = input_schema({"required": ["a"], "properties": {"a": {}}})
    assert found == {"type": "object", "required": ["a"], "properties": {"a": {}}}
    assert list(found) == ["type", "required", "properties"]


@pytest.mark.rule(64, 65)
@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "string"}, "x", 1),
        ({"type": ["object", "null"]}, None, 1),
        ({"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}], "$defs": {"A": {"type": "integer"}}}, 3, "x"),
        ({"oneOf": [{"type": "string"}], "title": "T"}, "x", 1),
        ({"type": "array", "items": {"anyOf": [{"$ref": "#"}, {"type": "integer"}]}}, [[1], 2], ["x"]),
        (
            {"type": ["object", "null"], "properties": {"a": {"type": "string"}, "b": {"$ref": "#/properties/a"}}},
            {"b": "x"},
            {"b": 1},
        ),
        (
            {"type": "array", "items": {"$ref": "#/definitions/I"}, "definitions": {"I": {"type": "integer"}}},
            [1],
            ["x"],
        ),
    ],
)
def test_other_schemas_are_nested_and_mean_the_same(schema: dict[str, Any], good: Any, bad: Any) -> None:
    before = copy.deepcopy(schema)
    wrapped = input_schema(schema)
    assert must_wrap(schema)
    assert schema == before
    assert wrapped["type"] == "object"
    assert not {"anyOf", "oneOf", "allOf"} & wrapped.keys()
    validator = Draft202012Validator(wrapped)
    assert validator.is_valid({"value": good})
    assert not validator.is_valid({"value": bad})
    assert not validator.is_valid({})


@pytest.mark.rule(64, 66)
@pytest.mark.parametrize("place", ["$defs", "definitions"])
def test_a_reference_at_the_top_is_replaced_by_what_it_names(place: str) -> None:
    schema = {"$ref": f"#/{place}/Node", place: {"Node": NODE}}
    found = input_schema(schema)
    assert found == {**NODE, place: {"Node": NODE}}
    assert not must_wrap(schema)


@pytest.mark.rule(64)
@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/Missing", "$defs": {}},
        {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}},
        {"$ref": "https://example.com/schema"},
        {"$ref": "#/$defs/A"},
        {"$ref": "#/$defs/A", "definitions": {"A": {"type": "object"}}},
    ],
)
def test_a_reference_that_leads_nowhere_is_nested(schema: dict[str, Any]) -> None:
    assert must_wrap(schema)
    assert inline_root(schema)["$ref"] == schema["$ref"]


@pytest.mark.rule(45, 66)
def test_definitions_and_recursion_survive() -> None:
    schema = {
        "properties": {"n": {"$ref": "#/definitions/Node"}, "definitions": {"type": "string"}},
        "definitions": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/definitions/Node"}}}},
        "type": "object",
    }
    assert json.dumps(input_schema(schema)) == json.dumps(schema)
    assert unenforceable(schema) == ["recursion"]


@pytest.mark.rule(66, 67)
def test_definitions_are_enforced_at_the_top_and_below() -> None:
    inner = {
        "definitions": {"Shared": {"type": "integer"}},
        "properties": {"value": {"$ref": "#/definitions/Shared"}},
        "type": "object",
        "additionalProperties": False,
    }
    schema = {**inner, "definitions": {"Root": inner, "Shared": {"type": "string"}}}
    assert closed_schema(schema) == schema
    assert unenforceable(schema) == []


@pytest.mark.rule(66)
def test_both_kinds_of_definitions_stay_at_the_top_of_a_nested_schema() -> None:
    both = {"$defs": {"A": {"type": "integer"}}, "definitions": {"B": {"type": "string"}}}
    schema = {"anyOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/definitions/B"}], **both}
    assert input_schema(schema) == {
        "type": "object",
        "properties": {"value": {"anyOf": schema["anyOf"]}},
        "required": ["value"],
        **both,
    }


@pytest.mark.rule(66)
def test_data_that_look_like_references_are_left_alone() -> None:
    schema: dict[str, Any] = {
        "type": "array",
        "items": {"properties": {"$ref": {"const": {"$ref": "#/a"}}, "e": {"enum": [{"$ref": "#/a"}]}}},
    }
    assert input_schema(schema)["properties"]["value"] == schema
    assert map_schema([True, {"a": 1}], lambda found: found) == [True, {"a": 1}]


@pytest.mark.rule(67, 105)
def test_closing_says_what_was_left_open() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"properties": {}, "examples": [1]},
            "b": {"type": "object", "additionalProperties": True},
            "c": {"type": "string", "description": "C", "deprecated": True, "example": "x"},
            "d": {"type": "object"},
            "e": {"type": ["object", "null"], "properties": {"x": {}}},
            "f": {"type": ["object", "null"]},
        },
    }
    assert closed_schema(schema) == {
        "type": "object",
        "properties": {
            "a": {"properties": {}, "description": "(examples: [1])", "additionalProperties": False},
            "b": {"type": "object", "additionalProperties": True},
            "c": {"type": "string", "description": "C (deprecated: True, example: x)"},
            "d": {"type": "object"},
            "e": {"type": ["object", "null"], "properties": {"x": {}}, "additionalProperties": False},
            "f": {"type": ["object", "null"]},
        },
        "additionalProperties": False,
    }


@pytest.mark.rule(67, 105)
@pytest.mark.parametrize(
    ("schema", "problems"),
    [
        ({"type": "object", "additionalProperties": False, "title": "t", "default": 1}, []),
        ({"type": "array", "items": {"type": "string", "format": "email"}, "minItems": 1}, []),
        ({"type": "string", "pattern": r"^(?:\d+)-[a-z]{2}$"}, []),
        ({"type": "array", "minItems": 0}, []),
        ({"enum": ["a", 1, None]}, []),
        ({"properties": {"a": {"type": "string"}, "b": {"$ref": "#/properties/a"}}}, []),
        ({"allOf": [{"type": "string"}, True]}, []),
        ({"type": "integer", "minimum": 1, "maximum": 2}, ["minimum", "maximum"]),
        ({"type": "string", "minLength": 1}, ["minLength"]),
        ({"type": "string", "pattern": "(?=x)"}, ["pattern"]),
        ({"type": "string", "pattern": r"\bx"}, ["pattern"]),
        ({"type": "string", "format": "binary"}, ["format"]),
        ({"type": "array", "minItems": 2}, ["minItems"]),
        ({"type": "object", "additionalProperties": {"type": "string"}}, ["additionalProperties"]),
        ({"type": "object"}, ["additionalProperties"]),
        ({"type": ["object", "null"]}, ["additionalProperties"]),
        ({"type": "object", "properties": {}}, []),
        ({"type": "object", "$ref": "#/$defs/A", "$defs": {"A": {"type": "string"}}}, []),
        ({"oneOf": [{"type": "string"}]}, ["oneOf"]),
        ({"allOf": [{"$ref": "#/$defs/A"}], "$defs": {"A": {"type": "string"}}}, ["allOf"]),
        ({"enum": [{"a": 1}]}, ["enum"]),
        ({"properties": {"n": {"$ref": "#/$defs/Node"}}, "$defs": {"Node": NODE}}, ["recursion"]),
        ({"properties": {"n": {"$ref": "#"}}}, ["recursion"]),
        (
            {
                "$defs": {
                    "D": {"items": {"$ref": "#/$defs/A"}},
                    "A": {"items": {"$ref": "#/$defs/B"}},
                    "B": {"items": {"$ref": "#/$defs/A"}},
                }
            },
            ["recursion"],
        ),
        (
            {
                "properties": {"n": {"$ref": "#/$defs/A"}, "m": {"$ref": "#/$defs/B"}},
                "$defs": {
                    "A": {"items": {"$ref": "#/$defs/C"}},
                    "B": {"items": {"$ref": "#/$defs/C"}},
                    "C": {"type": "string"},
                },
            },
            [],
        ),
    ],
)
def test_what_the_api_cannot_enforce(schema: dict[str, Any], problems: list[str]) -> None:
    assert unenforceable(schema) == problems


@pytest.mark.rule(105)
def test_what_cannot_be_enforced_is_described() -> None:
    schema = {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "minimum": 1, "description": "Count"},
            "m": {"type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "string"}},
            "u": {"oneOf": [{"type": "string", "minLength": 1}, {"type": "null"}]},
            "v": {"anyOf": [{"type": "string"}], "oneOf": [{"type": "null"}]},
        },
        "additionalProperties": False,
    }
    described = described_schema(schema)
    assert unenforceable(described) == []
    assert described["properties"] == {
        "n": {"type": "integer", "description": "Count (minimum: 1)"},
        "m": {
            "type": "object",
            "properties": {"a": {}},
            "description": "(additionalProperties: {'type': 'string'})",
            "additionalProperties": False,
        },
        "u": {"anyOf": [{"type": "string", "description": "(minLength: 1)"}, {"type": "null"}]},
        "v": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    }


@pytest.mark.rule(105)
@pytest.mark.parametrize("schema", [{"type": "object"}, {"type": "object", "additionalProperties": {"type": "string"}}])
def test_an_object_of_any_keys_stays_one(schema: dict[str, Any]) -> None:
    assert described_schema(schema) == schema
    assert unenforceable(described_schema(schema)) == ["additionalProperties"]


@pytest.mark.rule(105)
def test_references_in_all_of_are_not_described() -> None:
    schema = {"allOf": [{"$ref": "#/$defs/A"}], "$defs": {"A": {"type": "string"}}}
    assert described_schema(schema) == schema
