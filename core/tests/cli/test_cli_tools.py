from __future__ import annotations

import enum
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import click
import pytest
from pydantic import Field

from dragoman.core.cli.tools import Tool, ToolError, as_text, load_tool, parameter_texts


class Unit(enum.Enum):
    C = "celsius"
    F = "fahrenheit"


@dataclass
class Place:
    lat: float
    lon: float = 0.0


def forecast(
    city: str,
    days: Annotated[int, Field(ge=1, le=7)] = 3,
    unit: Unit = Unit.C,
    detail: Literal["low", "high"] | None = None,
    title: str = "",
    at: Place | None = None,
    *,
    tags: list[str] = [],  # noqa: B006 (what users write)
) -> NotImported:  # noqa: F821 (a result's type may exist for type checkers only)
    """Look into the future.

    It is cloudy there.

    Args:
        city: Name of the city,
            and of the country.
        days (int): How many.
        title: A heading.

    Returns:
        Nothing: useful.

    """
    return city, days, unit, detail, title, at, tags


def test_the_schema_comes_from_signature_and_docstring() -> None:
    tool = Tool(forecast, "forecast").definition()
    function = tool["function"]
    assert (tool["type"], function["name"]) == ("function", "forecast")
    assert function["description"] == "Look into the future.\n\nIt is cloudy there."
    schema = function["parameters"]
    assert (schema["type"], schema["required"], schema["additionalProperties"]) == ("object", ["city"], False)
    properties = schema["properties"]
    assert list(properties) == ["city", "days", "unit", "detail", "title", "at", "tags"]
    assert properties["city"] == {"type": "string", "description": "Name of the city, and of the country."}
    assert properties["days"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 7,
        "default": 3,
        "description": "How many.",
    }
    assert properties["title"] == {"type": "string", "default": "", "description": "A heading."}
    assert properties["tags"] == {"type": "array", "items": {"type": "string"}, "default": []}
    assert schema["$defs"]["Place"]["required"] == ["lat"]


def test_arguments_arrive_as_the_types_they_are() -> None:
    positional, named = Tool(forecast, "f").arguments('{"city": "Rome", "unit": "fahrenheit", "at": {"lat": 1}}')
    assert (positional, named) == ([], {"city": "Rome", "unit": Unit.F, "at": Place(1.0)})


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ("{}", "city: Field required"),
        ('{"city": "Rome", "days": 9}', "days: Input should be less than or equal to 7"),
        ('{"city": "Rome", "town": 1}', "town: Extra inputs are not permitted"),
        ('{"city": ', "Invalid JSON"),
        ("[]", "Input should be an object"),
    ],
)
def test_wrong_arguments_are_explained_to_the_model(arguments: str, problem: str) -> None:
    with pytest.raises(ToolError, match=f"invalid arguments: {problem}"):
        Tool(forecast, "f").call(arguments)


def test_names_that_pydantic_has_too() -> None:
    def odd(copy: int, json: int, model_config: int, _hidden: int = 0, schema: str = "s") -> list[object]:
        return [copy, json, model_config, _hidden, schema]

    tool = Tool(odd, "odd")
    assert list(tool.definition()["function"]["parameters"]["properties"]) == [
        "copy",
        "json",
        "model_config",
        "_hidden",
        "schema",
    ]
    assert tool.call('{"copy": 1, "json": 2, "model_config": 3, "_hidden": 4}') == '[1,2,3,4,"s"]'


def test_without_parameters_types_or_docstring() -> None:
    assert Tool(lambda: "x", "f").definition()["function"] == {
        "name": "f",
        "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
    }
    assert Tool(lambda: "x", "f").call("") == "x"
    assert Tool(lambda x: x, "f").call('{"x": [1]}') == "[1]"


def test_positional_only_parameters() -> None:
    def power(base: int, exponent: int = 2, /, *, offset: int = 0) -> int:
        return int(base**exponent) + offset

    assert Tool(power, "power").call('{"base": 3}') == "9"
    assert Tool(power, "power").call('{"base": 3, "exponent": 1, "offset": 5}') == "8"


