"""What every provider does; Anthropic's tapes are written from its documentation."""

import pytest

from dragoman.anthropic import Anthropic
from dragoman.testing import ProviderSuite


@pytest.mark.rule(
    1, 2, 9, 10, 11, 12, 13, 14, 17, 18, 34, 44, 127, 130, 135, 136, 137, 139, 141, 150, 163, 164, 165, 166, 167, 169
)
class TestAnthropic(ProviderSuite):
    provider = Anthropic
