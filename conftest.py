"""What a run of many suites needs, wherever it starts."""

from __future__ import annotations

import gc


def pytest_collection_finish() -> None:
    """Set thousands of collected tests aside: some tests collect garbage, and each time all of these were looked at."""
    gc.collect()
    gc.freeze()
