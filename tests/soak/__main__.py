"""Mixed traffic through the gateway for minutes, every answer checked: nox -s soak -- [--minutes N] [--store FILE]."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

import soak


def main() -> None:
    """Run it, print the report, and fail if something was not as it should be."""
    parser = argparse.ArgumentParser(prog="nox -s soak --", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--store", type=Path, help="where to write the report with all samples, as JSON")
    options = parser.parse_args()
    plan = soak.Plan(options.minutes * 60, options.workers)
    report = asyncio.run(soak.run(plan, lambda text: print(text, file=sys.stderr, flush=True)))  # noqa: T201 (a command's progress)
    if options.store:
        options.store.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    print(soak.text_of(report))  # noqa: T201 (the command's result)
    sys.exit(not soak.passed(report))


if __name__ == "__main__":
    main()
