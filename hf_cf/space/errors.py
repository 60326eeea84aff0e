"""What is wrong with a visitor's input, in words that they may read."""

from __future__ import annotations


class InvalidInput(ValueError):
    """A value that somebody sent is not one that the service takes; the message says which."""
