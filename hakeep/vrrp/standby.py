"""Planned handover: an operator wants a router to serve no longer, until a time or until further notice.

A MASTER resigns and hands its addresses over as it would when it stops. Then it takes part in elections as the last of
all: it does not preempt, and takes over only if nobody else is heard, with priority 1, so that whoever comes serves in
its place. `even_if_alone` forbids even that.
"""

from __future__ import annotations

from hakeep.vrrp import timers
from hakeep.vrrp.messages import Level, State
from hakeep.vrrp.router import VirtualRouter
from hakeep.vrrp.timers import NEVER


def begin(router: VirtualRouter, now: float, until: float, even_if_alone: bool) -> None:
    """Hand over, and take no part in elections. The order may be renewed with other terms."""
    rank, watch, journal = router.rank, router.watch, router.journal
    rank.standby, router.standby_until, router.even_if_alone = True, until, even_if_alone
    watch.followed = None
    if router.state is State.MASTER and (even_if_alone or not rank.alone):
        router.resign(now, NEVER, at_once=False)
        rank.alone = False
        router.enter_backup(now, "standby by order", " (standby)")
        if not even_if_alone:  # if nobody takes over by then, nobody will: serve on, without a gap
            watch.arm_down(now, timers.handover_limit(router.settings))
    else:
        router.reckon_anew()
        if watch.passed_over is not None:  # it was about to be preempted, and may stay now
            watch.follow(watch.passed_over, watch.last_heard)
        journal.log(Level.NOTICE, "standby by order")
        journal.changed(router.state)


def begin_before_start(router: VirtualRouter, until: float, even_if_alone: bool) -> None:
    """Be in standby from the start: the order is older than this process."""
    router.rank.standby, router.standby_until, router.even_if_alone = True, until, even_if_alone
    router.watch.reckon()
    router.journal.log(Level.NOTICE, "standby by order, given before this start")


def expire(router: VirtualRouter, now: float) -> None:
    """The order's time is over. If its timer is, too, and for too long, then that comes first."""
    if now > router.watch.late_at:
        router.overslept(now)
    end(router, now)


def end(router: VirtualRouter, now: float) -> None:
    """Take part in elections again."""
    rank, watch = router.rank, router.watch
    router.standby_until = NEVER
    if not rank.standby:
        return
    rank.standby = router.even_if_alone = rank.alone = False
    watch.followed = None
    router.reckon_anew()
    router.journal.log(Level.NOTICE, "standby is over")
    router.journal.changed(router.state)
    if router.state is State.MASTER:
        router.beat.send_at_once(now)
    elif router.state is State.BACKUP and rank.owner and now >= router.hold_until:
        why = "owner of the addresses; standby is over"
        if router.group is None:
            router.become_master(now, why)
        else:
            watch.wants = why
            router.group.stir()
