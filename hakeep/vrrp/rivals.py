"""What a MASTER does about others that are MASTER, too, but should not be. (One that is better it gives way to.)

**One that is worse** has announced our addresses: claim them back with an advert at once, and announce them anew when
it has had time to give way. Such answers are limited, for a broken neighbour must not make us flood the link.

**A second address owner.** Both have priority 255, which nothing is above. The one with the lower address goes on for a
while, then lets the other have it: it uses 254 as long as that other one is heard.

**One whose AH we refuse**, perhaps only because its sequence was not above ours. Masters that send at the same time
count in step, and refuse each other for ever. So each counts on by one for every router that is worse, going by what
the packets say, and the best is soon ahead. Once for each of them between two adverts of ours, and not for many: the
packets may be forged.
"""

from __future__ import annotations

from hakeep.config.settled import VrrpInstance
from hakeep.objects.rtnl import IPAddress
from hakeep.vrrp.authentication import AuthMemory
from hakeep.vrrp.beat import Beat
from hakeep.vrrp.holding import Holding
from hakeep.vrrp.journal import Journal
from hakeep.vrrp.messages import Level, NotifyChange
from hakeep.vrrp.rank import Rank
from hakeep.vrrp.receive import Advert
from hakeep.vrrp.timers import NEVER
from hakeep.vrrp.watch import Watch

#: Answers to adverts of lower priority are at least this far apart: a broken neighbour must not make us flood the link.
ANSWER_GAP = 0.05

#: So many other masters are believed to exist at the same time.
RIVALS_MAX = 8


class Rivals:
    """What one router knows of its rivals while it is MASTER. Times are monotonic seconds."""

    def __init__(
        self, rank: Rank, watch: Watch, beat: Beat, holding: Holding, memory: AuthMemory, journal: Journal,
        counters: dict[str, int],
    ) -> None:
        self.rank = rank
        self.watch = watch
        self.beat = beat
        self.holding = holding
        self.memory = memory
        self.journal = journal
        self.counters = counters
        self.answered = -NEVER
        self.outcounted = -NEVER  # when AH's sequence was last moved on, and because of whom since our last advert
        self.outcounted_for: set[IPAddress] = set()
        self.owner_since: float | None = None  # when another owner was first heard

    def configure(self, settings: VrrpInstance) -> None:
        """Take (new) settings."""
        self.settings = settings

    @property
    def _answer_gap(self) -> float:
        return min(ANSWER_GAP, self.settings.advert_int / 2)

    def stand_fast(self, now: float) -> None:
        """Another master stops being one: whoever waits shall know that we go on."""
        self.owner_since = None
        self.beat.send_at_once(now)
        self.holding.heal(now)

    def force_election(self, advert: Advert, now: float) -> None:
        """Somebody worse believes to be MASTER and has announced our addresses: claim them back."""
        self.holding.heal(now)
        if now - self.answered < self._answer_gap:
            return
        self.answered = now
        what = f"Received advert from {advert.source} with lower priority {advert.priority}, ours {self.rank.priority}"
        if self.settings.lower_prio_no_advert:
            self.journal.log(Level.INFO, what, detail=True)
        else:
            if self.settings.auth_type == "AH":
                self.memory.skip_ah_sequence()
            self.beat.send_at_once(now)
            self.journal.log(Level.NOTICE, f"{what}, forcing new election")
            self.holding.claim(now)
        name = self.settings.name
        self.holding.tell_after(NotifyChange("INSTANCE", name, "MASTER_RX_LOWER_PRI", self.rank.priority))

    def meet_twin(self, advert: Advert) -> None:
        """Somebody says what only we could say."""
        self.counters["twin_seen"] += 1
        if self.counters["twin_seen"] == 1:
            what = f"advert with our own priority and source {advert.source}"
            self.journal.log(Level.WARNING, f"{what}: a mirrored packet, or an address that is used twice")

    def meet_owner(self, advert: Advert, now: float) -> None:
        """There is another address owner on the link, with a higher address."""
        if self.owner_since is None:
            self.owner_since = now
            self.journal.log(Level.WARNING, f"another address owner, {advert.source}, is on the link")
        self.watch.master_interval = max(self.watch.master_interval, advert.interval)

    def heed_owner(self, now: float) -> None:
        """Before each advert of an owner: has the other one stayed for long enough, or gone?"""
        watch, rank = self.watch, self.rank
        silent = now - watch.last_heard > watch.down_interval
        if self.owner_since is not None:
            longest = max(self.settings.advert_int, watch.master_interval)
            if silent:
                self.owner_since = None
            elif now - self.owner_since >= 2 * self.settings.advert_int + 1.2 * longest:
                self.owner_since = None
                rank.lowered = True
                self.journal.log(
                    Level.WARNING, "another address owner, with a higher address, stays: using priority 254")
        elif rank.lowered and silent:
            rank.lowered = False
        watch.reckon()

    def outcount(self, priority: int, source: IPAddress, ours: IPAddress, now: float) -> None:
        """An advert of this priority was refused by AH; we send from `ours`."""
        if self.outcounted < self.beat.last_sent:
            self.outcounted_for.clear()
        worse = (priority, source.packed) < (self.rank.priority, ours.packed)
        if worse and source not in self.outcounted_for and len(self.outcounted_for) < RIVALS_MAX:
            self.memory.skip_ah_sequence()
            if not self.settings.lower_prio_no_advert and now - self.answered >= self._answer_gap:
                self.answered = now
                self.beat.send_at_once(now)
                self.outcounted_for.clear()
            self.outcounted = now
            self.outcounted_for.add(source)
            self.holding.heal(now)
