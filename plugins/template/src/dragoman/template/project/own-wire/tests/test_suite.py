"""dragoman's suite, over the tapes beside this file."""

from dragoman.testing import ProviderSuite

from dragoman_acme import Acme


class TestAcme(ProviderSuite):
    provider = Acme
    history = "turns"
