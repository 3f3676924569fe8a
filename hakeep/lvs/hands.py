"""Other hands on the table: what somebody else changed and we put back, told in one line a second at most.

Two programs that each put back what the other one did can go on for ever. The log is to say so, and to stay readable.
"""

from __future__ import annotations

from collections.abc import Sequence

from hakeep.objects.ipvs import DestinationKey, ServiceKey
from hakeep.vrrp.messages import Level, Log
from hakeep.vrrp.timers import NEVER

#: Seconds between two lines.
PAUSE = 1.0

#: So many things are named in a line; the rest is counted.
NAMED = 3


class OtherHands:
    """`due` is when `tell` has something to say, inf when it has not. `count` is of all that was put back."""

    def __init__(self) -> None:
        self.due = NEVER
        self.count = 0
        self._named: dict[ServiceKey | DestinationKey, None] = {}
        self._untold = 0
        self._quiet_until = -NEVER

    def note(self, now: float, what: Sequence[ServiceKey | DestinationKey]) -> None:
        """These were put back."""
        self.count += len(what)
        self._untold += len(what)
        for key in what:
            if len(self._named) == NAMED:
                break
            self._named[key] = None
        self.due = max(now, self._quiet_until)

    def tell(self, now: float) -> list[Log]:
        """The line that is due, if one is."""
        if now < self.due:
            return []
        names = ", ".join(row(key) for key in self._named)
        more = f" and {self._untold - len(self._named)} more" if self._untold > len(self._named) else ""
        self._named, self._untold = {}, 0
        self.due, self._quiet_until = NEVER, now + PAUSE
        return [Log(Level.WARNING, f"somebody else changed the table; put back: {names}{more}")]


def row(key: ServiceKey | DestinationKey) -> str:
    """A row of the table, for the log."""
    return f"[{key.ip}]:{key.port} of {key.service}" if isinstance(key, DestinationKey) else str(key)
