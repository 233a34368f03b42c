"""What a model accepts: a table for Claude, and one generous row for whatever else speaks Anthropic's wire.

The table (`models.json`) is only as new as its date. The vendor's own word is `GET /v1/models/{id}`
(https://platform.claude.com/docs/en/api/models/retrieve); `merge_capabilities` lays it over a row.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, fields, replace
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

from dragoman.core import warn_once

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dragoman.core import Json

    FactsFor = Callable[[str], "ModelFacts"]

#: `max_tokens` is required; this is sent to servers whose models are not in the table.
DEFAULT_MAX_TOKENS = 8192

EFFORTS = ("low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What one model accepts. The defaults describe a server that is not Anthropic's and takes what comes."""

    #: Whether the model is one of Anthropic's.
    claude: bool = False
    #: What leaving `thinking` out means.
    thinking: Literal["on", "off"] = "off"
    #: Whether `thinking: {"type": "adaptive"}` is accepted.
    adaptive: bool = False
    #: Whether `thinking: {"type": "enabled", "budget_tokens": …}` is accepted.
    budgets: bool = True
    #: How thinking is switched off: as `disabled`, as `between_tools`, or not at all.
    disabled: Literal["yes", "between_tools", "no"] = "yes"
    #: The levels of `output_config.effort`; empty: the parameter is refused.
    effort: tuple[str, ...] = ()
    default_effort: str | None = None
    #: Whether `tool_choice` may be `any` or `tool`.
    forced: bool = True
    #: Whether it may be while the model thinks.
    forced_with_thinking: bool = True
    #: `free`: sent as they are. For Claude: `both`, `one` of temperature and top_p, or `none` of them.
    sampling: Literal["free", "both", "one", "none"] = "free"
    #: Whether the conversation may end with an assistant message, to be continued.
    prefill: bool = True
    #: Whether it may begin with one.
    assistant_first: bool = True
    #: Whether `messages` may hold `role: "system"`.
    system_messages: bool = False
    #: Upper bound of `max_tokens`; None: not known.
    max_output: int | None = None
    #: Whether `output_config.format` and strict tools are accepted.
    structured_output: bool = True


def facts_of(model: str, overrides: Mapping[str, Any] | None = None) -> ModelFacts:
    """Return the facts of a model by its id, in any platform's spelling.

    Dates and versions (`us.anthropic.claude-…-20250929-v1:0`, `claude-…@20250929`) do not matter. A Claude id that
    the table does not know is taken for a new model, with a warning. Ids without `claude-` in them belong to other
    servers: nothing is refused there on the vendor's behalf.
    `overrides` are fields of `ModelFacts` that win over the table.
    """
    facts, newer_than_table = _known_facts(model)
    if newer_than_table:
        warn_once(
            "anthropic",
            f"model {newer_than_table}",
            f"{newer_than_table} is not in this version's table of models; it is treated like "
            f"{_rows()[0]['ids'][0]}. To be exact, install a newer dragoman-anthropic.",
        )
    return replace(facts, **overrides) if overrides else facts


def family_of(model: str) -> str | None:
    """Return the id without platform, date and version, such as `claude-sonnet-4-5`; None if it is not a Claude."""
    found = re.search(r"claude-.*", model.lower())
    if found is None:
        return None
    name = re.split(r"[@:]", found.group(), maxsplit=1)[0].replace(".", "-")
    return re.sub(r"(-v\d+)?(-latest)?$", "", re.sub(r"-20\d{6}(?=-|$)", "", name))


@lru_cache(maxsize=256)
def _known_facts(model: str) -> tuple[ModelFacts, str]:
    """Return the facts, and the model's name if they are a guess."""
    family = family_of(model)
    if family is None:
        return ModelFacts(), ""
    row = _row_of(family)
    known = {field.name for field in fields(ModelFacts)}
    entries = (row or _rows()[0]).items()
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in entries if key in known
    }
    return ModelFacts(claude=True, **values), "" if row else family


def _row_of(family: str) -> Json | None:
    """Find the row whose id is the family, or begins it; `claude-opus-4` does not begin `claude-opus-4-9`."""
    best = ""
    found = None
    for row in _rows():
        for known in row["ids"]:
            rest = family.removeprefix(known) if family.startswith(known) else None
            if rest is not None and re.fullmatch(r"(-(?!\d{1,2}(-|$)).*)?", rest) and len(known) > len(best):
                best, found = known, row
    return found


@cache
def _rows() -> list[Json]:
    data: Json = json.loads(files("dragoman.anthropic").joinpath("models.json").read_text(encoding="utf-8"))
    rows: list[Json] = data["models"]
    return rows


def merge_capabilities(facts: ModelFacts, entry: Json) -> ModelFacts:
    """Lay what `GET /v1/models/{id}` says over a row of the table; what it does not say stays.

    `entry` is the endpoint's answer (the SDK's `ModelInfo` as JSON): `capabilities` may be null, and each
    capability is an object with `supported`.
    """
    found: dict[str, Any] = {}
    if entry.get("max_tokens"):
        found["max_output"] = entry["max_tokens"]
    capabilities = entry.get("capabilities") or {}
    types = (capabilities.get("thinking") or {}).get("types") or {}
    said = {
        "adaptive": _supported(types.get("adaptive")),
        "budgets": _supported(types.get("enabled")),
        "structured_output": _supported(capabilities.get("structured_outputs")),
    }
    found |= {name: supported for name, supported in said.items() if supported is not None}
    disabled = _supported(types.get("disabled"))
    if disabled is not None:
        between = "between_tools" if _supported(types.get("between_tools")) else "no"
        found["disabled"] = "yes" if disabled else between
    effort = capabilities.get("effort") or {}
    if _supported(effort) is not None:
        found["effort"] = tuple(level for level in EFFORTS if effort["supported"] and _supported(effort.get(level)))
    return replace(facts, **found)


def _supported(capability: Any) -> bool | None:
    return capability.get("supported") if isinstance(capability, dict) else None
