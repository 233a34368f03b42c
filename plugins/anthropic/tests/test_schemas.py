"""JSON schemas in Anthropic's dialect."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dragoman.anthropic.schemas import (
    closed_schema,
    described_schema,
    inline_root,
    input_schema,
    map_schema,
    modern_schema,
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
    assert input_schema({"properties": {"a": {}}, "required": ["a"]}) == {
        "type": "object",
        "properties": {"a": {}},
        "required": ["a"],
    }


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
def test_a_reference_at_the_top_is_replaced_by_what_it_names() -> None:
    schema = {"$ref": "#/$defs/Node", "$defs": {"Node": NODE}}
    found = input_schema(schema)
    assert found == {**NODE, "$defs": {"Node": NODE}}
    assert not must_wrap(schema)


@pytest.mark.rule(64)
@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/Missing", "$defs": {}},
        {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}},
        {"$ref": "https://example.com/schema"},
    ],
)
def test_a_reference_that_leads_nowhere_is_nested(schema: dict[str, Any]) -> None:
    assert must_wrap(schema)
    assert inline_root(schema)["$ref"] == schema["$ref"]


@pytest.mark.rule(66)
def test_definitions_become_defs_and_recursion_survives() -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"$ref": "#/definitions/Node"}, "definitions": {"type": "string"}},
        "definitions": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/definitions/Node"}}}},
    }
    assert modern_schema(schema) == {
        "type": "object",
        "properties": {"n": {"$ref": "#/$defs/Node"}, "definitions": {"type": "string"}},
        "$defs": {"Node": NODE},
    }
    both: dict[str, Any] = {"definitions": {}, "$defs": {}}
    assert modern_schema(both) is both


@pytest.mark.rule(66)
def test_data_that_look_like_references_are_left_alone() -> None:
    schema = {
        "type": "object",
        "properties": {"$ref": {"const": {"$ref": "#/definitions/A"}}, "e": {"enum": ["#/definitions/A"]}},
        "definitions": {"A": True},
    }
    assert modern_schema(schema)["properties"] == schema["properties"]
    assert map_schema([True, {"a": 1}], lambda found: found) == [True, {"a": 1}]


@pytest.mark.rule(67, 105)
def test_closing_says_what_was_left_open() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"properties": {}, "examples": [1]},
            "b": {"type": "object", "additionalProperties": True},
            "c": {"type": "string", "description": "C", "deprecated": True},
        },
    }
    assert closed_schema(schema) == {
        "type": "object",
        "properties": {
            "a": {"properties": {}, "description": "(examples: [1])", "additionalProperties": False},
            "b": {"type": "object", "additionalProperties": True},
            "c": {"type": "string", "description": "C (deprecated: True)"},
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
        ({"enum": ["a", 1, None]}, []),
        ({"allOf": [{"type": "string"}, True]}, []),
        ({"type": "integer", "minimum": 1, "maximum": 2}, ["minimum", "maximum"]),
        ({"type": "string", "minLength": 1}, ["minLength"]),
        ({"type": "string", "pattern": "(?=x)"}, ["pattern"]),
        ({"type": "string", "pattern": r"\bx"}, ["pattern"]),
        ({"type": "string", "format": "binary"}, ["format"]),
        ({"type": "array", "minItems": 2}, ["minItems"]),
        ({"type": "object", "additionalProperties": {"type": "string"}}, ["additionalProperties"]),
        ({"oneOf": [{"type": "string"}]}, ["oneOf"]),
        ({"allOf": [{"$ref": "#/$defs/A"}], "$defs": {"A": {"type": "string"}}}, ["allOf"]),
        ({"enum": [{"a": 1}]}, ["enum"]),
        ({"properties": {"n": {"$ref": "#/$defs/Node"}}, "$defs": {"Node": NODE}}, ["recursion"]),
        ({"properties": {"n": {"$ref": "#"}}}, ["recursion"]),
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
            "m": {"type": "object", "additionalProperties": {"type": "string"}},
            "u": {"oneOf": [{"type": "string", "minLength": 1}, {"type": "null"}]},
        },
        "additionalProperties": False,
    }
    described = described_schema(schema)
    assert unenforceable(described) == []
    assert described["properties"] == {
        "n": {"type": "integer", "description": "Count (minimum: 1)"},
        "m": {
            "type": "object",
            "description": "(additionalProperties: {'type': 'string'})",
            "additionalProperties": False,
        },
        "u": {"anyOf": [{"type": "string", "description": "(minLength: 1)"}, {"type": "null"}]},
    }
