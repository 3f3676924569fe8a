"""Services and destinations of the kernel's IPVS, as values (linux/ip_vs.h; ipvsadm's words).

A *service* is what clients ask: an address with port and protocol, or a firewall mark. A *destination* is a real
server of one service. An object's `key` says which one it is; its other fields say how it should be. What the kernel
counts and reports (connections, statistics) stands in classes of its own: nobody wants it to be anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from hakeep.objects.rtnl import IPAddress

TCP, UDP, SCTP = 6, 17, 132
PROTOCOLS = {TCP: "TCP", UDP: "UDP", SCTP: "SCTP"}

#: Service flags (IP_VS_SVC_F_*). HASHED is the kernel's own and comes back in every dump.
PERSISTENT, HASHED, ONE_PACKET, SCHED1, SCHED2, SCHED3 = 1, 2, 4, 8, 16, 32
#: Flags that a configuration can ask for.
WANTED_FLAGS = PERSISTENT | ONE_PACKET | SCHED1 | SCHED2 | SCHED3

WEIGHT_MAX = 2**31 - 1

#: The greatest firewall mark.
MARK_MAX = 2**32 - 1


class Forward(IntEnum):
    """How packets get to a real server (IP_VS_CONN_F_*)."""

    MASQ = 0
    LOCAL = 1
    TUNNEL = 2
    ROUTE = 3
    BYPASS = 4


class Encapsulation(IntEnum):
    """What a tunnel wraps packets in (IP_VS_CONN_F_TUNNEL_TYPE_*)."""

    IPIP = 0
    GUE = 1
    GRE = 2


class Tunnel(NamedTuple):
    """Options of Forward.TUNNEL. `port` is that of GUE; `checksum`: 0 none, 1 csum, 2 remcsum (..._ENCAP_FLAG_*)."""

    type: Encapsulation = Encapsulation.IPIP
    port: int = 0
    checksum: int = 0


PLAIN = Tunnel()


class ServiceKey(NamedTuple):
    """Which service: `ip` is None and `protocol` and `port` are 0 where `fwmark` is set. `family` is 4 or 6."""

    family: int
    protocol: int
    ip: IPAddress | None
    port: int
    fwmark: int = 0

    def __str__(self) -> str:
        """As logs and FIFOs say it: ``[10.0.0.1]:tcp:80`` or ``FWM 5``."""
        if self.fwmark:
            return f"FWM {self.fwmark}"
        return f"[{self.ip}]:{PROTOCOLS.get(self.protocol, str(self.protocol)).lower()}:{self.port}"


@dataclass(frozen=True, slots=True)
class Service:
    """One IPVS service. `flags` are WANTED_FLAGS; `timeout` is that of persistence in seconds (0 = none; PERSISTENT is
    set when it is not); `prefix` is its granularity in bits, 32 or 128 = each client for itself."""

    key: ServiceKey
    scheduler: str = "wlc"
    flags: int = 0
    timeout: int = 0
    prefix: int = 32
    engine: str = ""


class DestinationKey(NamedTuple):
    """Which destination: `service` is where it belongs. Its family may differ from the service's (tunnels)."""

    service: ServiceKey
    ip: IPAddress
    port: int


@dataclass(frozen=True, slots=True)
class Destination:
    """One real server of a service. `upper` and `lower` are connection thresholds, 0 = none."""

    key: DestinationKey
    weight: int = 1
    forward: Forward = Forward.MASQ
    tunnel: Tunnel = PLAIN
    upper: int = 0
    lower: int = 0


@dataclass(frozen=True, slots=True)
class SyncDaemon:
    """One connection synchronisation daemon. `state` is "master" or "backup"; 0 and None = the kernel's default."""

    state: str
    interface: str
    sync_id: int = 0
    max_length: int = 0
    group: IPAddress | None = None
    port: int = 0
    ttl: int = 0


class Timeouts(NamedTuple):
    """Connection timeouts in seconds (ipvsadm --set). 0 = leave as it is."""

    tcp: int = 0
    tcp_fin: int = 0
    udp: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """What is there or what is wanted: services, and the destinations of each, both by key in the order of asking."""

    services: Mapping[ServiceKey, Service] = field(default_factory=dict)
    destinations: Mapping[DestinationKey, Destination] = field(default_factory=dict)

    @classmethod
    def of(cls, services: Iterable[Service], destinations: Iterable[Destination] = ()) -> Table:
        """The table that holds these."""
        return cls({each.key: each for each in services}, {each.key: each for each in destinations})


class Counts(NamedTuple):
    """Statistics (IPVS_STATS_ATTR_*): totals, then rates a second."""

    connections: int = 0
    in_packets: int = 0
    out_packets: int = 0
    in_bytes: int = 0
    out_bytes: int = 0
    connection_rate: int = 0
    in_packet_rate: int = 0
    out_packet_rate: int = 0
    in_byte_rate: int = 0
    out_byte_rate: int = 0


class Usage(NamedTuple):
    """What a backend counts of a service (connections are then 0) or of a destination. None: it does not know how many
    connections there are."""

    active: int | None = 0
    inactive: int | None = 0
    persistent: int = 0
    counts: Counts = Counts()


def whole(family: int) -> int:
    """The granularity in bits that means each client for itself."""
    return 32 if family == 4 else 128


def netmask(prefix: int) -> int:
    """The IPv4 netmask of a granularity in bits. Somebody else's may have gaps, such as 255.0.255.0: `granularity`
    tells them as negative numbers, and here they come back."""
    return -prefix if prefix < 0 else 0xFFFFFFFF << (32 - prefix) & 0xFFFFFFFF


def granularity(mask: int) -> int:
    """The reverse of `netmask`."""
    prefix = mask.bit_count()
    return prefix if netmask(prefix) == mask else -mask


def free_marks(first: int, taken: Iterable[int]) -> Iterator[int]:
    """Marks from `first` on that are not `taken`; after the last of all come the first ones."""
    used = set(taken)
    for number in range(MARK_MAX):
        mark = (first - 1 + number) % MARK_MAX + 1
        if mark not in used:
            yield mark
