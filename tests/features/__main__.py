"""Which provider has which feature: found out by trying, shown in README.md.

python tests/features --write
"""

from __future__ import annotations

import os
import sys

from feature_table import page
from feature_table.vendors import VENDORS


def main() -> None:
    """Write the table, or print it with the reasons of each "no"."""
    os.environ.pop("DRAGOMAN_OFFLINE", None)
    if "--write" in sys.argv[1:]:
        page.write(page.table())
        return
    sys.stdout.write(page.table())
    for vendor in VENDORS:
        for name, outcome in page.outcomes(vendor.name).items():
            if outcome.value == "no":
                sys.stdout.write(f"{vendor.name}: {name}: {outcome.note}\n")


if __name__ == "__main__":
    main()
