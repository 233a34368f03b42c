"""What every provider does; Together's tapes are written from its reference."""

import pytest

from dragoman.testing import ProviderSuite
from dragoman.together import Together


@pytest.mark.rule(
    9, 10, 11, 12, 13, 14, 15, 17, 18, 166, 206, 208, 209, 210, 211, 212, 215, 216, 217, 218, 219, 220, 221
)
class TestTogether(ProviderSuite):
    provider = Together
