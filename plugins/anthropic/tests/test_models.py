"""The table of models, and what is laid over it."""

from __future__ import annotations

import itertools
import json
import os
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from anthropic.types import ModelInfo
from anthropic.types.model import Model

from dragoman.anthropic.models import ModelFacts, facts_of, family_of, merge_capabilities
from dragoman.core import DragomanWarning

_numbers = itertools.count(60)


@pytest.mark.parametrize(
    "spelling",
    [
        "claude-sonnet-4-5",
        "claude-sonnet-4-5-20250929",
        "claude-sonnet-4-5-latest",
        "claude-sonnet-4-5@20250929",
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "arn:aws:bedrock:us-east-1:1:inference-profile/global.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "anthropic/claude-sonnet-4.5",
        "Claude-Sonnet-4-5-thinking",
    ],
)
def test_every_spelling_is_one_model(spelling: str) -> None:
    facts = facts_of(spelling)
    assert facts == facts_of("claude-sonnet-4-5")
    assert (facts.claude, facts.effort, facts.max_output) == (True, (), 64000)


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("claude-3-5-sonnet-v2@20241022", "claude-3-5-sonnet"),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5-sonnet"),
        ("claude-2.1", "claude-2-1"),
        ("demo", None),
        ("claude", None),
    ],
)
def test_families(model: str, family: str | None) -> None:
    assert family_of(model) == family


def test_a_longer_version_is_another_model() -> None:
    assert facts_of("claude-opus-4-20250514").max_output == 32000
    assert facts_of("claude-opus-4-1-20250805").structured_output
    with pytest.warns(DragomanWarning, match="claude-opus-4-9 is not in"):
        facts = facts_of("claude-opus-4-9")
    assert facts == facts_of("claude-fable-5-2")


def test_an_unknown_claude_is_taken_for_a_new_one() -> None:
    for _ in range(2):
        model = f"claude-quill-{next(_numbers)}"
        said = f"^{model} is not in this version's table of models; it is treated like claude-fable-5-1\\."
        with pytest.warns(DragomanWarning, match=said):
            facts = facts_of(model)
    assert (facts.sampling, facts.adaptive, facts.forced, facts.prefill) == ("none", True, False, False)


@pytest.mark.parametrize("model", ["demo", "gpt-oss-120b", "qwen3:8b"])
def test_other_servers_take_what_comes(model: str) -> None:
    assert facts_of(model) == ModelFacts()
    assert facts_of(model).sampling == "free"
    assert facts_of(model).forced


def test_overrides_win() -> None:
    assert facts_of("claude-opus-5-5", {"forced": True}).forced
    assert not facts_of("claude-opus-5-5").forced


def test_the_sdk_knows_no_model_that_the_table_lacks() -> None:
    ids = {name for name in Model.__args__[0].__args__ if "preview" not in name}  # type: ignore[attr-defined]  # a Union
    assert ids
    assert all(facts_of(name).claude for name in ids)


def test_rows_name_facts_only() -> None:
    data = json.loads(files("dragoman.anthropic").joinpath("models.json").read_text(encoding="utf-8"))
    fields = set(ModelFacts.__slots__) - {"claude"}
    assert data["date"]
    assert data["sources"]
    for row in data["models"]:
        assert set(row) == fields | {"ids"}, row["ids"]
    ids = [name for row in data["models"] for name in row["ids"]]
    assert len(ids) == len(set(ids))


TABLE = [
    # model, thinking, adaptive, budgets, disabled, effort, forced, sampling, prefill, system, most
    ("claude-fable-5-1", "on", True, False, "no", 5, False, "none", False, True, 128000),
    ("claude-mythos-5-2", "on", True, False, "no", 5, False, "none", False, True, 128000),
    ("claude-opus-5-5", "on", True, False, "no", 5, False, "none", False, True, 128000),
    ("claude-sonnet-5-5", "on", True, False, "between_tools", 5, False, "none", False, True, 128000),
    ("claude-haiku-5-5", "on", True, False, "yes", 5, True, "none", False, False, 128000),
    ("claude-fable-5", "on", True, False, "no", 5, True, "none", False, True, 128000),
    ("claude-opus-5", "on", True, False, "yes", 5, True, "none", False, True, 128000),
    ("claude-sonnet-5", "on", True, False, "yes", 5, True, "none", False, False, 128000),
    ("claude-opus-4-8", "off", True, False, "yes", 5, True, "none", False, True, 128000),
    ("claude-opus-4-7", "off", True, False, "yes", 5, True, "none", False, False, 128000),
    ("claude-opus-4-6", "off", True, True, "yes", 4, True, "both", False, False, 128000),
    ("claude-sonnet-4-6", "off", True, True, "yes", 4, True, "both", False, False, 128000),
    ("claude-opus-4-5", "off", False, True, "yes", 3, True, "one", True, False, 64000),
    ("claude-haiku-4-5", "off", False, True, "yes", 0, True, "one", True, False, 64000),
    ("claude-3-haiku-20240307", "off", False, False, "yes", 0, True, "both", True, False, 4096),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row[0])
