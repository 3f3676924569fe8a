"""What a running router makes of news: its priority is another one, or its settings are.

Neither changes its state. A BACKUP's running timer moves by what the new priority makes of it, and whom it followed or
passed over has to be compared with it anew. A MASTER says what is new with its next advert; with one at once, if an
operator has changed what its adverts say.
"""

from __future__ import annotations

from hakeep.config.settled import VrrpInstance
from hakeep.vrrp import wanted
from hakeep.vrrp.messages import Level, NotifyChange, State
from hakeep.vrrp.router import VirtualRouter
from hakeep.vrrp.standing import Standing, compare


def judge(router: VirtualRouter, now: float) -> None:
    """Look anew at what the tracked things say: the priority follows. (FAULT is for `VirtualRouter.set_faults`.)"""
    rank = router.rank
    before, impaired = rank.priority, rank.impaired
    rank.judge(now)
    if rank.priority != before:
        router.reckon_anew()
        _priority_changed(router, before, now)
    if router.state is State.MASTER and rank.impaired and not impaired:
        rank.say_impaired()


def reload(
    router: VirtualRouter, settings: VrrpInstance, devices: wanted.Devices, lease: int | None, now: float
) -> None:
    """New settings for the same virtual router: change what differs, and nothing else."""
    if settings == router.settings and devices == router.devices and lease == router.holding.lease:
        return
    watch, old, before, priority = router.watch, router.settings, router.holding.addresses, router.rank.priority
    waited = watch.timer - watch.down_interval  # when a BACKUP last armed its timer
    interval = watch.master_interval
    router.configure(settings, devices, lease)
    watch.followed = None
    if settings.preempt_delay != old.preempt_delay:
        watch.preempt_at = None
    if router.state is State.MASTER:
        if _said(old) != _said(settings):
            router.beat.send_at_once(now)
        router.holding.update(now, before)
    elif router.state is State.BACKUP:
        watch.arm_down(waited if interval == watch.master_interval else now, watch.down_interval)
    if router.rank.priority != priority:
        _priority_changed(router, priority, now)
    router.journal.changed(router.state)


def _said(settings: VrrpInstance) -> object:
    """What adverts say: when it changes, the others should hear it at once."""
    return (settings.priority, settings.advert_int, [v.address.ip for v in settings.addresses if v.advertised])


def _priority_changed(router: VirtualRouter, before: int, now: float) -> None:
    """Our adverts say so from the next one on. Whom we followed or passed over has to be compared with us anew."""
    watch, priority, state = router.watch, router.rank.priority, router.state
    causes = router.rank.tracking.causes(now, router.rank.impaired)
    router.journal.log(Level.INFO, f"Changing effective priority from {before} to {priority}{causes}")
    watch.followed = None
    passed_over = watch.passed_over
    if (state is State.BACKUP and passed_over is not None
            and compare(passed_over, priority, router.source) not in (Standing.WORSE, Standing.RESIGNED)):
        watch.follow(passed_over, watch.last_heard)  # it was about to be preempted, and is good enough now
    if router.settings.notify.priority_changes and state in (State.MASTER, State.BACKUP):
        what = "MASTER_PRIORITY" if state is State.MASTER else "BACKUP_PRIORITY"
        router.holding.tell_after(NotifyChange("INSTANCE", router.name, what, priority))
    router.journal.changed(state)
