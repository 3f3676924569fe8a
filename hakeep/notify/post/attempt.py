"""How an attempt to deliver something can fail. All else (OSError, what libraries raise) means that nobody can be
reached who could take it."""

from __future__ import annotations


class Refused(Exception):
    """The other side does not want it, and never will. The text says why."""


class Later(Exception):
    """The other side does not take this now, but may later. `left` are the recipients who have not got it yet."""

    def __init__(self, why: str, left: tuple[str, ...] = ()) -> None:
        super().__init__(why)
        self.left = left


class Unreachable(Exception):
    """There is nobody whom we could give it to. The text says why."""


def sentence(text: object) -> str:
    """What the other side said, fit for a line of the log: short and printable."""
    found = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    return " ".join("".join(char if char.isprintable() else " " for char in found).split())[:200]
