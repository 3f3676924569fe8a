"""ipvsadm's words for services, real servers and numbers, shared by lists and rules; and its order of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from typing import TypeVar

from hakeep.objects.ipvs import (
    SCHED1,
    SCHED2,
    SCHED3,
    Destination,
    Forward,
    Service,
    ServiceKey,
    Tunnel,
    netmask,
    whole,
)
from hakeep.objects.rtnl import IPAddress

T = TypeVar("T")

FORWARDS = {Forward.MASQ: "Masq", Forward.LOCAL: "Local", Forward.TUNNEL: "Tunnel", Forward.ROUTE: "Route",
            Forward.BYPASS: "Bypass"}  # fmt: skip

_FLAG_NAMES = {"sh": ("sh-fallback", "sh-port"), "mh": ("mh-fallback", "mh-port")}


def mark(key: ServiceKey) -> str:
    """A firewall mark as ipvsadm lists it: as a signed number."""
    return f"{_signed(key.fwmark)}{' IPv6' if key.family == 6 else ''}"


def flag_names(service: Service) -> str:
    """The scheduler's flags, with commas."""
    names = (*_FLAG_NAMES.get(service.scheduler, ("flag-1", "flag-2")), "flag-3")
    return ",".join(name for flag, name in zip((SCHED1, SCHED2, SCHED3), names, strict=True) if service.flags & flag)


def mask(service: Service) -> str:
    """The netmask of persistence, "" where each client is for itself."""
    if service.prefix == whole(service.key.family):
        return ""
    if service.key.family == 6:
        return str(service.prefix)
    return str(IPv4Address(netmask(service.prefix)))


def number(value: int, *, exact: bool) -> str:
    """A count with a space before it, in nine columns: from a hundred million on in thousands, and so on."""
    if exact or value < 10**8:
        return f" {value:>8}"
    for limit, unit, letter in ((10**9, 10**3, "K"), (10**11, 10**6, "M"), (10**14, 10**9, "G")):
        if value < limit:
            return f"{value // unit:>8}{letter}"
    return f"{value // 10**12:>8}T"


def tunnel(destination: Destination) -> str:
    """Options of a tunnel, for --tun-info."""
    if destination.forward is not Forward.TUNNEL:
        return "n/a"
    options: Tunnel = destination.tunnel
    name = options.type.name.lower()
    checksum = ("-c", "+c", "r+c")[options.checksum] if options.checksum < 3 else "?"
    return {"ipip": name, "gue": f"{name}:{options.port}:{checksum}"}.get(name, f"{name}:{checksum}")


# ----------------------------------------------------------------------------------------------------------- order


def in_order(things: Sequence[T], compare: Callable[[T, T], int]) -> list[T]:
    """A merge sort that halves as the C library's does.

    ipvsadm compares numbers by the sign of a 32 bit difference, so that 10 < 100 < 192 < 10 in the first byte of an
    address. What is in order then depends on how one sorts.
    """
    if len(things) < 2:
        return list(things)
    half = len(things) // 2
    left, right = in_order(things[:half], compare), in_order(things[half:], compare)
    merged: list[T] = []
    i = j = 0
    while i < len(left) and j < len(right):
        if compare(left[i], right[j]) <= 0:
            merged.append(left[i])
            i += 1
        else:
            merged.append(right[j])
            j += 1
    return merged + left[i:] + right[j:]


def compare_services(one: Service, other: Service) -> int:
    """By mark, family, protocol, address, port."""
    a, b = one.key, other.key
    return (
        _signed(a.fwmark - b.fwmark)
        or a.family - b.family
        or a.protocol - b.protocol
        or (_compare_addresses(a.ip, b.ip) if a.ip is not None and b.ip is not None else 0)
        or a.port - b.port
    )


def compare_destinations(one: Destination, other: Destination) -> int:
    """By address, port."""
    a, b = one.key, other.key
    return _compare_addresses(a.ip, b.ip) or a.port - b.port


def _compare_addresses(one: IPAddress, other: IPAddress) -> int:
    """By the first 32 bits that differ; by as many as `one` has."""
    a, b = one.packed, other.packed.ljust(16, b"\0")
    for at in range(0, len(a), 4):
        difference = _signed(int.from_bytes(a[at : at + 4], "big") - int.from_bytes(b[at : at + 4], "big"))
        if difference:
            return difference
    return 0


def _signed(value: int) -> int:
    """As 32 bits with a sign."""
    return (value + 0x80000000 & 0xFFFFFFFF) - 0x80000000
