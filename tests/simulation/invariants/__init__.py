"""What must always be true, each in a file of its own, as functions of the world.

They are called at four moments: after every step of an engine, when an advert leaves, when the kernel is about to
change an address, when it has been quiet for long enough, and at the end of a world (`moments` has the lists).
"""

from __future__ import annotations


class Violated(AssertionError):
    """An invariant did not hold."""


def require(condition: object, letter: str, words: str) -> None:
    """Raise Violated unless the condition holds."""
    if not condition:
        raise Violated(f"({letter}) {words}")
