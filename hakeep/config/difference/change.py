"""One difference, and what a reload does about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Effect(Enum):
    """What a reload does about a change, mildest first."""

    NOTHING = "hakeep does not act on it"
    HOT = "taken up as it runs"
    START = "started"
    STOP = "stopped"
    RESTART = "stopped and started anew"
    NEVER = "only when hakeepd is started anew"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `block` is like "vrrp_instance web" ("" = outside of blocks), `keyword` is "" for the block as a
    whole. `before` and `after` are what is said there, None where there is nothing."""

    block: str
    keyword: str
    before: str | None
    after: str | None
    effect: Effect

    def to_plain(self) -> dict[str, object]:
        """The change as JSON-ready values."""
        return {"block": self.block, "keyword": self.keyword, "before": self.before, "after": self.after,
                "effect": self.effect.name.lower()}

    def __str__(self) -> str:
        if self.before is not None and self.after is not None:
            return f"{self.keyword}: {self.before} -> {self.after}"
        sign, said = ("+", self.after) if self.before is None else ("-", self.before)
        return " ".join(filter(None, (sign, self.keyword, said))) if self.keyword or said else ""


def worst(found: Iterable[Change]) -> Effect:
    """What becomes of a block with these changes."""
    order = list(Effect)
    return max((change.effect for change in found), key=order.index, default=Effect.NOTHING)


def sentences(found: Iterable[Change], most: int = 20) -> list[str]:
    """The changes for a log, a line each; of more than `most` only their number."""
    lines = [f"{', '.join(filter(None, (change.block, str(change))))}: {change.effect.value}" for change in found]
    more = len(lines) - most
    return [*lines[:most], f"and {more} more changes"] if more > 1 else lines
