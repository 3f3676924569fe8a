"""What NAT by nftables cannot do, as sentences that name the keyword and say what would help."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_address

from hakeep.lvs.nat.rules import Entry, to_declaration, to_script, to_timeouts
from hakeep.objects.ipvs import (
    ONE_PACKET,
    PROTOCOLS,
    TCP,
    UDP,
    Destination,
    DestinationKey,
    Forward,
    Service,
    ServiceKey,
    Timeouts,
)

SCHEDULERS = ("rr", "wrr", "sh")

_METHODS = {Forward.ROUTE: "DR", Forward.TUNNEL: "TUN", Forward.LOCAL: "LOCAL", Forward.BYPASS: "BYPASS"}
_COUNTING = ("lc", "wlc", "sed", "nq", "lblc", "lblcr", "ovf", "fo")


def cannot(service: Service, destinations: Sequence[Destination]) -> str:
    """Why this service cannot be had, "" = it can."""
    return next(_of_service(service), "") or next((why for each in destinations if (why := _of(service, each))), "")


def _of_service(service: Service) -> Iterator[str]:
    if service.scheduler not in SCHEDULERS:
        instead = "wrr, the nearest" if service.scheduler in _COUNTING else "sh" if service.scheduler in (
            "dh", "mh") else "rr, wrr or sh"
        yield (f"lvs_sched {service.scheduler} needs IPVS: lvs_backend nftables knows {', '.join(SCHEDULERS)}; "
               f"use {instead}")
    if service.flags & ONE_PACKET:
        yield "ops needs IPVS: lvs_backend nftables keeps a connection for each client and port; leave it out"
    if service.engine:
        yield (f"persistence_engine {service.engine} needs IPVS: lvs_backend nftables knows clients by their address "
               "only; leave it out")
    if not service.key.fwmark and service.key.protocol not in PROTOCOLS:
        yield f"protocol {service.key.protocol}: lvs_backend nftables knows {', '.join(PROTOCOLS.values())}"


def _of(service: Service, destination: Destination) -> str:
    server = f"of real_server {destination.key.ip} {destination.key.port}"
    if destination.forward is not Forward.MASQ:
        return (f"lvs_method {_METHODS[destination.forward]} {server} needs IPVS: lvs_backend nftables can only "
                "rewrite addresses; use lvs_method NAT")
    if destination.key.ip.version != service.key.family:
        return (f"the IPv{destination.key.ip.version} address {server} needs a tunnel, and lvs_method TUN needs IPVS: "
                f"lvs_backend nftables cannot join it with an IPv{service.key.family} virtual_server")
    for keyword, limit in (("uthreshold", destination.upper), ("lthreshold", destination.lower)):
        if limit:
            return (f"{keyword} {server} needs IPVS: lvs_backend nftables does not count a server's connections; "
                    "leave it out")
    return ""


def probe(family: int) -> str:
    """A script that uses all that we ever ask of nftables, for the kernel to check."""
    ip = ip_address("192.0.2.1" if family == 4 else "2001:db8::1")

    def entry(key: ServiceKey, scheduler: str, timeout: int, *weights: int) -> Entry:
        servers = (Destination(DestinationKey(key, ip + at, 80), weight) for at, weight in enumerate(weights, 1))
        return Entry(Service(key, scheduler, timeout=timeout, prefix=24), tuple(servers))

    entries = (
        entry(ServiceKey(family, TCP, ip, 80), "wrr", 60, 1, 2, 0),
        entry(ServiceKey(family, UDP, ip, 0), "sh", 0, 1, 1),
        entry(ServiceKey(family, 0, None, 0, 1), "rr", 0),
    )
    table = "hakeep_lvs_probe"
    services = to_script(table, ((None, each) for each in entries))
    return to_declaration(table, family) + to_timeouts(table, family, _TIMEOUTS) + services


_TIMEOUTS = Timeouts(900, 120, 300)
