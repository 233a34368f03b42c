"""The pages on AutoGen 0.2 and AG2 classic do what they show, and show what the run printed.

`--write-scenarios` writes the transcripts of the run into the page.
"""

from __future__ import annotations

import json
import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from dragoman.autogen import wire

autogen = pytest.importorskip("autogen", reason="neither AutoGen 0.2 nor AG2 classic is installed")

PAGES = Path(__file__).parents[3] / "docs" / "autogen"
QUESTION = "What is 2 + 3?"
CLOUD = {
    "together": {"model": "moonshotai/Kimi-K2.6", "api_type": "together"},
    "mistralai": {"model": "mistral-large-latest", "api_type": "mistral"},
    "anthropic": {"model": "anthropic/claude-sonnet-4-5"},
}
LOCAL = {
    "litellm": {"model": "litellm/ollama/qwen3"},
    "lmstudio": {"model": "lmstudio/qwen3-4b"},
    "vllm": {"model": "vllm/Qwen/Qwen3-0.6B"},
    "ollama": {"model": "qwen3", "api_type": "ollama"},
}


@pytest.fixture
def shown(request: pytest.FixtureRequest) -> Any:
    """Compare what a run printed with what stands in a marked place of a page, or write it there."""

    def compare(page: Path, part: str, printed: str) -> None:
        wanted = f"<!-- {part}: begin -->\n\n```text\n{printed.strip()}\n```\n\n<!-- {part}: end -->"
        marked = re.compile(rf"<!-- {part}: begin -->.*?<!-- {part}: end -->", re.DOTALL)
        if request.config.getoption("--write-scenarios"):
            page.write_text(marked.sub(lambda _: wanted, page.read_text("utf-8")), "utf-8")
        assert marked.findall(page.read_text("utf-8")) == [wanted]

    return compare


def test_the_pages_blocks_do_what_they_show(is_classic: bool, shown: Any) -> None:
    page = PAGES / ("classic.md" if is_classic else "0.2.md")
    blocks = re.findall(r"(?ms)^```python [^\n]*\n(.*?)^```\n(?:\n<!-- (\w+): begin)?", page.read_text("utf-8"))
    assert len(blocks) == (2 if is_classic else 5)
    program: dict[str, Any] = {"__name__": "__main__"}
    for number, (block, part) in enumerate(blocks):
        with redirect_stdout(StringIO()) as printed:
            exec(compile(block, f"{page.name}, block {number}", "exec"), program)  # noqa: S102 (our own page)
        if part:
            shown(page, part, printed.getvalue())


def transcript(vendors: Any, start: Any, said: Any, call: Any, agents: Any, add_tool: Any) -> str:
    """One conversation with each vendor's wire, as AutoGen prints it; where the server is, is a matter of the run."""
    parts = []
    for name, entry in vendors.items():
        vendor = start(name, said(calls=(call("add", a=2, b=3),)), said("It is 5."))
        config_list = wire([{**entry, "base_url": vendor.url, "api_key": "k", "price": [0, 0]}])
        assistant, user = agents(config_list)
        add_tool(assistant, user)
        printed = StringIO()
        with redirect_stdout(printed):
            user.initiate_chat(assistant, message=QUESTION)
        assert vendor.refused == []
        text = re.sub(r"\x1b\[[0-9;]*m", "", printed.getvalue())
        text = re.sub(r"\((?:callnum|call_|toolu_)\w*\)", "(…)", text)
        lines = [line.rstrip() for line in text.splitlines()]
        # The rules between messages, and an empty message before the tool's result.
        lines = [line for line in lines if line.strip("*- ")]
        lines = [line for line, following in zip(lines, [*lines[1:], ""], strict=True) if line != following]
        parts.append("\n".join([json.dumps(entry), *lines]))
    return "\n\n".join(parts)


@pytest.mark.parametrize(("part", "vendors"), [("cloud", CLOUD), ("local", LOCAL)])
def test_the_page_shows_what_the_run_printed(
    part: str, vendors: Any, start: Any, said: Any, call: Any, agents: Any, add_tool: Any, is_classic: bool, shown: Any
) -> None:
    if is_classic:
        pytest.skip("the page is AutoGen 0.2's")
    shown(PAGES / "0.2.md", part, transcript(vendors, start, said, call, agents, add_tool))
