"""Entries of trackers: what is there twice, what goes without saying, what can never be well."""

from __future__ import annotations

from collections.abc import Iterator

from hakeep.config.diagnostic import Code, Verdict
from hakeep.config.rules.rule import Found, error, rule, warning
from hakeep.config.rules.view import TRACKERS, Tracker, View


@rule(Code.TRACKED_TWICE)
def tracked_twice(view: View) -> Iterator[Found]:
    """The same thing is tracked twice in one list

    The second entry is dropped, so a weight that stands there does not count. An instance need not track what its
    sync group tracks: there the group's weight counts, unless the instance's is 0.

    Example::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            track_interface {
                eth1
                eth1 weight -20
            }
        }

    Cure::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            track_interface {
                eth1 weight -20
            }
        }
    """
    for owner in view.owners:
        for keyword in TRACKERS:
            seen: dict[str, int] = {}
            for index, (name, _, _) in enumerate(getattr(owner, keyword)):
                if keyword != "track_interface" and name not in view.definitions[keyword]:
                    continue
                if keyword == "track_interface" and name == getattr(owner, "interface", None):
                    continue
                if seen.setdefault(name, index) != index:
                    yield error(f"{owner.name}: {keyword} {name} is given twice", owner.span(keyword, index),
                                also=(owner.span(keyword, seen[name]), "first given here"))
    yield from _asked_twice(view)
    yield from _with_the_group(view)


def _asked_twice(view: View) -> Iterator[Found]:
    """The same question on two lines."""
    for owner in view.owners:
        seen: dict[tuple[str, str], Tracker] = {}
        for tracker in view.trackers(owner):
            if tracker.keyword not in TRACKERS and seen.setdefault((tracker.keyword, tracker.name), tracker) != tracker:
                first = seen[tracker.keyword, tracker.name]
                yield error(f"{owner.name}: {tracker.keyword} {tracker.name} is given twice", tracker.span,
                            also=(first.span, "first given here"))


def _with_the_group(view: View) -> Iterator[Found]:
    """A member tracks what its group tracks."""
    for group in view.config.vrrp_sync_group:
        shared = {(tracker.keyword, tracker.name): tracker for tracker in view.trackers(group)}
        for member in view.members(group) if shared else ():
            for tracker in view.trackers(member.written):
                other = shared.get((tracker.keyword, tracker.name))
                if other:
                    yield warning(
                        f"{member.written.name}: {tracker.keyword} {tracker.name} is tracked by the instance and by "
                        f"its sync group {group.name}", tracker.span, also=(other.span, "tracked by the group"),
                        note="the group's weight counts" if tracker.weight else "the instance's weight 0 counts",
                        verdict=Verdict.GENERAL if tracker.keyword == "track_interface" else Verdict.OK)


@rule(Code.OWN_INTERFACE)
def own_interface(view: View) -> Iterator[Found]:
    """track_interface names the instance's own interface

    An instance goes to FAULT when its own interface fails, without being told to. The entry is dropped, and a weight
    in it does not count.

    Example::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
            track_interface { eth0 }
        }

    Cure::

        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            virtual_ipaddress { 192.0.2.100/24 }
        }
    """
    for instance in view.config.vrrp_instance:
        for index, (name, _, _) in enumerate(instance.track_interface):
            if name == instance.interface:
                yield error(f"{instance.name}: {name} is its own interface, which is tracked anyway",
                            instance.span("track_interface", index, 0), fix="take it out of track_interface")


@rule(Code.PROCESS_RANGE)
def process_range(view: View) -> Iterator[Found]:
    """A vrrp_track_process that can never be satisfied

    The tracker is good while there are at least quorum and at most quorum_max processes. With quorum_max below quorum
    no number of processes will do, so it always counts as failed.

    Example::

        vrrp_track_process web {
            process nginx
            quorum 4
            quorum_max 2
        }

    Cure::

        vrrp_track_process web {
            process nginx
            quorum 2
            quorum_max 4
        }
    """
    for process in view.config.vrrp_track_process:
        least, most = process.get("quorum", 1), process.get("quorum_max")
        if most is not None and most < least:
            yield warning(f"vrrp_track_process {process.name}: there cannot be {least} processes or more and also "
                          f"{most} or fewer", process.span("quorum_max", word=1),
                          also=(process.span("quorum"), "the least number"))
