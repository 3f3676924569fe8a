"""Weights, which are to move priorities when something fails: do they ever, and in the way that was meant?"""

from __future__ import annotations

from collections.abc import Iterator

from hakeep.config.diagnostic import Code, Verdict
from hakeep.config.keywords.tracking import VrrpSyncGroup
from hakeep.config.keywords.vrrp import VrrpInstance as Written
from hakeep.config.rules.rule import Found, advice, rule, warning
from hakeep.config.rules.view import MOST, TRACKERS, Member, View


@rule(Code.WEIGHT_WITHOUT_EFFECT)
def weight_without_effect(view: View) -> Iterator[Found]:
    """A weight that can never change the priority

    Priorities stay within 1 and 254. An owner (255) is not moved at all, a router with priority 254 cannot rise, and
    one with priority 1 cannot fall. The check runs, fails, and nothing happens.

    Example::

        global_defs { enable_script_security }
        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/"
            weight 20
        }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            priority 254
            virtual_ipaddress { 192.0.2.100/24 }
            track_script { check_web }
        }

    Cure::

        global_defs { enable_script_security }
        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/"
            weight 20
        }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            priority 150
            virtual_ipaddress { 192.0.2.100/24 }
            track_script { check_web }
        }
    """
    for member in view.instances:
        if member.settled.owner:
            yield from _of_owner(view, member)
            continue
        trackers = view.weighted(member)
        if not trackers or any(tracker.keyword == "track_file" for tracker in trackers):
            continue
        priority = member.settled.priority
        rises = any(tracker.weight > 0 for tracker in trackers)
        falls = any(tracker.weight < 0 for tracker in trackers)
        why = ("priority 254 cannot rise" if priority == MOST and not falls
               else "priority 1 cannot fall" if priority == 1 and not rises else "")
        if why:
            yield warning(f"{member.written.name}: the weight of {trackers[0].name} has no effect: {why}",
                          trackers[0].span, also=(member.written.span("priority", word=1), "the priority"))


@rule(Code.WEIGHT_TOO_SMALL)
def weight_too_small(view: View) -> Iterator[Found]:
    """Weights too small to change the master

    A failed check must bring the priority below that of the other router, or nothing moves. The other router's
    priority is not in this file, but where a file holds an instance that is to be MASTER here and one that is to be
    BACKUP here, the other router usually has them the other way round. Measured by that, all trackers of the instance
    together do not bridge the gap. `hakeep check A B` with both routers' files knows for certain.

    Example::

        global_defs { enable_script_security }
        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/"
            weight -20
        }
        vrrp_instance HERE {
            state MASTER
            interface eth0
            virtual_router_id 51
            priority 150
            virtual_ipaddress { 192.0.2.100/24 }
            track_script { check_web }
        }
        vrrp_instance THERE {
            state BACKUP
            interface eth0
            virtual_router_id 52
            priority 100
            virtual_ipaddress { 192.0.2.101/24 }
        }

    Cure::

        global_defs { enable_script_security }
        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/"
            weight -60
        }
        vrrp_instance HERE {
            state MASTER
            interface eth0
            virtual_router_id 51
            priority 150
            virtual_ipaddress { 192.0.2.100/24 }
            track_script { check_web }
        }
        vrrp_instance THERE {
            state BACKUP
            interface eth0
            virtual_router_id 52
            priority 100
            virtual_ipaddress { 192.0.2.101/24 }
        }
    """
    for member, other in view.mirrored():
        trackers = view.weighted(member)
        moves = [tracker.moves for tracker in trackers if tracker.moves is not None]
        gap = member.settled.priority - other.settled.priority
        if trackers and len(moves) == len(trackers) and 0 < sum(moves) < gap:
            yield advice(
                f"{member.written.name}: its weights lower the priority by {sum(moves)} at most; if the other router "
                f"has {other.settled.priority}, as this one for {other.written.name}, it never takes over",
                trackers[0].span, also=(other.written.span("priority", word=1), "the priority of a backup"))


