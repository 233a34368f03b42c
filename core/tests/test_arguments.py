"""Keyword arguments of the SDK, as plain JSON."""

from __future__ import annotations

import copy
import inspect
import math
from collections import OrderedDict, UserDict
from enum import IntEnum
from typing import Any

import openai
import pytest
from openai.resources.chat.completions import Completions
from openai.types.chat import ChatCompletionMessage
from pydantic import RootModel

from dragoman.core.arguments import (
    check_arguments,
    given_headers,
    parameters,
    plain,
    plain_request,
    plain_timeout,
    wants_raw_response,
)
from dragoman.core.errors import httpx


class Text(str):
    __slots__ = ()


class Loud(str):
    """A text whose `str()` is another one."""

    __slots__ = ()

    def __str__(self) -> str:
        return self.upper()


class Real(float):
    """A number as numeric libraries make them."""


class Whole(IntEnum):
    """A number with a name."""

    TWO = 2


class Word(RootModel[str]):
    """An object that is no JSON, and stands for a text."""


def test_values_become_plain() -> None:
    message = ChatCompletionMessage(role="assistant", content="é")
    given = OrderedDict(a=(1, 2), b=UserDict({"c": openai.NOT_GIVEN, "d": [message]}), e={3}, f=(n for n in "xy"))
    assert plain(given) == {
        "a": [1, 2],
        "b": {"d": [{"role": "assistant", "content": "é"}]},
        "e": [3],
        "f": ["x", "y"],
    }
    words = [plain(Text("x")), plain(Loud("x"))]
    numbers = [plain(Real(0.5)), plain(Whole.TWO)]
    assert (words, numbers) == (["x", "x"], [0.5, 2])
    assert [type(value) for value in (*words, *numbers)] == [str, str, float, int]
    marker = object()
    assert plain(marker) is marker


def test_only_what_is_not_plain_is_made_anew() -> None:
    given = {"tools": [{"type": "function"}], "messages": [{"role": "user"}, {"role": "user", "name": openai.omit}]}
    before = copy.deepcopy(given["tools"])
    found = plain(given)
    assert found["messages"] == [{"role": "user"}, {"role": "user"}]
    assert len(given["messages"][1]) == 2
    assert found["messages"][0] is given["messages"][0]
    assert found["tools"] is given["tools"]
    assert given["tools"] == before
    assert plain(given["tools"]) is given["tools"]


@pytest.mark.parametrize("value", [b"x", bytearray(b"x")])
def test_bytes_are_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="base64"):
        plain({"a": [value]})


def test_requests_keep_the_sdks_order() -> None:
    given = {"temperature": 1, "messages": [], "seed": openai.omit, "stream": True, "model": "m"}
    request = plain_request(given).request
    assert list(request) == [name for name in parameters() if name in request]
    assert request.keys() == {"temperature", "messages", "stream", "model"}
    assert set(parameters()) == set(inspect.signature(Completions.create).parameters) - {"self"}


def tool(**parameters: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", "parameters": {"type": "object", **parameters}}}


def test_tools_that_were_plain_before_are_looked_at_when_they_change() -> None:
    """Tools are remembered: what resembles them is not taken for them."""
    tools = [tool(required=["a"], minimum=1)]
    for _ in range(2):
        assert plain_request({"tools": tools}).request["tools"] is tools
    for strange, wanted in ((("a",), ["a"]), ({"a"}, ["a"]), (Word("a"), "a")):
        found = plain_request({"tools": [tool(required=strange, minimum=1)]}).request["tools"]
        assert found == [tool(required=wanted, minimum=1)]
        assert type(found[0]["function"]["parameters"]["required"]) is type(wanted)
    tools[0]["function"]["parameters"]["required"] = (*"ab",)
    assert plain_request({"tools": tools}).request["tools"] == [tool(required=["a", "b"], minimum=1)]
    tools[0]["function"]["parameters"]["required"] = b"a"
    with pytest.raises(TypeError, match="bytes are not JSON"):
        plain_request({"tools": tools})


def test_tools_are_known_to_be_finite_if_they_are() -> None:
    tools = [tool(minimum=1.5)]
    for _ in range(2):
        assert plain_request({"tools": tools}).finite == {"tools"}
    for strange in (math.nan, -math.inf, Word("a"), 10**40):
        tools[0]["function"]["parameters"]["minimum"] = strange
        for _ in range(2):
            assert not plain_request({"tools": tools}).finite
    assert not plain_request({"messages": []}).finite


def test_few_tools_are_remembered_and_no_large_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    known: list[bytes] = []
    monkeypatch.setattr("dragoman.core.arguments._PLAIN_TOOLS", known)
    for number in range(9):
        plain_request({"tools": [tool(number=number)]})
    plain_request({"tools": [tool(description="x" * 2**20)]})
    last = known[0]
    assert len(known) == 4
    assert max(map(len, known)) < 200
    plain_request({"tools": [tool(number=8)]})
    assert known[0] is last
    plain_request({"tools": [tool(number=0)]})
    assert known[0] is not last


def test_unknown_arguments() -> None:
    check_arguments({"temperature": 1, "extra_body": {}, "response_format": {"type": "text"}})
    with pytest.raises(TypeError, match=r"'tempratur'.*extra_body"):
        check_arguments({"tempratur": 1})


def test_headers() -> None:
    headers = {"X-A": "1", "X-B": openai.Omit(), "X-Stainless-Raw-Response": "true"}
    assert given_headers(headers) == {"X-A": "1"}
    assert wants_raw_response({"extra_headers": headers})
    assert not wants_raw_response({"extra_headers": None})


def test_time_outs() -> None:
    assert plain_timeout(None) is None
    assert plain_timeout(2.5) == 2.5
    assert plain_timeout(httpx.Timeout(3, read=9)) == {"connect": 3, "read": 9, "write": 3, "pool": 3}
