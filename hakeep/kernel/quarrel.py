"""Somebody keeps changing our nftables table: a firewall script in a loop, or another hakeepd that uses the same name.

Two that put their own back at once whenever the other one did so would keep the kernel busy for ever, and each would be
without a fence half of the time. So who is disturbed too often, or by one of its own kind, puts its table back after a
pause only, and says in status that the fence cannot be relied upon.
"""

from __future__ import annotations

from collections import deque

#: So many disturbances within so many seconds are an accident; more are a quarrel.
ACCIDENTS, WITHIN = 3, 60.0

#: Seconds until the table is put back in a quarrel.
PAUSE = 10.0

#: What the kernel calls the processes that only another hakeepd can be, when they change our table; and its thread for
#: that, which may have ended before anybody could ask whose it was.
_OUR_KIND = ("hakeepd", "run from hakeep")


class Quarrel:
    """Tell it of each disturbance with `blame`. `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._disturbed: deque[float] = deque(maxlen=ACCIDENTS + 1)
        self._until = -1.0
        self._who = ""

    def blame(self, who: str, now: float, gone: bool = False) -> float:
        """`who` (a process, as ``nft[4711]``) changed our table, or deleted it (`gone`); how many seconds to wait until
        it is put back. A hakeepd that deletes it has come to its end, and the quarrel with it."""
        if gone and who.startswith(_OUR_KIND):
            self._until = now
            return 0.0
        self._disturbed.append(now)
        often = len(self._disturbed) > ACCIDENTS and now - self._disturbed[0] <= WITHIN
        if not (often or who.startswith(_OUR_KIND) or now < self._until):
            return 0.0
        self._who, self._until = who, now + 2 * PAUSE
        return PAUSE

    def over(self, now: float) -> bool:
        """True when there is none, or none any more: what was put back has stayed."""
        return now >= self._until

    @property
    def reason(self) -> str:
        """Why there is no fence to rely upon, as long as it is not `over`."""
        return f"contested by {self._who}"

    @property
    def cure(self) -> str:
        """What to do about it: the end of a sentence."""
        if self._who.startswith(_OUR_KIND):
            return "two hakeepd in one network namespace need an instance name or an nftables_table each"
        return "the fence cannot be relied upon until that ends"
