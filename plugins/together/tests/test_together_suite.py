"""What every provider does; Together's tapes are written from its reference."""

from dragoman.together import Together
from dragoman.testing import ProviderSuite


class TestTogether(ProviderSuite):
    provider = Together