def test_defaults_stay_what_they_are() -> None:
    def publish(page: dict[str, str] = {"title": "x"}) -> None: ...  # noqa: B006 (what users write)

    parameters = Tool(publish, "publish").definition()["function"]["parameters"]
    assert parameters["properties"]["page"]["default"] == {"title": "x"}
    assert "title" not in parameters["properties"]["page"]


def test_coroutines_are_awaited() -> None:
    async def double(x: int) -> int:
        return 2 * x

    assert Tool(double, "double").call('{"x": 4}') == "8"


def test_what_a_function_raises_is_told() -> None:
    def fail() -> None:
        message = "no such city"
        raise LookupError(message)

    with pytest.raises(ToolError, match=r"^LookupError: no such city$"):
        Tool(fail, "fail").call("{}")


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("plain", "plain"),
        (None, "null"),
        ({"é": [1, True]}, '{"é":[1,true]}'),
        (Place(1.5), '{"lat":1.5,"lon":0.0}'),
        (Unit.C, '"celsius"'),
        (ValueError("x"), '"x"'),
    ],
)
def test_results_as_text(result: object, text: str) -> None:
    assert as_text(result) == text


def test_what_cannot_be_a_tool() -> None:
    def many(*numbers: int) -> None: ...
    def named(**options: int) -> None: ...
    def stream(file: Any, to: type(sys.stdout)) -> None: ...
    def unknown(x: Missing) -> None: ...  # noqa: F821 (on purpose)

    for function in (many, named):
        with pytest.raises(click.UsageError, match=r"takes \*(numbers|options), which a tool cannot"):
            Tool(function, function.__name__)
    for function in (stream, unknown):
        with pytest.raises(click.UsageError, match=f"{function.__name__} cannot be a tool: "):
            Tool(function, function.__name__).definition()
    with pytest.raises(click.UsageError, match=r"print (cannot be a tool|takes \*)"):
        Tool(print, "print")


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> str:
    Path("my_tools.py").write_text(
        "class Box:\n    @staticmethod\n    def add(a: int, b: int): return a + b\nadd = Box.add\nnumber = 1\n"
    )
    Path("my_broken.py").write_text("1 / 0\n")
    monkeypatch.setattr("sys.path", [path for path in sys.path if path])
    monkeypatch.delitem(sys.modules, "my_tools", raising=False)
    return "my_tools"


def test_tools_are_found_in_the_current_folder(module: str) -> None:
    assert load_tool("my_tools:add").name == "add"
    assert load_tool("my_tools:Box.add").name == "Box_add"
    assert load_tool("my_tools:Box.add").call('{"a": 1, "b": 2}') == "3"
    assert load_tool("os.path:basename").call('{"p": "a/b"}') == "b"


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("my_tools", "--tool wants module:name, not 'my_tools'"),
        (":add", "--tool wants module:name"),
        ("my_tools:", "--tool wants module:name"),
        ("my_tools:absent", "the tool my_tools:absent cannot be imported: AttributeError"),
        ("my_tools:number", "the tool my_tools:number is no function"),
        ("my_absent:add", "ModuleNotFoundError: No module named 'my_absent'"),
        ("my_broken:add", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_tool_that_is_not_there(module: str, spec: str, problem: str) -> None:
    with pytest.raises(click.UsageError, match=problem):
        load_tool(spec)


def test_docstrings_of_sphinx() -> None:
    doc = """Do it.

    :param city: The city,
        whichever it is.
    :param int days: How many.
    :type city: str
    :returns: nothing
    """
    assert parameter_texts(doc) == {"city": "The city, whichever it is.", "days": "How many."}


def test_a_docstring_without_parameters() -> None:
    assert parameter_texts("Note: this is all.\n\nSee also: that.") == {}