@rule(Code.WEIGHT_ALWAYS)
def weight_always(view: View) -> Iterator[Found]:
    """Weights that turn the order of the routers round while all is well

    A positive weight counts as long as the check succeeds, so it raises a healthy backup too. If it raises the backup
    above the master, the wrong router is master all the time. Seen in files that hold an instance that is to be
    MASTER here and one that is to be BACKUP here (see HK327).

    Example::

        global_defs { enable_script_security }
        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/"
            weight 20
        }
        vrrp_instance HERE {
            state MASTER
            interface eth0
            virtual_router_id 51
            priority 110
            virtual_ipaddress { 192.0.2.100/24 }
        }
        vrrp_instance THERE {
            state BACKUP
            interface eth0
            virtual_router_id 52
            priority 100
            virtual_ipaddress { 192.0.2.101/24 }
            track_script { check_web }
        }

    Cure::

        global_defs { enable_script_security }
        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/"
            weight 20
        }
        vrrp_instance HERE {
            state MASTER
            interface eth0
            virtual_router_id 51
            priority 110
            virtual_ipaddress { 192.0.2.100/24 }
            track_script { check_web }
        }
        vrrp_instance THERE {
            state BACKUP
            interface eth0
            virtual_router_id 52
            priority 100
            virtual_ipaddress { 192.0.2.101/24 }
            track_script { check_web }
        }
    """
    for member, other in view.mirrored():
        here, there = _healthy(view, member), _healthy(view, other)
        if member.settled.priority > other.settled.priority and here is not None and there is not None:
            trackers = view.weighted(other)
            if here <= there < MOST and trackers:
                yield advice(
                    f"while all is well {other.written.name} (BACKUP) has priority {there} and "
                    f"{member.written.name} (MASTER) {here}: its weights always change the master", trackers[0].span,
                    also=(member.written.span("priority", word=1), "the master's priority"))


@rule(Code.WEIGHT_NOPREEMPT)
def nopreempt(view: View) -> Iterator[Found]:
    """nopreempt with weights: a failed check moves nothing

    A weight lowers the priority of a master that is not well, so that a better router takes over. But with nopreempt
    no router takes over from a master that still sends adverts, however low its priority. A failed check should mean
    FAULT there (no weight): a router in FAULT says goodbye.

    Example::

        global_defs { enable_script_security }
        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/"
            weight -60
        }
        vrrp_instance VI_1 {
            state BACKUP
            interface eth0
            virtual_router_id 51
            nopreempt
            virtual_ipaddress { 192.0.2.100/24 }
            track_script { check_web }
        }

    Cure::

        global_defs { enable_script_security }
        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/"
        }
        vrrp_instance VI_1 {
            state BACKUP
            interface eth0
            virtual_router_id 51
            nopreempt
            virtual_ipaddress { 192.0.2.100/24 }
            track_script { check_web }
        }
    """
    for member in view.instances:
        if member.settled.nopreempt:
            for tracker in view.weighted(member):
                yield warning(
                    f"{member.written.name}: the weight of {tracker.name} lowers the priority, but with nopreempt on "
                    "the other router too no priority makes it take over", tracker.span,
                    also=(member.written.span("nopreempt"), "nopreempt"), fix="without weight a failure means FAULT")
                break


@rule(Code.WEIGHT_ZERO)
def weight_zero(view: View) -> Iterator[Found]:
    """Weight 0 means FAULT, not "no effect"

    A tracker with weight 0 (or none) sends the instance to FAULT when it fails: it gives its addresses up, and if the
    check fails on all routers at once, nobody has them. Somebody who writes `weight 0` often means the opposite. If
    FAULT is meant, leave the weight out.

    Example::

        global_defs { enable_script_security }
        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/"
            weight 0
        }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            track_script { check_web }
        }

    Cure::

        global_defs { enable_script_security }
        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/"
        }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            track_script { check_web }
        }
    """
    for script in view.config.vrrp_script:
        if script.weight and not script.weight[0]:
            users = [owner.name for owner in view.owners for name, weight, _ in owner.track_script
                     if name == script.name and weight is None]
            if users:
                yield advice(f"{script.name}: weight 0 means that {users[0]} goes to FAULT when it fails",
                             script.span("weight", word=1), fix="leave the line out if that is meant")


