"""What proves a provider: subclass `ProviderSuite`, name the provider's class, put tapes beside the test file."""

from dragoman.testing.suite import ProviderSuite
from dragoman.testing.vendor import FakeVendor, Scripted

__all__ = ["FakeVendor", "ProviderSuite", "Scripted"]
