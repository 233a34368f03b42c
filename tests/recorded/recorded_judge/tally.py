"""Counting: every judged line is in exactly one column of each table."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

COLUMNS = ("right", "wrong", "left out", "not run")


@dataclass
class Table:
    """One question asked of many lines. `lines`: how many lines of each file the question is about."""

    title: str
    lines: Counter[str] = field(default_factory=Counter)
    columns: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    reasons: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)

    def count(self, file: str, column: str, reason: str = "") -> None:
        """Put one line into a column; a reason belongs to what is left out."""
        self.columns[file][column] += 1
        if reason:
            self.reasons[reason] += 1

    def text(self) -> list[str]:
        """The table, its sums checked, and the reasons with their counts."""
        width = max([len(file) for file in self.lines] + [len(self.title)]) + 2
        head = "".join(f"{name:>10}" for name in ("lines", "tried", *COLUMNS))
        rows = [f"{self.title:<{width}}{head}"]
        rows += [self._row(file, width, self.lines[file], self._of(file)) for file in self.lines]
        total: Counter[str] = Counter()
        for file in self.lines:
            total.update(self._of(file))
        rows.append(self._row("sum", width, sum(self.lines.values()), total))
        rows += [f"    left out {number:>5}  {reason}" for reason, number in self.reasons.most_common()]
        rows += [f"    note     {number:>5}  {note}" for note, number in self.notes.most_common()]
        return rows

    def _of(self, file: str) -> Counter[str]:
        """A file's columns; what no test spoke about was not run (it was deselected)."""
        columns = Counter(self.columns[file])
        columns["not run"] = self.lines[file] - sum(columns[name] for name in COLUMNS[:3])
        return columns

    @staticmethod
    def _row(name: str, width: int, lines: int, columns: Counter[str]) -> str:
        tried = columns["right"] + columns["wrong"]
        return f"{name:<{width}}" + "".join(
            f"{number:>10}" for number in (lines, tried, *(columns[c] for c in COLUMNS))
        )
