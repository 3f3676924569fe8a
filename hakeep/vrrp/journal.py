"""What is told to those who look on: lines for the log, and that there is something new to see.

A router tells of itself in its `Journal`. What somebody else does over and over, like sending bad packets, goes to the
worker's `Complaints`, which leave out what they have said just before.
"""

from __future__ import annotations

from hakeep.vrrp.messages import Changed, Effect, Level, Log, State
from hakeep.vrrp.timers import NEVER

#: The same complaint is made again after this long.
QUIET = 60.0


class Journal:
    """Of one router. Everything goes to `out`, the list of effects."""

    def __init__(self, name: str, out: list[Effect]) -> None:
        self.name = name
        self.out = out

    def log(self, level: Level, text: str, detail: bool = False) -> None:
        """A line for the log. `detail` lines appear with -D only."""
        self.out.append(Log(level, f"({self.name}) {text}", detail))

    def changed(self, state: State) -> None:
        """Something that can be seen from outside is different now; the router is in this state."""
        self.out.append(Changed(self.name, state))


class Complaints:
    """Warnings that are not repeated too often, by `who` they are about (a router or an interface) and their kind."""

    def __init__(self, out: list[Effect]) -> None:
        self.out = out
        self.made: dict[tuple[str, str], float] = {}  # when last

    def make(self, now: float, who: str, kind: str, text: str) -> None:
        """Complain, unless that was done within the last `QUIET` seconds."""
        if now - self.made.get((who, kind), -NEVER) >= QUIET:
            self.made[who, kind] = now
            self.out.append(Log(Level.WARNING, f"({who}) {text}"))

    def make_once(self, who: str, kind: str, text: str) -> None:
        """Complain, unless that was ever done."""
        if (who, kind) not in self.made:
            self.made[who, kind] = 0.0
            self.out.append(Log(Level.WARNING, f"({who}) {text}"))
