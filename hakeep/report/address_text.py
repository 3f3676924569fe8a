"""A virtual address as keepalived's dumps write it: ``10.0.0.50/24 dev eth0 scope global label eth0:1``.

The order of the words is the dumps', not the configuration's: monitoring that cuts these lines apart must find the same
words at the same places.
"""

from __future__ import annotations

from hakeep.config.settled import VirtualAddress
from hakeep.objects.rtnl import (
    IFA_F_HOMEADDRESS,
    IFA_F_MANAGETEMPADDR,
    IFA_F_MCAUTOJOIN,
    IFA_F_NOPREFIXROUTE,
    SCOPE_GLOBAL,
    SCOPE_HOST,
    SCOPE_LINK,
    IPAddress,
)

#: Scopes that /etc/iproute2/rt_scopes names on every system (rtnetlink(7)).
SCOPES = {SCOPE_GLOBAL: "global", 200: "site", SCOPE_LINK: "link", SCOPE_HOST: "host", 255: "nowhere"}


def address_text(entry: VirtualAddress, interface: str, base: str = "") -> str:
    """The line for `entry` on `interface`; `base` is the link under it when that is a VMAC."""
    address = entry.address
    words = [_with_prefix(address.ip, address.prefix if address.peer is None else address.ip.max_prefixlen)]
    if address.peer is not None:
        words += ["peer", _with_prefix(address.peer, address.prefix)]
    if address.broadcast is not None:
        words += ["brd", str(address.broadcast)]
    words += ["dev", f"{interface}@{base}" if base else interface]
    words += ["scope", SCOPES.get(address.scope, str(address.scope))]
    if address.label:
        words += ["label", address.label]
    if not entry.track:
        words.append("no_track")
    words += _flag_words(entry)
    if address.ip.version == 6:
        words.append(_preference(address.preferred_lft))
    return " ".join(words)


def _with_prefix(ip: IPAddress, prefix: int) -> str:
    """A host prefix (/32, /128) is left out."""
    return str(ip) if prefix == ip.max_prefixlen else f"{ip}/{prefix}"


def _flag_words(entry: VirtualAddress) -> list[str]:
    flags = entry.address.flags
    words = ["home"] if flags & IFA_F_HOMEADDRESS else []
    if entry.dad:
        words.append("-nodad")
    named = {
        IFA_F_MANAGETEMPADDR: "mngtmpaddr",
        IFA_F_NOPREFIXROUTE: "noprefixroute",
        IFA_F_MCAUTOJOIN: "autojoin",
    }
    return words + [word for flag, word in named.items() if flags & flag]


def _preference(preferred_lft: int | None) -> str:
    """What an IPv6 address says about being used as a source."""
    if preferred_lft == 0:
        return "deprecated"
    return f"preferred_lft {'forever' if preferred_lft is None else preferred_lft}"
