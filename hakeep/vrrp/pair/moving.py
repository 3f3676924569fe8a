"""What moves between two routers: addresses, and the MAC that they have."""

from __future__ import annotations

from hakeep.config.diagnostic import Code, Severity
from hakeep.config.settled import VirtualAddress
from hakeep.objects.rtnl import IPAddress
from hakeep.vrrp.pair.lineup import Side
from hakeep.vrrp.pair.rule import Found, differ, rule


@rule(Code.PAIR_ADDRESSES)
def addresses(one: Side, other: Side) -> Found:
    """Other addresses

    An address that only one host has is gone when the other one is master. That goes for virtual_ipaddress_excluded
    too. The prefix length belongs to it: an address with another one makes other routes.

    Example::

        a: virtual_ipaddress {
               192.0.2.10/24
               192.0.2.11/24
           }
        b: virtual_ipaddress {
               192.0.2.10/24
           }

    Cure::

        a: virtual_ipaddress {
               192.0.2.10/24
               192.0.2.11/24
           }
        b: virtual_ipaddress {
               192.0.2.10/24
               192.0.2.11/24
           }
    """
    blocks = ("virtual_ipaddress", "virtual_ipaddress_excluded")
    for has, lacks in ((one, other), (other, one)):
        missing = [entry for entry in has.settled.addresses if entry.address.ip not in lacks.vips]
        if missing:
            text = _listed([entry.address.ip for entry in missing])
            yield differ(Code.PAIR_ADDRESSES, has, lacks, f"{text} of {has.host} {_is_are(missing)} missing", *blocks,
                         first="here", note=f"gone while {lacks.host} is master")
    theirs = {entry.address.ip: entry for entry in one.settled.addresses}
    for entry in other.settled.addresses:
        same = theirs.get(entry.address.ip)
        if same is None:
            continue
        if same.advertised != entry.advertised:
            yield differ(Code.PAIR_ADDRESSES, one, other, f"{entry.address.ip} is {_block(entry)} and on {one.host} "
                         f"{_block(same)}", *blocks, first=_block(same), severity=Severity.WARNING,
                         note="adverts list other addresses than the receiver expects; strict routers drop them")
        elif same.address.prefix != entry.address.prefix:
            yield differ(Code.PAIR_ADDRESSES, one, other, f"{entry.address.ip}/{entry.address.prefix} is /"
                         f"{same.address.prefix} on {one.host}", *blocks, first=f"/{same.address.prefix}",
                         severity=Severity.WARNING, note="other routes come with the address after a failover")


def _is_are(entries: list[VirtualAddress]) -> str:
    return "is" if len(entries) == 1 else "are"


def _block(entry: VirtualAddress) -> str:
    return "in virtual_ipaddress" if entry.advertised else "in virtual_ipaddress_excluded"


def _listed(ips: list[IPAddress]) -> str:
    names = [str(ip) for ip in ips]
    return ", ".join(names) if len(names) <= 3 else f"{', '.join(names[:2])} and {len(names) - 2} more"


@rule(Code.PAIR_VMAC)
def vmac(one: Side, other: Side) -> Found:
    """A virtual MAC on one side only

    With use_vmac the addresses keep their MAC when they move; without it the MAC changes with every failover, which
    clients learn from gratuitous ARP. Mixed, the MAC changes all the same and the VMAC is of no use.

    Example::

        a: use_vmac
        b:

    Cure::

        a: use_vmac
        b: use_vmac
    """
    mine, theirs = other.settled.vmac is not None, one.settled.vmac is not None
    if mine != theirs:
        yield differ(Code.PAIR_VMAC, one, other, f"it has {'a' if mine else 'no'} VMAC, and {one.host} has "
                     f"{'one' if theirs else 'none'}", "use_vmac", first="use_vmac" if theirs else "no use_vmac",
                     severity=Severity.WARNING, note="the MAC of the addresses changes with every failover")
