"""What will happen: who is master while all is well, and after each failure who takes over, and when.

Times are those of the protocol (RFC 9568 section 6.1), seen from the moment of the failure. A backup counts from the
last advert it heard, so a master that dies is missed up to one interval earlier than the longest time; the longest is
told. A failure that a tracker has to notice first comes with the time that this may take.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from hakeep.config.settled import VrrpInstance
from hakeep.vrrp import timers
from hakeep.vrrp.pair.effective import Tracker, priority, trackers
from hakeep.vrrp.pair.groups import links
from hakeep.vrrp.pair.lineup import Lineup, Side
from hakeep.vrrp.tracking import LAST_BAND


class Prospect(NamedTuple):
    """`event` on `host`; then `master` (a host, "" = nobody) holds the addresses `seconds` later at the latest.

    `seconds` is 0 for a handover without a gap, and None when nothing moves. `why` adds what is good to know.
    """

    event: str
    host: str
    master: str
    seconds: float | None
    why: str = ""

    def __str__(self) -> str:
        if not self.master:
            then = "nobody takes over"
        elif self.seconds is None:
            then = f"{self.master} is master"
        elif self.seconds == 0:
            then = f"{self.master} takes over at once"
        else:
            then = f"{self.master} takes over within {self.seconds:.2f} s"
        return f"{self.event}: {then}" + (f" ({self.why})" if self.why else "")


def succession(sides: Sequence[Side]) -> list[Side]:
    """The routers, best first. Among equals it is the source address that decides, where it is known."""
    return sorted(sides, key=lambda s: (
        priority(s) or 0, s.settled.source.packed if s.settled.source else b"",
        s.settled.state == "MASTER"), reverse=True)


def prospects(lineup: Lineup) -> list[Prospect]:
    """Everything that can be foretold of one virtual router. The first entry says who is master while all is well."""
    order = succession(lineup.sides)
    master = order[0]
    tied = [side.host for side in order if priority(side) == priority(master)]
    why = f"priority {priority(master)}"
    if len(tied) > 1:
        why += f"; as high on {' and '.join(tied[1:])}: whoever is master first stays, else the higher source address"
    found = [Prospect("all is well", master.host, master.host, None, why)]
    for side in order:
        found += _losses(side, order)
    return found


def _losses(side: Side, order: Sequence[Side]) -> Iterator[Prospect]:
    """What the failures of one host do, each while all else is well."""
    host, master = side.host, order[0]
    rest = [other for other in order if other is not side]
    heir = rest[0] if rest else None
    if side is master:
        yield from _death(side, heir)
    for tracker in trackers(side):
        if side is master or tracker.well > 0:
            yield _failure(side, tracker, order)
    if side is master:
        yield from _losses_of_others(side, heir)
    if side is master and heir is not None:
        yield _return(side, heir)
    elif side is not master:
        yield Prospect(f"{host} dies or loses its link", host, master.host, None)


def _death(side: Side, heir: Side | None) -> Iterator[Prospect]:
    event, stopped = f"{side.host} dies or loses its link", f"{side.host} is stopped or put in standby"
    if heir is None:
        yield Prospect(event, side.host, "", None, "there is no other router")
        return
    waits = _down_interval(heir, side)
    yield Prospect(event, side.host, heir.host, waits, _sum(heir, side))
    yield Prospect(stopped, side.host, heir.host, _skew(heir, side), "without a gap: the addresses stay until then")


def _failure(side: Side, tracker: Tracker, order: Sequence[Side]) -> Prospect:
    """What it does that this tracker finds a failure."""
    event = f"{tracker} fails on {side.host}"
    notice = f"up to {tracker.delay:g} s of it until it is noticed" if tracker.delay else ""
    left = priority(side, tracker)
    others = [other for other in order if other is not side]
    master = order[0]
    if side is not master:
        return Prospect(event, side.host, master.host, None, f"priority {left}" if left is not None else "FAULT")
    if not others:
        return Prospect(event, side.host, "" if left is None else side.host, None,
                        "FAULT, and there is no other router" if left is None else f"priority {left}")
    heir = others[0]
    if left is None:
        return Prospect(event, side.host, heir.host, tracker.delay + _skew(heir, side), _both("FAULT", notice))
    if left > (priority(heir) or 0):
        return Prospect(event, side.host, side.host, None, f"priority {left}, still the highest")
    if left == priority(heir):
        return Prospect(event, side.host, side.host, None, f"priority {left}, as high as {heir.host}'s: nothing moves")
    relieves = heir.settled.last_standing and left <= LAST_BAND < (priority(heir) or 0)  # whatever else it waits for
    if heir.settled.nopreempt and not relieves:
        return Prospect(event, side.host, side.host, None, f"priority {left}, but {heir.host} has nopreempt")
    wait = 0.0 if relieves else heir.settled.preempt_delay
    seconds = tracker.delay + side.settled.advert_int + wait + _down_interval(heir, side)
    late = f"preempt_delay {wait:g} s" if wait else ""
    return Prospect(event, side.host, heir.host, seconds, _both(f"priority {left}", late, notice))


def _losses_of_others(side: Side, heir: Side | None) -> Iterator[Prospect]:
    """What the links of the other members of its sync group do: their failure is that of all."""
    own = set(links(side.settled))
    for other in _others(side):
        for link in links(other):
            if link in own:
                continue
            event = f"interface {link} of {other.name} fails on {side.host}"
            if heir is None:
                yield Prospect(event, side.host, "", None, "FAULT by the sync group, and there is no other router")
                continue
            theirs = [each for each in _others(heir) if (each.family, each.virtual_router_id)
                      == (other.family, other.virtual_router_id)]
            waits = [_silence(each, other) for each in theirs]  # on that link there is silence, here a word
            yield Prospect(event, side.host, heir.host, max([_skew(heir, side), *waits]), "FAULT by the sync group")


def _others(side: Side) -> list[VrrpInstance]:
    """The other members of its sync group."""
    names = {name for group in side.settings.groups if side.name in group.members for name in group.members}
    return [instance for instance in side.settings.vrrp if instance.name in names - {side.name}]


def _silence(backup: VrrpInstance, master: VrrpInstance) -> float:
    """How long this backup waits for an advert of a master that is not heard any more."""
    learned = master.advert_int if backup.version == 3 else backup.advert_int
    return timers.master_down_interval(backup.version, backup.priority, learned, backup.down_timer_adverts)


def _return(side: Side, heir: Side) -> Prospect:
    """What happens when the preferred host is back while its heir is master."""
    event = f"{side.host} comes back"
    if side.settled.nopreempt:
        return Prospect(event, side.host, heir.host, None, "nopreempt")
    if (priority(side) or 0) <= (priority(heir) or 0):
        return Prospect(event, side.host, heir.host, None, "equal priorities do not preempt")
    if side.settled.owner:
        return Prospect(event, side.host, side.host, 0.0, "it owns the addresses")
    delay = side.settled.preempt_delay + _down_interval(side, heir)
    return Prospect(event, side.host, side.host, delay,
                    f"preempt_delay {side.settled.preempt_delay:g} s" if side.settled.preempt_delay else "it preempts")


def _down_interval(backup: Side, master: Side) -> float:
    """How long this backup waits for an advert of that master. Version 3 learns the master's interval."""
    own, theirs = backup.settled, master.settled
    learned = theirs.advert_int if own.version == 3 else own.advert_int
    return timers.master_down_interval(own.version, priority(backup) or 1, learned, own.down_timer_adverts)


def _skew(backup: Side, master: Side) -> float:
    learned = master.settled.advert_int if backup.settled.version == 3 else backup.settled.advert_int
    return timers.skew_time(backup.settled.version, priority(backup) or 1, learned)


def _sum(backup: Side, master: Side) -> str:
    """The master down interval as a sum."""
    own = backup.settled
    learned = master.settled.advert_int if own.version == 3 else own.advert_int
    return f"{own.down_timer_adverts} x {learned:g} s and {_skew(backup, master):.2f} s of skew"


def _both(*texts: str) -> str:
    return ", ".join(text for text in texts if text)