def test_the_table(row: tuple[Any, ...]) -> None:
    facts = facts_of(row[0])
    found = (
        facts.thinking,
        facts.adaptive,
        facts.budgets,
        facts.disabled,
        len(facts.effort),
        facts.forced,
        facts.sampling,
        facts.prefill,
        facts.system_messages,
        facts.max_output,
    )
    assert found == row[1:]


def capabilities(**types: bool) -> dict[str, Any]:
    yes, no = {"supported": True}, {"supported": False}
    effort = {"supported": True, "low": yes, "medium": no, "high": yes, "max": no, "xhigh": None}
    plain = ("batch", "citations", "code_execution", "image_input", "pdf_input")
    return {
        **dict.fromkeys(plain, yes),
        "context_management": yes,
        "effort": effort,
        "server_tools": {"supported": True, "web_search": yes, "code_execution": yes},
        "structured_outputs": no,
        "thinking": {"supported": True, "types": {name: {"supported": value} for name, value in types.items()}},
    }


def model_info(**fields: Any) -> dict[str, Any]:
    entry = {"id": "m", "type": "model", "display_name": "M", "created_at": "2026-01-01T00:00:00Z", **fields}
    return ModelInfo.construct(**{"lifecycle": "active", **entry}).to_dict(mode="json")


def test_the_models_api_wins_over_the_table() -> None:
    types = {"adaptive": False, "enabled": True, "disabled": False, "between_tools": True}
    entry = model_info(max_tokens=5000, capabilities=capabilities(**types))
    facts = merge_capabilities(facts_of("claude-opus-5-5"), entry)
    assert facts.max_output == 5000
    assert (facts.adaptive, facts.budgets, facts.disabled) == (False, True, "between_tools")
    assert facts.effort == ("low", "high")
    assert not facts.structured_output
    assert facts.sampling == "none"


def test_what_the_models_api_does_not_say_stays() -> None:
    facts = facts_of("claude-opus-5-5")
    assert merge_capabilities(facts, model_info(max_tokens=None, capabilities=None)) == facts
    types = {"adaptive": True, "enabled": False, "disabled": True, "between_tools": False}
    assert merge_capabilities(facts, {"capabilities": capabilities(**types)}).disabled == "yes"
    types["disabled"] = False
    assert merge_capabilities(facts, {"capabilities": capabilities(**types)}).disabled == "no"
    refused = {"effort": {"supported": False, "low": {"supported": True}}}
    assert merge_capabilities(facts, {"capabilities": refused}).effort == ()


def test_recorded_answers_agree_with_the_table() -> None:
    recordings = os.environ.get("DRAGOMAN_RECORDINGS")
    if not recordings:
        pytest.skip("DRAGOMAN_RECORDINGS is unset: there are no recorded requests to compare with")
    seen = 0
    with (Path(recordings) / "anthropic.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            exchange = json.loads(line)
            body = exchange["request"].get("body")
            if exchange["kind"] != "messages" or exchange["response"]["status"] != 200 or not isinstance(body, dict):
                continue
            seen += 1
            _agrees(exchange["id"], body, facts_of(body["model"]))
    assert seen > 100


def _agrees(name: str, body: dict[str, Any], facts: ModelFacts) -> None:
    assert facts.claude, name
    assert body["max_tokens"] <= (facts.max_output or 0), name
    if {"temperature", "top_p", "top_k"} & {key for key in body if body[key] not in (1, None)}:
        assert facts.sampling in {"both", "one"}, name
    if (body.get("tool_choice") or {}).get("type") in {"any", "tool"}:
        assert facts.forced, name
    thinking = (body.get("thinking") or {}).get("type")
    assert thinking in {None, "disabled"} or getattr(facts, {"enabled": "budgets"}.get(thinking, thinking)), name
    effort = (body.get("output_config") or {}).get("effort")
    assert effort is None or effort in facts.effort, name
    if body["messages"][0]["role"] == "assistant":
        assert facts.assistant_first, name
    if any(message["role"] == "system" for message in body["messages"]):
        assert facts.system_messages, name
    if any(tool.get("strict") for tool in body.get("tools") or ()) or (body.get("output_config") or {}).get("format"):
        assert facts.structured_output, name
