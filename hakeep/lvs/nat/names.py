"""What things are called in nftables, and what their comments say; and back.

Names of chains and sets are nft identifiers: letters, digits, ``-``, ``.`` and ``_``, which stands for the
colons of IPv6. Comments, of a service's first rule and of a destination's entry in the roster, are lists of
``word=value``; the kernel keeps 127 bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address

from hakeep.objects.ipvs import PROTOCOLS, Destination, DestinationKey, Service, ServiceKey
from hakeep.objects.rtnl import IPAddress

#: The family of addresses -> what nft calls it.
FAMILIES = {4: "ip", 6: "ip6"}

_NUMBERS = {name.lower(): number for number, name in PROTOCOLS.items()}
_BY_MARK = re.compile(r"mark-(\d+)")
_BY_ADDRESS = re.compile(r"(tcp|udp|sctp)-([0-9a-f._]+)-(\d+)")


def service_name(key: ServiceKey) -> str:
    """``tcp-192.0.2.1-80``, ``udp-2001_db8__1-53`` or ``mark-5``."""
    if key.fwmark:
        return f"mark-{key.fwmark}"
    return f"{PROTOCOLS[key.protocol].lower()}-{_address(key.ip)}-{key.port}"


def destination_name(key: DestinationKey) -> str:
    """``tcp-192.0.2.1-80-to-10.0.0.1-80``, as which a destination has its place in a table by hash."""
    return f"{service_name(key.service)}-to-{_address(key.ip)}-{key.port}"


def _address(ip: IPAddress | None) -> str:
    return str(ip).replace(":", "_")


def parse_name(name: str, family: int) -> ServiceKey | None:
    """The service whose chain in a `family`'s table has this name; None when it is none."""
    try:
        key = _service(name, family)
    except ValueError:
        return None
    return key if key is not None and service_name(key) == name else None


def _service(name: str, family: int) -> ServiceKey | None:
    if found := _BY_MARK.fullmatch(name):
        return ServiceKey(family, 0, None, 0, int(found[1]))
    if found := _BY_ADDRESS.fullmatch(name):
        ip = ip_address(found[2].replace("_", ":"))
        return ServiceKey(family, _NUMBERS[found[1]], ip, int(found[3])) if ip.version == family else None
    return None


def service_comment(service: Service, given: int = 0) -> str:
    """All that the name does not say, and how many numbers were `given` to its destinations."""
    return (f"scheduler={service.scheduler} flags={service.flags} "
            f"timeout={service.timeout} prefix={service.prefix}") + (f" given={given}" if given else "")


def destination_comment(destination: Destination, number: int = 0) -> str:
    """All that the key does not say, and the number under which clients are remembered, 0 = none."""
    return f"weight={destination.weight}" + (f" number={number}" if number else "")


def timeouts_comment(**seconds: int) -> str:
    """What a rule says that sets timeouts. nft lists an object's own only where they differ from what it takes for
    usual."""
    return " ".join(f"{state}={number}" for state, number in seconds.items())


def number(comment: str, word: str) -> int:
    """The number that a comment has under this word, 0 = none."""
    said = words(comment).get(word, "")
    return int(said) if said.isdecimal() else 0


def words(comment: str) -> dict[str, str]:
    """The words of a comment."""
    return dict(word.partition("=")[::2] for word in comment.split())


def parse_service(key: ServiceKey, comment: str) -> Service | None:
    """The service of this key whose chain has this comment; None when that says something else."""
    said = words(comment)
    try:
        return Service(key, said["scheduler"], int(said["flags"]), int(said["timeout"]), int(said["prefix"]))
    except (KeyError, ValueError):
        return None


def parse_destination(entry: Sequence[str | int], comment: str, family: int) -> Destination | None:
    """The destination that has this entry in a roster, and this comment; None when it is none. A protocol is a number
    where the host lacks /etc/protocols."""
    try:
        *first, address, port = entry
        if len(first) == 1:
            service = ServiceKey(family, 0, None, 0, int(first[0]))
        else:
            protocol, virtual, own = first
            protocol = protocol if isinstance(protocol, int) else _NUMBERS[protocol]
            service = ServiceKey(family, protocol, ip_address(virtual), int(own))
        return Destination(DestinationKey(service, ip_address(address), int(port)), int(words(comment)["weight"]))
    except (KeyError, ValueError):
        return None
