"""Who of two routers is MASTER, after which failure the other one is, and how long that takes."""

from __future__ import annotations

from hakeep.config.diagnostic import Code, Diagnostic, Severity, Verdict
from hakeep.config.span import Span
from hakeep.vrrp.pair.effective import group_of, priority, trackers
from hakeep.vrrp.pair.lineup import Side
from hakeep.vrrp.pair.rule import Found, differ, rule


@rule(Code.PAIR_DOWN)
def down_timer(one: Side, other: Side) -> Found:
    """Another number of adverts that may be missed

    down_timer_adverts decides how long a backup waits. Where it differs, it depends on who is backup how long an
    outage lasts; and a backup that waits less than the others may overtake one of higher priority.

    Example::

        a: version 3
           down_timer_adverts 3
        b: version 3
           down_timer_adverts 5

    Cure::

        a: version 3
           down_timer_adverts 3
        b: version 3
           down_timer_adverts 3
    """
    mine, theirs = other.settled.down_timer_adverts, one.settled.down_timer_adverts
    if mine != theirs:
        yield differ(Code.PAIR_DOWN, one, other, f"down_timer_adverts {mine}, and {theirs} on {one.host}",
                     "down_timer_adverts", first=f"down_timer_adverts {theirs}", severity=Severity.WARNING,
                     note="who is backup decides how long an outage lasts")


@rule(Code.PAIR_PRIORITY)
def equal_priority(one: Side, other: Side) -> Found:
    """Equal priorities

    Then the higher source address decides an election, and whoever is master already stays. That is a way to avoid a
    second interruption when a host returns; where one host is to be preferred give it the higher priority.

    Example::

        a: priority 100
        b: priority 100

    Cure::

        a: priority 150
        b: priority 100
    """
    if priority(one) == priority(other) and not (one.settled.owner and other.settled.owner):
        yield differ(
            Code.PAIR_PRIORITY, one, other, f"priority {other.settled.priority} on both", "priority",
            first=f"priority {other.settled.priority}", severity=Severity.WARNING,
            note="the higher source address wins an election; who is master stays")


@rule(Code.PAIR_OWNERS)
def owners(one: Side, other: Side) -> Found:
    """Two owners of the same addresses

    Priority 255 says that a router owns the addresses: it becomes master as soon as it starts, whoever else is. Two
    such routers are both master, and fight.

    Example::

        a: priority 255
        b: priority 255

    Cure::

        a: priority 150
        b: priority 100
    """
    if one.settled.owner and other.settled.owner:
        yield differ(
            Code.PAIR_OWNERS, one, other, "priority 255 is for the one host that owns the addresses", "priority",
            first="priority 255", note="both become MASTER at once when they start")


@rule(Code.PAIR_STATE)
def two_masters_meant(one: Side, other: Side) -> Found:
    """state MASTER on both

    `state` is only where a router starts in thought; priority decides who is master. Two files that both say MASTER
    tell the reader something that will not be.

    Example::

        a: state MASTER
           priority 150
        b: state MASTER
           priority 100

    Cure::

        a: state MASTER
           priority 150
        b: state BACKUP
           priority 100
    """
    if one.settled.state == other.settled.state == "MASTER" and priority(one) != priority(other):
        lower = min((one, other), key=lambda side: priority(side) or 0)
        higher = other if lower is one else one
        yield differ(Code.PAIR_STATE, higher, lower, "state MASTER, but its priority is the lower one", "state",
                     first="state MASTER, with the higher priority", severity=Severity.NOTE, fix="state BACKUP")


@rule(Code.PAIR_PREEMPTION)
def preemption(one: Side, other: Side) -> Found:
    """Preemption on one side only

    nopreempt keeps a router from taking over from a living master of lower priority. On the preferred host it avoids a
    second interruption when that returns. If only the other host has it, it changes nothing in this pair.

    Example::

        a: priority 150
        b: priority 100
           nopreempt

    Cure::

        a: priority 150
           nopreempt
        b: priority 100
           nopreempt
    """
    higher, lower = sorted((one, other), key=lambda side: -(priority(side) or 0))
    if lower.settled.nopreempt and not higher.settled.nopreempt and priority(higher) != priority(lower):
        yield differ(
            Code.PAIR_PREEMPTION, higher, lower, f"nopreempt here does not keep {higher.host} from taking over when it "
            "comes back", "nopreempt", first="preempts", severity=Severity.NOTE,
            fix=f"nopreempt in {higher.host}, if it is to wait")


@rule(Code.PAIR_WEIGHT)
def weight_too_small(one: Side, other: Side) -> Found:
    """A failure that moves nothing

    A tracker with a weight lowers the priority when what it tracks fails, so that another host takes over. That works
    only if the lowered priority is below the other host's. If it is not, the failed host stays master.

    Example::

        a: priority 150
           track_interface {
               eth1 weight -20
           }
        b: priority 100

    Cure::

        a: priority 150
           track_interface {
               eth1 weight -60
           }
        b: priority 100
    """
    higher, lower = sorted((one, other), key=lambda side: -(priority(side) or 0))
    top, rest = priority(higher), priority(lower)
    if top is None or rest is None or top <= rest:
        return
    for tracker in trackers(higher):
        left = priority(higher, tracker)
        if left is not None and rest <= left < top:
            yield Diagnostic(
                Code.PAIR_WEIGHT, Severity.WARNING, f"{higher.name}: when {tracker} fails priority {top} becomes "
                f"{left}, but {lower.host} has {rest}: nothing moves", tracker.span, _also(lower, rest),
                verdict=Verdict.OK, note="the weight should lower it by at least " + str(top - rest + 1))


def _also(side: Side, value: int) -> tuple[Span, str] | None:
    place = side.span("priority")
    return (place, f"{side.host}: {value}") if place else None


@rule(Code.PAIR_GROUPS)
def groups(one: Side, other: Side) -> Found:
    """A sync group on one side only

    Members of a sync_group move together. If only one host groups them, a failure there moves all of them, but on the
    other host each goes its own way, and traffic may come in on one host and leave on the other.

    Example::

        a: group
        b:

    Cure::

        a: group
        b: group
    """
    mine, theirs = group_of(other), group_of(one)
    if (mine is None) != (theirs is None):
        group, has, lacks = (mine, other, one) if mine is not None else (theirs, one, other)
        assert group is not None
        place = group.span("group")
        yield Diagnostic(
            Code.PAIR_GROUPS, Severity.WARNING, f"{lacks.name}: it is in no sync group, and in {group.name} on "
            f"{has.host}", lacks.span(), (place, f"{has.host}: grouped") if place else None, verdict=Verdict.OK,
            note="its fellows do not follow it on this host")
