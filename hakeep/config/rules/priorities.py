"""Priorities: is the one that is written the one that was meant?"""

from __future__ import annotations

from collections.abc import Iterator

from hakeep.config.diagnostic import Code
from hakeep.config.rules.rule import Found, advice, rule, warning
from hakeep.config.rules.view import MOST, Member, View


@rule(Code.OWNER_BY_ACCIDENT)
def owner_by_accident(view: View) -> Iterator[Found]:
    """Priority 255, which is more than the highest

    255 does not mean "first". It says that this router owns the addresses, as if they were its own: it is master as
    soon as it starts, whoever else is, trackers cannot lower it, nopreempt and preempt_delay do not hold. With --host
    it is seen whether the addresses really are on the interface; without it, words that an owner has no use for are
    taken as a sign that it was not meant.

    Example::

        vrrp_instance VI_1 {
            state BACKUP
            interface eth0
            virtual_router_id 51
            priority 255
            virtual_ipaddress { 192.0.2.100/24 }
        }

    Cure::

        vrrp_instance VI_1 {
            state BACKUP
            interface eth0
            virtual_router_id 51
            priority 254
            virtual_ipaddress { 192.0.2.100/24 }
        }
    """
    for member in view.instances:
        written = member.written
        if written.priority != 255:
            continue
        span = written.span("priority", word=1)
        sign = _sign_of_no_owner(view, member)
        if sign:
            text, keyword = sign
            yield warning(f"{written.name}: priority 255 makes this router the owner of the addresses, {text}", span,
                          also=(written.span(keyword), "an owner has no use for this") if keyword else None,
                          fix="254 is the highest priority of a router that can give way")


@rule(Code.PRIORITY_CLAMPED)
def clamped(view: View) -> Iterator[Found]:
    """Weights that lift the priority above 254 while all is well

    254 is the end. A router whose weights would lift it higher stops there, and so does the next one: two healthy
    routers have the same priority, and the higher address decides instead of what you wrote.

    Example::

        global_defs { enable_script_security }
        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/"
            weight 50
        }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            priority 220
            virtual_ipaddress { 192.0.2.100/24 }
            track_script { check_web }
        }

    Cure::

        global_defs { enable_script_security }
        vrrp_script check_web {
            script "/usr/bin/curl -fs http://127.0.0.1/"
            weight 50
        }
        vrrp_instance VI_1 {
            interface eth0
            virtual_router_id 51
            priority 200
            virtual_ipaddress { 192.0.2.100/24 }
            track_script { check_web }
        }
    """
    for member in view.instances:
        if member.settled.owner or member.settled.priority == MOST:
            continue
        trackers = view.weighted(member)
        total = member.settled.priority + sum(tracker.adds or 0 for tracker in trackers)
        if total > MOST:
            yield warning(
                f"{member.written.name}: while all is well the priority would be {total}; it stops at {MOST}",
                member.written.span("priority", word=1), also=(trackers[0].span, "a weight that adds to it"),
                fix=f"a priority of {max(1, MOST - total + member.settled.priority)} leaves room for all weights")


@rule(Code.STATE_AGAINST_PRIORITY)
def state_against_priority(view: View) -> Iterator[Found]:
    """A MASTER with a lower priority than a BACKUP

    `state` decides nothing: the router with the highest priority becomes master. In this file an instance that is to
    be MASTER has a lower priority than one that is to be BACKUP, so unless the other router is even lower, the
    priorities have been mixed up.

    Example::

        vrrp_instance HERE {
            state MASTER
            interface eth0
            virtual_router_id 51
            priority 90
            virtual_ipaddress { 192.0.2.100/24 }
        }
        vrrp_instance THERE {
            state BACKUP
            interface eth0
            virtual_router_id 52
            priority 100
            virtual_ipaddress { 192.0.2.101/24 }
        }

    Cure::

        vrrp_instance HERE {
            state MASTER
            interface eth0
            virtual_router_id 51
            priority 100
            virtual_ipaddress { 192.0.2.100/24 }
        }
        vrrp_instance THERE {
            state BACKUP
            interface eth0
            virtual_router_id 52
            priority 90
            virtual_ipaddress { 192.0.2.101/24 }
        }
    """
    for member, other in view.mirrored():
        if member.settled.priority < other.settled.priority and not other.settled.owner:
            yield advice(
                f"{member.written.name} is meant to be MASTER with priority {member.settled.priority}, "
                f"{other.written.name} BACKUP with {other.settled.priority}", member.written.span("priority", word=1),
                also=(other.written.span("priority", word=1), "the backup's"),
                note="the highest priority becomes master, whatever state says")


def _sign_of_no_owner(view: View, member: Member) -> tuple[str, str] | None:
    if member.written.state == "BACKUP" and not member.settled.strict_mode:
        return "which never is in state BACKUP", "state"
    subnets = view.host.subnets
    if subnets is not None and member.settled.interface:
        own = {subnet.ip for subnet in subnets(member.settled.interface)}
        if own and not any(address.address.ip in own for address in member.settled.addresses if address.advertised):
            return "but they are not on its interface", ""
    return None
