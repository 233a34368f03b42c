"""What the site's Markdown does not know: options of our fences that are for the tests (`no-run`, `exit=1`).

The site's fences take no word but their own; a block with another one would come out as text.
"""

from __future__ import annotations

import re
from typing import Any

from markdown import Extension
from markdown.preprocessors import Preprocessor

_FENCE = re.compile(r"^(?P<start> *(?:`{3,}|~{3,})\w+)(?P<info> .*)$")
_TITLE = re.compile(r' title="[^"]*"')
#: After included files were put in (32), and before fences are read (25).
_PRIORITY = 28


class _PlainFences(Preprocessor):
    def run(self, lines: list[str]) -> list[str]:
        return [_plain(line) for line in lines]


def _plain(line: str) -> str:
    if not (fence := _FENCE.match(line)):
        return line
    return fence["start"] + "".join(_TITLE.findall(fence["info"]))


class PlainFences(Extension):
    """Leave a fence its language and its title."""

    def extendMarkdown(self, md: Any) -> None:  # noqa: N802 (the library's name)
        """Register the preprocessor."""
        md.preprocessors.register(_PlainFences(md), "plain_fences", _PRIORITY)


def makeExtension(**options: Any) -> PlainFences:  # noqa: N802 (the library's name)
    """Make the extension; the library calls it by this name."""
    return PlainFences(**options)
