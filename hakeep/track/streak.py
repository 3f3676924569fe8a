"""How many equal results in a row it takes to change one's mind: `rise` and `fall`.

As in keepalived (2.2.7, seen there): the very first result decides, whatever `rise` and `fall` say, and with init_fail,
too, where a thing has failed until then. After that a thing that is well fails with the `fall`th failure in a row, and
one that has failed is well with the `rise`th success in a row.
"""

from __future__ import annotations

from typing import NamedTuple


class Memory(NamedTuple):
    """What is left of a streak for the one that goes on with it: another worker's, or another definition's.

    `well` is the judgement, told with the sentence `why` and true since the Unix time `since`; `against` results in a
    row have said the contrary meanwhile.
    """

    well: bool
    against: int
    why: str
    since: float


class Streak:
    """`well` is the judgement so far, None as long as there is none. `failed`: that is one already (init_fail)."""

    __slots__ = ("_against", "_fresh", "fall", "rise", "well")

    def __init__(self, rise: int = 1, fall: int = 1, *, failed: bool = False) -> None:
        self.rise = rise
        self.fall = fall
        self.well: bool | None = False if failed else None
        self._fresh = True
        self._against = 0

    @property
    def result(self) -> int:
        """keepalived's counter: from 0 to rise + fall - 1, well from `rise` on; one less while nothing is known."""
        if self.well is None:
            return self.rise - 1
        return self.rise + self.fall - 1 - self._against if self.well else self._against

    def resume(self, memory: Memory) -> None:
        """Go on from there."""
        self.well = memory.well
        self._against = max(0, memory.against)
        self._fresh = False

    @property
    def against(self) -> int:
        """How many results in a row have contradicted the judgement."""
        return self._against

    def count(self, success: bool) -> bool:
        """Take a result into account. True when the judgement changed."""
        fresh, self._fresh = self._fresh, False
        if success is self.well:
            self._against = 0
            return False
        self._against += 1
        if not fresh and self._against < (self.rise if success else self.fall):
            return False
        self.well = success
        self._against = 0
        return True
