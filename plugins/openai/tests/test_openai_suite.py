"""What every provider does; OpenAI's tapes are written from its reference."""

from dragoman.openai import OpenAI
from dragoman.testing import ProviderSuite


class TestOpenAI(ProviderSuite):
    provider = OpenAI
    # The same class at another address assumes less.
    address = "http://api.openai.com/v1"


class TestElsewhere(ProviderSuite):
    provider = OpenAI
    tapes = "tapes_elsewhere"
    tells_capabilities = False
