"""Tables as commands: what -S prints and -R reads, here and in ipvsadm."""

from __future__ import annotations

from collections.abc import Iterator

from hakeep.cli.ipvs import words
from hakeep.cli.ipvs.listing import arranged
from hakeep.cli.ipvs.names import Numbers
from hakeep.objects.ipvs import (
    ONE_PACKET,
    PERSISTENT,
    SCTP,
    TCP,
    UDP,
    Destination,
    Encapsulation,
    Forward,
    Service,
    ServiceKey,
    Table,
)

_SERVICE_OPTIONS = {TCP: "-t", UDP: "-u", SCTP: "--sctp-service"}
_FORWARD_OPTIONS = {Forward.MASQ: "-m", Forward.TUNNEL: "-i"}
_CHECKSUMS = ("nocsum", "csum", "remcsum")


def rules(table: Table, names: Numbers, *, exact: bool = False) -> Iterator[str]:
    """The commands that make this table. Without `exact` just what ipvsadm prints, which leaves thresholds out; only
    that marks from 2147483648 on are what its -R takes, not the negative numbers that it prints."""
    for service, destinations in arranged(table, keep=False):
        which = _which(service.key, names)
        yield _service_rule(service, which)
        for each in destinations:
            thresholds = f" -x {each.upper} -y {each.lower}" if exact and (each.upper or each.lower) else ""
            yield _server_rule(each, which, names) + thresholds


def _which(key: ServiceKey, names: Numbers) -> str:
    if key.ip is None:
        return f"-f {key.fwmark}{' -6' if key.family == 6 else ''}"
    return f"{_SERVICE_OPTIONS[key.protocol]} {names.shown(key.ip, key.port, key.protocol)}"


def _service_rule(service: Service, which: str) -> str:
    parts = [f"-A {which} -s {service.scheduler}"]
    flags, mask = words.flag_names(service), words.mask(service)
    if service.flags & PERSISTENT:
        parts.append(f"-p {service.timeout}")
        if mask:
            parts.append(f"-M {mask}")
    if service.engine:
        parts.append(f"--pe {service.engine}")
    if service.flags & ONE_PACKET:
        parts.append("-o")
    if flags:
        parts.append(f"-b {flags}")
    return " ".join(parts)


def _server_rule(each: Destination, which: str, names: Numbers) -> str:
    key = each.key
    real = names.shown(key.ip, key.port, key.service.protocol)
    parts = [f"-a {which} -r {real} {_FORWARD_OPTIONS.get(each.forward, '-g')} -w {each.weight}"]
    if each.forward is Forward.TUNNEL:
        type_, port, checksum = each.tunnel
        parts.append(f"--tun-type {type_.name.lower()}")
        if type_ is Encapsulation.GUE:
            parts.append(f"--tun-port {port}")
        if type_ is not Encapsulation.IPIP and checksum < len(_CHECKSUMS):
            parts.append(f"--tun-{_CHECKSUMS[checksum]}")
    return " ".join(parts)
