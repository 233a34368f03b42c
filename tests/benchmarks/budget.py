"""What a call may cost: CPU as a ratio to the vendor's plain SDK call in the same run ("must"), and where we aim."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """`must` is promised; `aim` is where the best of anything stands. None: nothing is promised."""

    must: float | None = None
    aim: float | None = None

    def mark(self, value: float) -> str:
        """Return what a figure is worth: aim, must, miss, or nothing where nothing is promised."""
        if self.must is None:
            return ""
        if self.aim is not None and value <= self.aim:
            return "aim"
        return "must" if value <= self.must else "miss"


_ANTHROPIC_CALL = {"sync": Limit(0.85, 0.23), "async": Limit(0.65, 0.25)}
_MISTRAL_CALL = Limit(0.15, 0.06)
#: Vendor and scenario -> the limit, or one for each mode.
_CALLS: dict[tuple[str, str], Limit | dict[str, Limit]] = {
    ("anthropic", "text"): _ANTHROPIC_CALL,
    ("anthropic", "tool"): _ANTHROPIC_CALL,
    ("anthropic", "stream"): {"sync": Limit(0.6, 0.35), "async": Limit(0.45, 0.23)},
    ("anthropic", "large"): Limit(0.25, 0.10),
    ("openai", "text"): Limit(0.6, 0.15),
    ("openai", "stream"): Limit(0.2, 0.1),
    ("openai", "large"): Limit(0.1, 0.05),
    ("mistral", "text"): _MISTRAL_CALL,
    ("mistral", "tool"): _MISTRAL_CALL,
    ("mistral", "stream"): Limit(0.1, 0.03),
}
#: Milliseconds (of CPU, which a busy machine changes less) over a bare interpreter.
IMPORT = Limit(50, 25)
#: Milliseconds over the vendor's SDK.
FIRST_CALL = Limit(100, 30)
#: MiB over the vendor's SDK alone.
FOOTPRINT = Limit(20)
#: KiB of each open stream.
OPEN_STREAM = Limit(40)
#: KiB of traced memory that stay over the second half of the calls or streams; less is noise of what fills up once.
STAYS = Limit(64)

#: What a gateway's load is called (`gateways.LOADS`) -> answers per second, of one worker: at least so many.
GATEWAY = {"16": Limit(1500, 2900), "16 streams": Limit(300, 430)}


def limit(vendor: str, scenario: str, mode: str) -> Limit:
    """Return the budget of a row of the table."""
    found = _CALLS.get((vendor, scenario), Limit())
    return found if isinstance(found, Limit) else found[mode]
