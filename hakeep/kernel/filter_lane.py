"""The filter lane: brings nftables to what is wanted, in a thread, one transaction at a time.

A transaction takes the kernel from a tenth of a millisecond to some ten, which no advert may wait for. Only the newest
wish counts: what was wanted and changed again while a transaction ran is never carried out.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from hakeep.kernel.nft import Nft, NftError, reason
from hakeep.objects.filter import Filter, to_script

#: Seconds between attempts when nftables refuses.
RETRY = 5.0

#: What is not guaranteed without a part of the filter.
_FENCE = "a daemon that hangs answers for its addresses until their leases end"
_NO_ACCEPT = "hosts reach this one at the addresses of no_accept instances"
_REPORTS = "IGMP and MLD reports of VMACs may lead switches to a BACKUP"


class FilterLane:
    """Call `want` with what nftables should hold, `lost` when somebody else changed it, and keep `run` running.

    `log(level, text)` is told of refusals, whose reason is in `error` ("" = none). `done(declared)` is called after
    each transaction, and after its refusal, with True when the tables were made anew: then the fence does not yet know
    that we are alive, and an advert is due at once.
    """

    def __init__(self, log: Callable[[int, str], None], done: Callable[[bool], None]) -> None:
        self.nft = Nft()
        self.error = ""
        self._log = log
        self._done = done
        self._have: Filter | None = None
        self._wanted: Filter | None = None
        self._news = trio.Event()
        self._closing = False
        self._busy = False
        self._pause = 0.0

    @property
    def idle(self) -> bool:
        """True when nftables holds what is wanted."""
        return self._have == self._wanted

    @property
    def busy(self) -> bool:
        """True while a transaction runs: what is wanted meanwhile need not be known before its end."""
        return self._busy

    def want(self, wanted: Filter) -> None:
        """From now on nftables should hold this."""
        if wanted != self._wanted and not self._closing:
            self._wanted = wanted
            self._news.set()

    def lost(self, pause: float = 0.0) -> None:
        """Somebody else changed our tables: make them anew, in `pause` seconds or with the next wish."""
        self._have = None
        self._pause = pause
        self._news.set()

    async def release(self, table: str) -> None:
        """Take no more wishes, and delete our tables of this name."""
        self._closing = True
        self._wanted = None
        await trio.to_thread.run_sync(self.nft.release, table)

    async def run(self) -> None:
        """Carry out wishes for ever."""
        while True:
            await self._news.wait()
            self._news = trio.Event()
            while self._wanted is not None and self._have != self._wanted:
                pause, self._pause = self._pause, 0.0
                if pause:
                    with trio.move_on_after(pause):
                        await self._news.wait()
                    self._news = trio.Event()
                if not await self._apply(self._wanted):
                    self._news = trio.Event()
                    with trio.move_on_after(RETRY):
                        await self._news.wait()

    async def _apply(self, wanted: Filter) -> bool:
        have, self._have = self._have, None
        script = to_script(have, wanted)
        self._busy = True
        try:
            await trio.to_thread.run_sync(self.nft.run, script)
        except NftError as error:
            if self._closing:
                return False
            why = reason(error)
            if why != self.error:
                self._log(3, f"nftables refuses {refused(wanted)} ({why})")
                self.error = why
                self._done(False)
            return False
        finally:
            self._busy = False
        self.error = ""
        self._have = wanted
        self._done(have is None)
        return True


def refused(wanted: Filter) -> str:
    """What of ours is missing when nftables refuses this filter (it takes all of it or nothing), and what that means:
    a clause for the log."""
    parts = [
        (name, meaning)
        for name, meaning, missing in (
            ("the fence", _FENCE, wanted.fence.routers),
            ("no_accept", _NO_ACCEPT, wanted.no_accept),
            ("the rules for reports of VMACs", _REPORTS, wanted.reports),
        )
        if missing
    ]
    names = " and ".join(", ".join(name for name, _ in parts).rsplit(", ", 1)) or "to delete our tables"
    return ": ".join((names, "; ".join(meaning for _, meaning in parts))).removesuffix(": ")
