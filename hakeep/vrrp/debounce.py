"""interface_up_down_delays: a change of a link counts when it has lasted.

Only up and down are held back. Whatever else changes about a link is passed on at once, and a link that is gone is
gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hakeep.config.settled import LinkDelay
from hakeep.objects.rtnl import Link
from hakeep.vrrp.timers import NEVER


class Debounce:
    """What the kernel says of links goes in, what counts comes out. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.deadline = NEVER
        self._delays: dict[str, LinkDelay] = {}
        self._shown: dict[str, Link] = {}
        self.pending: dict[str, tuple[float, Link]] = {}  # from when on this counts, by name

    def configure(self, delays: Iterable[LinkDelay]) -> list[Link]:
        """Go by these delays from now on. Returns the links whose change need not wait any longer."""
        self._delays = {delay.interface: delay for delay in delays}
        free = [name for name in self.pending if name not in self._delays]
        return self._release(free)

    def hear(self, now: float, link: Link) -> Link:
        """The kernel says this of a link; returns what counts now. The first that is said of a link always does."""
        delay, shown = self._delays.get(link.name), self._shown.get(link.name)
        self.pending.pop(link.name, None)
        wait = 0.0
        if delay is not None and shown is not None and link.usable != shown.usable:
            wait = delay.up if link.usable else delay.down
        if wait and shown is not None:
            self.pending[link.name] = (now + wait, link)
            link = replace(link, up=shown.up, running=shown.running)
        self._reckon()
        self._shown[link.name] = link
        return link

    def lose(self, name: str) -> None:
        """The link is gone."""
        self._shown.pop(name, None)
        self.pending.pop(name, None)
        self._reckon()

    def due(self, now: float) -> list[Link]:
        """The links whose change has lasted."""
        return self._release([name for name, (at, _) in self.pending.items() if at <= now])

    def remember(self, pending: Iterable[tuple[float, Link]]) -> None:
        """Go on with what was pending once."""
        self.pending = {link.name: (at, link) for at, link in pending}
        self._reckon()

    def _release(self, names: Iterable[str]) -> list[Link]:
        links = [self.pending.pop(name)[1] for name in names]
        self._shown |= {link.name: link for link in links}
        self._reckon()
        return links

    def _reckon(self) -> None:
        self.deadline = min((at for at, _ in self.pending.values()), default=NEVER)
