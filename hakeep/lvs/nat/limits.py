"""What NAT by nftables cannot do, as sentences that name the keyword and say what would help."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from hakeep.config.keywords.lvs import REAL_SERVER, VIRTUAL_SERVER
from hakeep.lvs.nat.chain import Entry, numbered
from hakeep.lvs.nat.rules import to_declaration, to_script, to_timeouts
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

_METHODS = {Forward.ROUTE: "DR", Forward.TUNNEL: "TUN", Forward.LOCAL: "LOCAL", Forward.BYPASS: "BYPASS"}


def cannot(service: Service, destinations: Iterable[Destination]) -> str:
    """Why this service cannot be had, "" = it can."""
    return next(_of_service(service), "") or next((why for each in destinations if (why := _of(service, each))), "")


def _of_service(service: Service) -> Iterator[str]:
    if why := _lack("lvs_sched", service.scheduler):
        yield why
    if service.flags & ONE_PACKET:
        yield _lack("ops")
    if service.engine:
        yield _lack("persistence_engine", service.engine)
    if not service.key.fwmark and service.key.protocol not in PROTOCOLS:
        yield f"protocol {service.key.protocol}: lvs_backend nftables knows {', '.join(PROTOCOLS.values())}"


def _of(service: Service, destination: Destination) -> str:
    if destination.forward is not Forward.MASQ:
        return _lack("lvs_method", _METHODS[destination.forward])
    if destination.key.ip.version != service.key.family:
        return (f"an IPv{destination.key.ip.version} real_server needs a tunnel, and lvs_method TUN needs IPVS: "
                f"lvs_backend nftables cannot join it with an IPv{service.key.family} virtual_server")
    for keyword, limit in (("uthreshold", destination.upper), ("lthreshold", destination.lower)):
        if limit:
            return _lack(keyword)
    return ""


def _lack(keyword: str, value: str = "") -> str:
    """As the keyword declares it, so that the configuration's rules say the same."""
    return (VIRTUAL_SERVER.fields.get(keyword) or REAL_SERVER.fields[keyword]).lack("nftables", value)


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
    services = to_script(table, ((None, numbered(None, each)) for each in entries))
    return to_declaration(table, family) + to_timeouts(table, family, _TIMEOUTS) + services


_TIMEOUTS = Timeouts(900, 120, 300)
