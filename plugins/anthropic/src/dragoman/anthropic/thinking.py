"""`reasoning_effort` -> `output_config.effort` and `thinking`, each model in its own way.

Sources: https://platform.claude.com/docs/en/build-with-claude/effort, …/adaptive-thinking, …/extended-thinking.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dragoman.anthropic.content import THINKING_BLOCKS, blocks_of
from dragoman.anthropic.models import EFFORTS

if TYPE_CHECKING:
    from anthropic.types import ThinkingConfigParam
    from dragoman.anthropic.draft import Draft

#: Tokens for thinking on models that have no levels of effort: what these words stand for here.
BUDGETS = {"low": 1024, "medium": 4096, "high": 16384, "xhigh": 32768, "max": 49152}
LEAST_BUDGET = 1024

#: How models say "do not think".
_OFF: dict[str, ThinkingConfigParam] = {"yes": {"type": "disabled"}, "between_tools": {"type": "between_tools"}}


def encode_effort(draft: Draft, value: str) -> None:
    """Write what an effort means for the draft's model. Without the parameter neither field is sent at all."""
    facts = draft.facts
    if value == "none":
        _switch_off(draft)
        return
    level = "low" if value == "minimal" else value
    if level not in EFFORTS:
        draft.unsupported("reasoning_effort", value, reason=f"{value!r} is no level of effort there")
    elif facts.effort:
        _set_effort(draft, value, level)
    elif facts.budgets:
        _set_budget(draft, value, BUDGETS[level])
    else:
        draft.unsupported("reasoning_effort", value, reason="this model does not think")


def _switch_off(draft: Draft) -> None:
    facts = draft.facts
    if facts.disabled in _OFF:
        # A model that cannot think at all is not told to stop.
        if facts.adaptive or facts.budgets:
            draft.body["thinking"] = {**_OFF[facts.disabled]}
        return
    adapt = draft.unsupported(
        "reasoning_effort",
        "none",
        reason="this model cannot be kept from thinking",
        hint='use "low", or leave it out',
        nearest="the lowest effort",
    )
    if adapt:
        draft.body["output_config"] = {"effort": "low"}


def _set_effort(draft: Draft, value: str, level: str) -> None:
    """Effort alone does not make a model think that does not by default; where it can adapt, it is asked to."""
    accepted = draft.facts.effort
    if level not in accepted:
        below = [name for name in accepted if EFFORTS.index(name) < EFFORTS.index(level)]
        nearest = below[-1] if below else accepted[0]
        reason = f"this model's efforts are {', '.join(accepted)}"
        if not draft.unsupported("reasoning_effort", value, reason=reason, nearest=f'rounded to "{nearest}"'):
            return
        level = nearest
    draft.body["output_config"] = {"effort": level}
    if draft.facts.thinking == "off" and draft.facts.adaptive:
        draft.body["thinking"] = {"type": "adaptive"}


def _set_budget(draft: Draft, value: str, budget: int) -> None:
    """The budget is part of `max_tokens`, as reasoning is of OpenAI's limit; at most half of that is thought away."""
    limit = draft.body["max_tokens"]
    if limit <= LEAST_BUDGET:
        draft.unsupported(
            "reasoning_effort",
            value,
            reason=f"thinking takes at least {LEAST_BUDGET} tokens, and the answer is limited to {limit}",
            hint="allow more with max_completion_tokens, or leave reasoning_effort out",
        )
        return
    budget = min(budget, max(LEAST_BUDGET, limit // 2))
    draft.body["thinking"] = {"type": "enabled", "budget_tokens": budget}


def check_replay(draft: Draft) -> None:
    """With a budget, a turn whose tools were just run must begin with its thinking; else thinking has to wait."""
    if not draft.facts.claude or draft.body.get("thinking", {}).get("type") != "enabled":
        return
    messages = draft.body["messages"]
    if len(messages) < 2 or blocks_of(messages[-1]["content"])[0]["type"] != "tool_result":  # noqa: PLR2004 (a call and its result)
        return
    if messages[-2]["content"][0]["type"] in THINKING_BLOCKS:
        return
    draft.unsupported(
        "reasoning_effort",
        draft.call.request.get("reasoning_effort"),
        reason="the assistant's last turn called tools and has lost its thinking blocks",
        hint="keep extra_content on the assistant messages of the history, or leave reasoning_effort out for this turn",
        nearest="thinking was left out for this turn",
    )
    del draft.body["thinking"]
