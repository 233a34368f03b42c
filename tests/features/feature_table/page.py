"""Make the table of the capability files, and put it into README.md between two marks; where none tells, try it out."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import openai
from feature_table.features import FEATURES, AbsentError
from feature_table.server import open_desk
from feature_table.vendors import BY_NAME, VENDORS

from dragoman.core import DragomanError, DragomanWarning, UnsupportedParameter, capabilities_of
from dragoman.core.plugins import Plugins

if TYPE_CHECKING:
    from feature_table.features import Feature
    from feature_table.server import Desk

README = Path(__file__).parents[3] / "README.md"
BEGIN, END = "<!-- features: begin -->\n", "<!-- features: end -->\n"
#: The tool that is asked for by its name; a note is about any.
_NAMED = re.compile(r"'time'|\btime\b")
_MARKED = re.compile(f"(?<={re.escape(BEGIN)}).*(?={re.escape(END)})", re.DOTALL)


@dataclass(frozen=True)
class Outcome:
    """A cell. `note`: what is done instead, or why it is not to be had. "broken": neither one nor the other."""

    value: Literal["yes", "adapted", "no", "broken"]
    note: str = ""


@cache
def outcomes(name: str) -> dict[str, Outcome]:
    """Try all features at one vendor."""
    with open_desk(BY_NAME[name]) as desk, warnings.catch_warnings():
        warnings.simplefilter("ignore", DragomanWarning)
        return {feature.name: _outcome(desk, feature) for feature in FEATURES}


def _outcome(desk: Desk, feature: Feature) -> Outcome:
    try:
        return _try(desk, feature)
    except Exception as error:  # noqa: BLE001 (one feature must not hide the others)
        return Outcome("broken", f"{type(error).__name__}: {error}")


def _try(desk: Desk, feature: Feature) -> Outcome:
    desk.policy, desk.adapted, desk.server.refused = "raise", {}, ""
    before = desk.server.count
    try:
        feature.check(desk)
    except AbsentError:
        return Outcome("no", "the provider has nothing like it")
    except openai.BadRequestError as error:
        if not (desk.server.refused and feature.refusable):
            raise
        return Outcome("no", f"the provider refuses it: {_one_line(error)}")
    except (DragomanError, openai.NotFoundError) as error:
        if desk.server.count != before:
            raise
        _check_blame(feature, error)
        return _adapted(desk, feature, _one_line(error))
    return Outcome("yes")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _check_blame(feature: Feature, error: Exception) -> None:
    """A refusal must be about what was asked for, or the cell would tell of something else."""
    if isinstance(error, UnsupportedParameter):
        assert error.param.startswith(feature.params), f"{feature.name}: {error}"


def _adapted(desk: Desk, feature: Feature, reason: str) -> Outcome:
    desk.policy = "adapt"
    try:
        feature.check(desk)
    except (AssertionError, DragomanError, openai.NotFoundError):
        # Left out, or refused whatever the policy: there is no nearest thing.
        assert not desk.adapted, f"{desk.vendor.name}: {feature.name}: adapted, and not as promised"
        return Outcome("no", reason)
    done = [text for param, text in desk.adapted.items() if param.startswith(feature.params)]
    if not done:
        return Outcome("no", reason)
    if feature.nearest is not None:
        feature.nearest(desk)
    return Outcome("adapted", _NAMED.sub("the named tool", "; ".join(done)))


@cache
def told(name: str) -> dict[str, Outcome]:
    """What a vendor's capability file tells; nothing of a feature that no tape shows."""
    known = capabilities_of(Plugins().provider(name))
    cells = {feature.name: known[feature.id] for feature in FEATURES}
    return {row: Outcome(one.value, one.note) for row, one in cells.items() if one.value != "unknown"}


def table() -> str:
    """The table, and its notes. Raises ValueError where something is broken."""
    found = {vendor.name: {**outcomes(vendor.name), **told(vendor.name)} for vendor in VENDORS}
    if broken := [
        (name, key) for name, cells in found.items() for key, cell in cells.items() if cell.value == "broken"
    ]:
        message = f"these neither work nor are refused: {broken}"
        raise ValueError(message)
    notes: dict[str, int] = {}
    lines = [f"| | {' | '.join(found)} |", f"|---|{'---|' * len(found)}"]
    for feature in FEATURES:
        cells = []
        for results in found.values():
            outcome = results[feature.name]
            number = notes.setdefault(outcome.note, len(notes) + 1) if outcome.value == "adapted" else 0
            cells.append(f"adapted<sup>{number}</sup>" if number else outcome.value)
        lines.append(f"| {feature.name} | {' | '.join(cells)} |")
    listed = [f"{number}. {note}" for note, number in notes.items()]
    return "\n".join([*lines, *(["", *listed] if listed else []), ""])


def cells() -> dict[tuple[str, str], str]:
    """What README says: (provider, feature) -> yes, adapted or no."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in written().splitlines() if line[:1] == "|"]
    if not rows:
        return {}
    (_, *names), _, *body = rows
    return {(name, row[0]): re.sub("<.*", "", cell) for row in body for name, cell in zip(names, row[1:], strict=True)}


def written() -> str:
    """The table as it stands in README.md; empty if it does not."""
    found = _MARKED.search(README.read_text("utf-8"))
    return found[0].strip("\n") + "\n" if found else ""


def write(text: str) -> None:
    """Put the table between the marks. Raises ValueError if README.md has none."""
    page = README.read_text("utf-8")
    if not _MARKED.search(page):
        message = f"{README} lacks the lines {BEGIN.strip()} and {END.strip()}"
        raise ValueError(message)
    README.write_text(_MARKED.sub(lambda _: f"\n{text}\n", page), "utf-8")
