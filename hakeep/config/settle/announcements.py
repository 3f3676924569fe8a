"""What is told to others: gratuitous ARP and neighbour advertisements, scripts, FIFOs."""

from __future__ import annotations

from hakeep.config.settle.globals import settle_alert
from hakeep.config.settle.subject import Subject, either
from hakeep.config.settled import Garp, Notify


def settle_garp(subject: Subject) -> Garp:
    """Announcement options. Those for adverts of lower priority come from the global ones, never from the instance's
    own master options."""
    own, g = subject.written, subject.defaults.written
    once = bool(g.vrrp_min_garp)
    delay = _first(g.vrrp_garp_master_delay, 0 if once else 5)
    repeat = _first(g.vrrp_garp_master_repeat, 1 if once else 5)
    lower_delay = _first(own.garp_lower_prio_delay, g.vrrp_garp_lower_prio_delay, delay)
    lower_repeat = _first(own.garp_lower_prio_repeat, g.vrrp_garp_lower_prio_repeat, repeat)
    if subject.strict:
        lower_delay = lower_repeat = 0
    every, extra = own.garp_extra_if or g.vrrp_garp_extra_if or (False, 0)
    elsewhere = any(entry.dev and entry.dev != own.interface
                    for entry in (*own.virtual_ipaddress, *own.virtual_ipaddress_excluded))
    return Garp(
        master_delay=float(_first(own.garp_master_delay, delay)),
        master_repeat=_first(own.garp_master_repeat, repeat),
        master_refresh=float(_first(own.garp_master_refresh, g.vrrp_garp_master_refresh, 0)),
        master_refresh_repeat=_first(own.garp_master_refresh_repeat, g.vrrp_garp_master_refresh_repeat, 1),
        lower_prio_delay=float(lower_delay),
        lower_prio_repeat=lower_repeat,
        extra_if=float(extra) if elsewhere else 0.0,
        extra_if_all=every,
    )


def settle_notify(subject: Subject) -> Notify:
    """The scripts, by moment."""
    own = subject.written
    deleted = own.notify_deleted
    return Notify(
        master=own.notify_master,
        backup=own.notify_backup,
        fault=own.notify_fault,
        stop=own.notify_stop,
        deleted=deleted if deleted and deleted.argv else None,
        master_rx_lower_pri=own.notify_master_rx_lower_pri,
        any=own.notify,
        deleted_is_a_state=deleted is not None,
        priority_changes=either(own.notify_priority_changes, _of_group(subject)),
        smtp_alert=settle_alert(own.smtp_alert, subject.defaults.written),
    )


def _of_group(subject: Subject) -> bool | None:
    """notify_priority_changes of the sync group, else of all."""
    said = subject.group.notify_priority_changes if subject.group else None
    return subject.defaults.written.vrrp_notify_priority_changes if said is None else said


def _first(*values: int | None) -> int:
    """The first value that is given; the last one always is."""
    return next(value for value in values if value is not None)