@rule(Code.OWNER_FAULT)
def owner_fault(view: View) -> Iterator[Found]:
    """A tracker without a weight on an address owner

    An owner (priority 255) has the addresses of its own, on its interface. A tracker without a weight puts it in FAULT:
    its adverts end and another router takes the addresses, while the owner's machine still has them, so that two
    answer. A router that is to give way needs a priority up to 254.

    Example::

        global_defs { enable_script_security }
        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/"
            interval 2
        }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            priority 255
            virtual_ipaddress { 192.0.2.100/24 }
            track_script { check_web }
        }

    Cure::

        global_defs { enable_script_security }
        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/"
            interval 2
        }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            priority 254
            virtual_ipaddress { 192.0.2.100/24 }
            track_script { check_web }
        }
    """
    for member in view.instances:
        faults = [track for track in member.settled.tracks if not track.weight] if member.settled.owner else []
        if faults:
            own = view.trackers(member.written)
            place = next((tracker.span for tracker in own if tracker.name == faults[0].name), member.written.span())
            yield warning(f"{member.written.name} owns its addresses (priority 255), and is to give them up when "
                          f"{faults[0].name} fails", place, also=(member.written.span("priority", word=1), "an owner"),
                          fix="254 is the highest priority of a router that can give way")


@rule(Code.IDLE_TRACKING)
def idle_tracking(view: View) -> Iterator[Found]:
    """hold_down or last_standing with nothing that it is about

    hold_down says how long something that failed must be well before it counts again; last_standing says that an
    instance in FAULT by failed checks may serve when nobody else can. Without trackers the one has nothing to hold
    down, and without a tracker of weight 0 checks never put anybody in FAULT.

    Example::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            track_ping 192.0.2.1 weight -60
            last_standing on
        }

    Cure::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            track_ping 192.0.2.1
            last_standing on
        }
    """
    owners: list[tuple[Written | VrrpSyncGroup, list[Member]]] = [
        (member.written, [member]) for member in view.instances]
    owners += [(group, view.members(group)) for group in view.config.vrrp_sync_group]
    for owner, members in owners:
        tracks = [track for member in members for track in member.settled.tracks]
        if owner.hold_down and not tracks:
            yield warning(f"{owner.name}: hold_down has nothing to hold down", owner.span("hold_down"),
                          fix="add a tracker, or take the line out")
        if owner.last_standing and all(track.weight for track in tracks):
            yield warning(f"{owner.name}: last_standing has no effect, as no check means FAULT",
                          owner.span("last_standing"), also=None if not tracks else (
                              owner.span(f"track_{tracks[0].kind}"), "with a weight a failure is not FAULT"))


def _of_owner(view: View, member: Member) -> Iterator[Found]:
    """The weights that an address owner has no use for. keepalived tells of most of them."""
    for tracker in view.trackers(member.written):
        if tracker.weight and tracker.name != member.settled.interface:
            zero = tracker.keyword == "track_file" and tracker.weight == 1
            yield warning(
                f"{member.written.name}: the weight of {tracker.name} has no effect: an address owner (priority 255) "
                "is not moved", tracker.span, also=(member.written.span("priority", word=1), "the priority"),
                note="any number but 0 means FAULT, as with weight 0" if zero else "it is not tracked",
                verdict=Verdict.GENERAL if tracker.keyword in TRACKERS and tracker.keyword != "track_process"
                else Verdict.OK)


def _healthy(view: View, member: Member) -> int | None:
    """The priority while all is well; None when a file decides."""
    total = member.settled.priority
    for tracker in view.weighted(member):
        if tracker.adds is None:
            return None
        total += tracker.adds
    return min(MOST, max(1, total))
