"""Acme's models for dragoman: `acme/<model>`."""

from dragoman_acme.provider import Acme

__all__ = ["Acme"]
