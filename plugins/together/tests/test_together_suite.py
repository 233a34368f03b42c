"""What every provider does; Together's tapes are written from its reference."""

from dragoman.testing import ProviderSuite
from dragoman.together import Together


class TestTogether(ProviderSuite):
    provider = Together
