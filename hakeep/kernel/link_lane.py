"""The link lane: brings VMACs and ipvlans to what is wanted, in a thread, one link at a time.

To make a VMAC takes the kernel and us from one to ten milliseconds, to remove one twenty, and no advert may wait for
that. What is to be made comes first, because somebody waits for it; a link that is in the way of another one of its
name goes just before that; what nobody wants any more goes last, and only while `busy` says that the loop has nothing
to ask of the kernel, which does one thing at a time with links and addresses.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection, Iterable

import trio

from hakeep.kernel.links import VirtualLinks
from hakeep.objects.rtnl import Ipvlan, Macvlan

VirtualLink = Macvlan | Ipvlan

#: Seconds until a removal looks again whether the loop is busy.
PAUSE = 0.005


class LinkLane:
    """Call `begin` before the loop runs and `want` with every new wish, and keep `run` running.

    `log(level, text)` is told of refusals, each once. `busy()` says whether removals should wait. All calls come from
    the loop's thread; `links` is used by one thread at a time.
    """

    def __init__(
        self, links: VirtualLinks, log: Callable[[int, str], None], busy: Callable[[], bool] = lambda: False
    ) -> None:
        self.have: dict[str, VirtualLink] = {}
        self._links = links
        self._log = log
        self._busy = busy
        self._wanted: dict[str, VirtualLink] = {}
        self._refused: dict[str, VirtualLink] = {}
        self._then: Callable[[], None] | None = None
        self._news = trio.Event()
        self._turn = trio.Lock()
        self._closing = False

    def begin(self, wanted: Iterable[VirtualLink]) -> None:
        """Make all these links at once, and remove what an earlier run left behind. Blocks."""
        self._wanted = {link.name: link for link in wanted}
        crowded_out = [link for link in self._wanted.values() if not self._begin_with(link, patient=True)]
        try:
            for name in self._links.sweep():
                self._log(5, f"removed {name}, which an earlier run left behind")
        except OSError as error:
            self._log(4, f"cannot clean up old links: {error}")
        for link in crowded_out:
            self._begin_with(link, patient=False)

    def _begin_with(self, link: VirtualLink, patient: bool) -> bool:
        """Make it now. False when its MAC is in use, perhaps by what an earlier run left behind, and we are patient."""
        try:
            self._links.make(link)
            self.have[link.name] = link
        except OSError as error:
            if patient and error.errno == errno.EADDRINUSE:
                return False
            self._note_refusal(link, error)
        return True

    def want(
        self, wanted: Iterable[VirtualLink], keep: Collection[str] = (), then: Callable[[], None] | None = None
    ) -> None:
        """From now on these links should exist, and of those that exist the ones with the names in `keep`, as they are.

        `then` is called when all that can be made is there, perhaps at once; never when another wish comes before.
        """
        if self._closing:
            return
        wishes = {link.name: link for link in wanted}
        kept = {name: link for name, link in self.have.items() if name in keep}
        self._refused = {name: link for name, link in self._refused.items() if wishes.get(name) == link}
        self._wanted = {**wishes, **kept}
        self._then = then
        self._tell()
        self._news.set()

    def noticed(self, name: str, present: bool) -> None:
        """A link came or changed, or went: make our links on it, or our link of that name, again."""
        if not present:
            self.have.pop(name, None)
        waiting = [link.name for link in self._refused.values() if name in (link.name, link.base)]
        for waits in waiting if present else ():
            del self._refused[waits]
        self._news.set()

    async def release(self) -> None:
        """Take no more wishes, and remove every link that was made."""
        self._closing = True
        self._wanted, self._then = {}, None
        async with self._turn:
            self.have.clear()
            await trio.to_thread.run_sync(self._links.remove_all)

    async def run(self) -> None:
        """Carry out wishes for ever."""
        while True:
            self._news = trio.Event()
            while await self._step():
                self._tell()
            await self._news.wait()

    async def _step(self) -> bool:
        """Make or remove one link. False when there is nothing to do."""
        link = self._next_to_make()
        if link is not None:
            in_the_way = self.have.pop(link.name, None)
            async with self._turn:
                if in_the_way is not None:
                    await self._remove(link.name)
                await self._make(link)
            return True
        stray = next((name for name in reversed(self.have) if name not in self._wanted), "")
        if not stray or self._closing:
            return False
        if self._busy():
            await trio.sleep(PAUSE)
            return True
        base = self.have.pop(stray).base
        async with self._turn:
            await self._remove(stray)
        # Perhaps one under a new name waits for its MAC.
        self._refused = {name: link for name, link in self._refused.items() if link.base != base}
        return True

    def _next_to_make(self) -> VirtualLink | None:
        for name, link in self._wanted.items():
            if self.have.get(name) != link and self._refused.get(name) != link:
                return link
        return None

    async def _make(self, link: VirtualLink) -> None:
        if self._closing:
            return
        try:
            await trio.to_thread.run_sync(self._links.make, link)
        except OSError as error:
            self._note_refusal(link, error)
        else:
            self.have[link.name] = link

    async def _remove(self, name: str) -> None:
        try:
            await trio.to_thread.run_sync(self._links.remove, name)
        except OSError as error:
            self._log(4, f"cannot remove {name}: {error.strerror}")

    def _note_refusal(self, link: VirtualLink, error: OSError) -> None:
        """It is tried again when its base comes: as long as that is missing, the instance says so itself. Or when one
        of ours on the same base goes, which perhaps has the MAC that it should have."""
        self._refused[link.name] = link
        goes = any(other.base == link.base and name not in self._wanted for name, other in self.have.items())
        if error.errno != errno.ENODEV and not (error.errno == errno.EADDRINUSE and goes):
            self._log(3, f"cannot make {link.name} on {link.base}: {error.strerror}")

    def _tell(self) -> None:
        if self._then is not None and self._next_to_make() is None:
            then, self._then = self._then, None
            then()
