"""Sync groups: members that are to change state together must want the same things at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hakeep.config.diagnostic import Code, Verdict
from hakeep.config.rules.rule import Found, advice, error, rule, warning
from hakeep.config.rules.view import TRACKERS, Member, View


@rule(Code.SYNC_GROUP)
def membership(view: View) -> Iterator[Found]:
    """A sync group has no members, one member, or one that it may not have

    A group holds instances that must be master on the same router: the inside and the outside of a gateway. A group
    of one has no effect. An instance can be in one group only.

    Example::

        vrrp_instance OUTSIDE {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
        }
        vrrp_sync_group GATEWAY {
            group { OUTSIDE }
        }

    Cure::

        vrrp_instance OUTSIDE {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
        }
        vrrp_instance INSIDE {
            interface eth1
            virtual_router_id 52
            virtual_ipaddress { 198.51.100.100/24 }
        }
        vrrp_sync_group GATEWAY {
            group { OUTSIDE INSIDE }
        }
    """
    instances = {instance.name for instance in view.config.vrrp_instance}
    taken: dict[str, str] = {}
    for group in view.config.vrrp_sync_group:
        members = []
        for index, name in enumerate(group.group):
            span = group.span("group", index)
            if name not in instances:
                continue
            if taken.setdefault(name, group.name) != group.name:
                yield error(f"{group.name}: {name} is in {taken[name]} already", span)
            elif name in members:
                yield error(f"{group.name}: {name} is given twice", span)
            else:
                members.append(name)
        if not members:
            yield error(f"sync group {group.name} has no member; it is left out", group.span())
        elif len(members) == 1:
            yield error(f"sync group {group.name} has one member only", group.span("group"))
    for track_group in view.config.track_group:
        if not track_group.get("group"):
            yield warning(f"track_group {track_group.name} has no member", track_group.span(), verdict=Verdict.GENERAL)


@rule(Code.GROUP_STATES)
def states(view: View) -> Iterator[Found]:
    """Members of a sync group are meant to start in different states

    `state` says which router is meant to be master. If one member says MASTER and another BACKUP, the two routers are
    each meant to hold half of the group, which a group never does: it will settle somewhere, and not where you think.

    Example::

        vrrp_instance OUTSIDE {
            state MASTER
            interface eth0
            virtual_router_id 51
            priority 150
            virtual_ipaddress { 192.0.2.100/24 }
        }
        vrrp_instance INSIDE {
            state BACKUP
            interface eth1
            virtual_router_id 52
            priority 150
            virtual_ipaddress { 198.51.100.100/24 }
        }
        vrrp_sync_group GATEWAY {
            group { OUTSIDE INSIDE }
        }

    Cure::

        vrrp_instance OUTSIDE {
            state MASTER
            interface eth0
            virtual_router_id 51
            priority 150
            virtual_ipaddress { 192.0.2.100/24 }
        }
        vrrp_instance INSIDE {
            state MASTER
            interface eth1
            virtual_router_id 52
            priority 150
            virtual_ipaddress { 198.51.100.100/24 }
        }
        vrrp_sync_group GATEWAY {
            group { OUTSIDE INSIDE }
        }
    """
    for first, other in _odd_ones(view, lambda member: member.settled.state):
        yield warning(
            f"{other.written.name} is meant to start as {other.settled.state}, {first.written.name} of the same sync "
            f"group as {first.settled.state}", other.written.span("state", word=1),
            also=(first.written.span("state", word=1), "the other one"),
            fix="give all members of a group the same state")


@rule(Code.GROUP_PRIORITIES)
def priorities(view: View) -> Iterator[Found]:
    """Members of a sync group have different priorities

    The members must all win on the same router. If this router is ahead of the other one in one member and behind it
    in another, neither can hold the whole group by priority: they keep taking it from one another, or nobody takes
    over. As long as all members have the same priority on each router, that cannot happen.

    Example::

        vrrp_instance OUTSIDE {
            interface eth0
            virtual_router_id 51
            priority 150
            virtual_ipaddress { 192.0.2.100/24 }
        }
        vrrp_instance INSIDE {
            interface eth1
            virtual_router_id 52
            priority 90
            virtual_ipaddress { 198.51.100.100/24 }
        }
        vrrp_sync_group GATEWAY {
            group { OUTSIDE INSIDE }
        }

    Cure::

        vrrp_instance OUTSIDE {
            interface eth0
            virtual_router_id 51
            priority 150
            virtual_ipaddress { 192.0.2.100/24 }
        }
        vrrp_instance INSIDE {
            interface eth1
            virtual_router_id 52
            priority 150
            virtual_ipaddress { 198.51.100.100/24 }
        }
        vrrp_sync_group GATEWAY {
            group { OUTSIDE INSIDE }
        }
    """
    for first, other in _odd_ones(view, lambda member: member.settled.priority):
        if not (first.settled.owner or other.settled.owner):
            yield advice(
                f"{other.written.name} has priority {other.settled.priority}, {first.written.name} of the same sync "
                f"group {first.settled.priority}", other.written.span("priority", word=1),
                also=(first.written.span("priority", word=1), "the other one"),
                note="the order of the routers must be the same in all members")


@rule(Code.GROUP_PREEMPTION)
def preemption(view: View) -> Iterator[Found]:
    """Some members of a sync group preempt and others do not

    A member with nopreempt leaves a lower master in place. The others of its group want to take over and may not,
    because a group becomes master as a whole: the group stays where it is, or only moves when the master dies.

    Example::

        vrrp_instance OUTSIDE {
            interface eth0
            virtual_router_id 51
            nopreempt
            virtual_ipaddress { 192.0.2.100/24 }
        }
        vrrp_instance INSIDE {
            interface eth1
            virtual_router_id 52
            virtual_ipaddress { 198.51.100.100/24 }
        }
        vrrp_sync_group GATEWAY {
            group { OUTSIDE INSIDE }
        }

    Cure::

        vrrp_instance OUTSIDE {
            interface eth0
            virtual_router_id 51
            nopreempt
            virtual_ipaddress { 192.0.2.100/24 }
        }
        vrrp_instance INSIDE {
            interface eth1
            virtual_router_id 52
            nopreempt
            virtual_ipaddress { 198.51.100.100/24 }
        }
        vrrp_sync_group GATEWAY {
            group { OUTSIDE INSIDE }
        }
    """
    for first, other in _odd_ones(view, lambda member: member.settled.nopreempt):
        one, two = (first, other) if first.settled.nopreempt else (other, first)
        yield warning(
            f"{one.written.name} has nopreempt, {two.written.name} of the same sync group has not",
            one.written.span("nopreempt"), also=(two.written.span(), "this one preempts"),
            fix="give nopreempt to all members of a group, or to none")


@rule(Code.GROUP_INTERVALS)
def intervals(view: View) -> Iterator[Found]:
    """Members of a sync group notice a dead master at different times

    A group takes over when the last of its members has missed enough adverts, so the slowest member decides for all,
    and the faster ones are left in between.

    Example::

        vrrp_instance OUTSIDE {
            interface eth0
            virtual_router_id 51
            advert_int 1
            virtual_ipaddress { 192.0.2.100/24 }
        }
        vrrp_instance INSIDE {
            interface eth1
            virtual_router_id 52
            advert_int 5
            virtual_ipaddress { 198.51.100.100/24 }
        }
        vrrp_sync_group GATEWAY {
            group { OUTSIDE INSIDE }
        }

    Cure::

        vrrp_instance OUTSIDE {
            interface eth0
            virtual_router_id 51
            advert_int 1
            virtual_ipaddress { 192.0.2.100/24 }
        }
        vrrp_instance INSIDE {
            interface eth1
            virtual_router_id 52
            advert_int 1
            virtual_ipaddress { 198.51.100.100/24 }
        }
        vrrp_sync_group GATEWAY {
            group { OUTSIDE INSIDE }
        }
    """
    for first, other in _odd_ones(view, _patience):
        yield advice(
            f"{other.written.name} waits {_patience(other):g} s for adverts, {first.written.name} of the same sync "
            f"group {_patience(first):g} s", other.written.span("advert_int", word=1),
            also=(first.written.span("advert_int", word=1), "the other one"))


@rule(Code.GROUP_OWNER)
def owner(view: View) -> Iterator[Found]:
    """A sync group has an address owner and others in it

    A member with priority 255 is always master and never gives way; the rest of its group cannot make it. The weights
    of the group's trackers are then taken for 0, so that a failed check means FAULT for all.

    Example::

        vrrp_instance OUTSIDE {
            interface eth0
            virtual_router_id 51
            priority 255
            virtual_ipaddress { 192.0.2.100/24 }
        }
        vrrp_instance INSIDE {
            interface eth1
            virtual_router_id 52
            priority 200
            virtual_ipaddress { 198.51.100.100/24 }
        }
        vrrp_sync_group GATEWAY {
            group { OUTSIDE INSIDE }
        }

    Cure::

        vrrp_instance OUTSIDE {
            interface eth0
            virtual_router_id 51
            priority 200
            virtual_ipaddress { 192.0.2.100/24 }
        }
        vrrp_instance INSIDE {
            interface eth1
            virtual_router_id 52
            priority 200
            virtual_ipaddress { 198.51.100.100/24 }
        }
        vrrp_sync_group GATEWAY {
            group { OUTSIDE INSIDE }
        }
    """
    for first, other in _odd_ones(view, lambda member: member.settled.owner):
        one, two = (first, other) if first.settled.owner else (other, first)
        yield warning(
            f"{one.written.name} is an address owner (priority 255), {two.written.name} of the same sync group is not",
            one.written.span("priority", word=1), also=(two.written.span("priority", word=1), "this one can give way"),
            fix="use priorities up to 254 in a sync group")
    for group in view.config.vrrp_sync_group:
        owning = next((member for member in view.members(group) if member.settled.owner), None)
        for tracker in view.trackers(group) if owning else ():
            if tracker.weight and owning:
                yield warning(
                    f"{group.name}: the weight of {tracker.name} does not count", tracker.span,
                    also=(owning.written.span("priority", word=1), "as this member is an address owner"),
                    note="a failure means FAULT, as with weight 0", fix="use priorities up to 254 in a sync group",
                    verdict=Verdict.GENERAL if tracker.keyword in TRACKERS else Verdict.OK)


@rule(Code.GROUP_WEIGHTS)
def weights(view: View) -> Iterator[Found]:
    """A weight of a sync group's member that the group takes away

    Members of a group have one priority in common, so to say. Without sync_group_tracking_weight in the group,
    weighted scripts and BFD sessions of its members are removed, weighted interfaces mean FAULT instead, and a
    track_file counts with weight 0 or not at all. Other trackers keep their weights, but move one member's priority
    only. Put the trackers into the group, or say that weights are to count.

    Example::

        global_defs { enable_script_security }
        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/"
            weight -60
        }
        vrrp_instance OUTSIDE {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            track_script { check_web }
        }
        vrrp_instance INSIDE {
            interface eth1
            virtual_router_id 52
            virtual_ipaddress { 198.51.100.100/24 }
        }
        vrrp_sync_group GATEWAY {
            group { OUTSIDE INSIDE }
        }

    Cure::

        global_defs { enable_script_security }
        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/"
            weight -60
        }
        vrrp_instance OUTSIDE {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
        }
        vrrp_instance INSIDE {
            interface eth1
            virtual_router_id 52
            virtual_ipaddress { 198.51.100.100/24 }
        }
        vrrp_sync_group GATEWAY {
            group { OUTSIDE INSIDE }
            track_script { check_web }
        }
    """
    alone = "it moves this member's priority alone, and a group moves as a whole"
    becomes = {"track_script": "it is not tracked at all", "track_bfd": "it is not tracked at all",
               "track_interface": "its failure means FAULT", "track_file": "the weight does not count"}
    for name, group in view.groups.items():
        if group.sync_group_tracking_weight:
            continue
        for member in view.members(group):
            if member.written.name != name:
                continue
            for tracker in view.trackers(member.written):
                if tracker.weight and not member.settled.owner:
                    yield warning(
                        f"{name}: in a sync group {tracker.keyword} {tracker.name} may not have a weight"
                        if tracker.keyword in becomes else
                        f"{name}: the weight of {tracker.keyword} {tracker.name} is of no use to a member of a sync "
                        "group", tracker.span, note=becomes.get(tracker.keyword, alone),
                        verdict=Verdict.GENERAL if tracker.keyword in becomes else Verdict.OK,
                        fix=f"put it into vrrp_sync_group {group.name}, or say sync_group_tracking_weight there")


def _patience(member: Member) -> float:
    return member.settled.down_timer_adverts * member.settled.advert_int


def _odd_ones(view: View, trait: Callable[[Member], object]) -> Iterator[tuple[Member, Member]]:
    """For each group: its first member, with the first one that differs from it."""
    for group in view.config.vrrp_sync_group:
        members = view.members(group)
        for member in members[1:]:
            if trait(member) != trait(members[0]):
                yield members[0], member
                break
