"""What things are called in nftables, and what their comments say; and back.

Names of chains, sets and counters are nft identifiers: letters, digits, ``-``, ``.`` and ``_``, which stands for the
colons of IPv6. A comment is a list of ``word=value``; the kernel keeps 127 bytes of it.
"""

from __future__ import annotations

import re
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
    """``tcp-192.0.2.1-80-to-10.0.0.1-80``."""
    return f"{service_name(key.service)}-to-{_address(key.ip)}-{key.port}"


def _address(ip: IPAddress | None) -> str:
    return str(ip).replace(":", "_")


def parse_name(name: str, family: int) -> ServiceKey | DestinationKey | None:
    """What this chain of a `family`'s table is; None when it is neither a service nor a destination."""
    first, _, second = name.partition("-to-")
    try:
        service = _service(first, family)
        if service is None:
            return None
        if not second:
            return service if service_name(service) == name else None
        ip, _, port = second.partition("-")
        key = DestinationKey(service, ip_address(ip.replace("_", ":")), int(port))
        return key if destination_name(key) == name else None
    except ValueError:
        return None


def _service(name: str, family: int) -> ServiceKey | None:
    if found := _BY_MARK.fullmatch(name):
        return ServiceKey(family, 0, None, 0, int(found[1]))
    if found := _BY_ADDRESS.fullmatch(name):
        ip = ip_address(found[2].replace("_", ":"))
        return ServiceKey(family, _NUMBERS[found[1]], ip, int(found[3])) if ip.version == family else None
    return None


def service_comment(service: Service) -> str:
    """All that the name does not say."""
    return (f"scheduler={service.scheduler} flags={service.flags} "
            f"timeout={service.timeout} prefix={service.prefix}")


def destination_comment(destination: Destination) -> str:
    """All that the name does not say."""
    return f"weight={destination.weight}"


def timeouts_comment(**seconds: int) -> str:
    """What a rule says that sets timeouts. nft lists an object's own only where they differ from what it takes for
    usual."""
    return " ".join(f"{state}={number}" for state, number in seconds.items())


def words(comment: str) -> dict[str, str]:
    """The words of a comment."""
    return dict(word.partition("=")[::2] for word in comment.split())


def parse(name: str, comment: str, family: int) -> Service | Destination | None:
    """The service or destination whose chain has this name and this comment; None when it is no such thing."""
    key = parse_name(name, family)
    said = words(comment)
    try:
        if isinstance(key, ServiceKey):
            return Service(key, said["scheduler"], int(said["flags"]), int(said["timeout"]), int(said["prefix"]))
        return Destination(key, int(said["weight"])) if key is not None else None
    except (KeyError, ValueError):
        return None
