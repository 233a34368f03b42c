"""What every provider does; Anthropic's tapes are written from its documentation."""

from dragoman.anthropic import Anthropic
from dragoman.testing import ProviderSuite


class TestAnthropic(ProviderSuite):
    provider = Anthropic
