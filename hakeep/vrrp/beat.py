"""The adverts of a router on their way out: one every advert_int while MASTER, one of priority 0 when it resigns.

An advert counts as sent, and the lease of the addresses may run on, unless the kernel refuses it. That is heard of just
afterwards, so what stood before is kept: `take_back` puts it there again.
"""

from __future__ import annotations

from hakeep.vrrp.holding import Holding
from hakeep.vrrp.messages import Advertise, Effect
from hakeep.vrrp.rank import Rank
from hakeep.vrrp.timers import NEVER
from hakeep.vrrp.watch import Watch


class Beat:
    """The adverts of one router. They go to `out`, the list of effects, and what they renew behind them."""

    def __init__(
        self, name: str, out: list[Effect], rank: Rank, watch: Watch, holding: Holding, counters: dict[str, int]
    ) -> None:
        self.name = name
        self.out = out
        self.rank = rank
        self.watch = watch
        self.holding = holding
        self.counters = counters
        self.last_sent = -NEVER
        self.sent_before = -NEVER

    def send(self, now: float) -> None:
        """One advert. When the next one is due stays as it is."""
        self.out.append(Advertise(self.name, self.rank.priority))
        self.counters["advert_sent"] += 1
        self.sent_before, self.last_sent = self.last_sent, now
        self.holding.renew(now)

    def send_at_once(self, now: float) -> None:
        """One advert that does not wait for its time: the beat begins anew with it."""
        self.send(now)
        self.watch.timer = now
        self.watch.arm_advert(now)

    def resign(self) -> None:
        """Priority 0: we stop being MASTER."""
        self.out.append(Advertise(self.name, 0))
        self.counters["pri_zero_sent"] += 1

    def resume(self, last_sent: float) -> None:
        """Go on with the beat of a worker before us."""
        self.last_sent = self.sent_before = self.watch.timer = last_sent
        self.watch.arm_advert(last_sent)

    def take_back(self) -> float:
        """The last advert did not leave. Returns when the last one was sent that did."""
        self.last_sent = self.sent_before
        return self.last_sent
