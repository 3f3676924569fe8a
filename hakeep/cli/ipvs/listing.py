"""Tables as ipvsadm prints them, byte for byte."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import Enum

from hakeep.cli.ipvs import words
from hakeep.cli.ipvs.names import Numbers
from hakeep.objects.ipvs import (
    ONE_PACKET,
    PERSISTENT,
    PROTOCOLS,
    Counts,
    Destination,
    DestinationKey,
    Service,
    ServiceKey,
    SyncDaemon,
    Table,
    Timeouts,
    Usage,
)

#: Columns for the name of a service in lists of counts, and of a real server.
_SERVICE_WIDTH, _SERVER_WIDTH = 33, 28

_NOTHING = Usage()


class Form(Enum):
    """What a list tells of the real servers: its two headers are the value."""

    PLAIN = ("Prot LocalAddress:Port Scheduler Flags",
             "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn")
    TUNNELS = ("Prot LocalAddress:Port Scheduler Flags",
               "  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn")
    STATS = ("Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes",
             "  -> RemoteAddress:Port")
    RATE = ("Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS",
            "  -> RemoteAddress:Port")
    THRESHOLDS = ("Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn ",
                  "  -> RemoteAddress:Port")
    PERSISTENT = ("Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn ",
                  "  -> RemoteAddress:Port")


def form(view: Collection[str]) -> Form:
    """The form that these options ask for; of several the first counts."""
    for name, found in (("stats", Form.STATS), ("rate", Form.RATE), ("thresholds", Form.THRESHOLDS),
                        ("persistent_conn", Form.PERSISTENT), ("tunnels", Form.TUNNELS)):
        if name in view:
            return found
    return Form.PLAIN


def title(version: Sequence[int], size: int) -> str:
    """The first line of a list of everything."""
    return f"IP Virtual Server version {'.'.join(map(str, version))} (size={size})"


def listing(
    table: Table,
    usage: Mapping[ServiceKey | DestinationKey, Usage],
    view: Collection[str],
    names: Numbers,
) -> Iterator[str]:
    """The lines of a list, from the headers on. `table` is in the kernel's order, in which --nosort leaves it."""
    shape = form(view)
    yield from shape.value
    exact = "exact" in view
    for service, destinations in arranged(table, keep="nosort" in view):
        yield _service_line(service, usage.get(service.key, _NOTHING), shape, names, exact=exact)
        for each in destinations:
            yield _server_line(each, usage.get(each.key, _NOTHING), shape, names, exact=exact)


def arranged(table: Table, *, keep: bool) -> Iterator[tuple[Service, list[Destination]]]:
    """Each service with its destinations, in ipvsadm's order unless the present one is to `keep`."""
    of: dict[ServiceKey, list[Destination]] = {key: [] for key in table.services}
    for destination in table.destinations.values():
        of[destination.key.service].append(destination)
    services = list(table.services.values())
    for service in services if keep else words.in_order(services, words.compare_services):
        found = of[service.key]
        yield service, found if keep else words.in_order(found, words.compare_destinations)


def _service_line(service: Service, usage: Usage, shape: Form, names: Numbers, *, exact: bool) -> str:
    key = service.key
    if key.ip is None:
        name = f"FWM  {words.mark(key)}"
    else:
        name = f"{PROTOCOLS.get(key.protocol, str(key.protocol)):<4} {names.shown(key.ip, key.port, key.protocol)}"
        if key.family == 4:
            name = name[:_SERVICE_WIDTH]
    if shape in (Form.STATS, Form.RATE):
        return f"{name:<{_SERVICE_WIDTH}}{_counts(usage.counts, shape, exact=exact)}"
    flags, mask = words.flag_names(service), words.mask(service)
    parts = [name, service.scheduler]
    if flags:
        parts.append(f"({flags})")
    if service.flags & PERSISTENT:
        parts.append(f"persistent {service.timeout}")
        if mask:
            parts.append(f"mask {mask}")
        if service.engine:
            parts.append(f"pe {service.engine}")
    if service.flags & ONE_PACKET:
        parts.append("ops")
    return " ".join(parts)


def _server_line(each: Destination, usage: Usage, shape: Form, names: Numbers, *, exact: bool) -> str:
    key = each.key
    name = names.shown(key.ip, key.port, key.service.protocol)
    if key.ip.version == 4:
        name = name[:_SERVER_WIDTH]
    start = f"  -> {name:<{_SERVER_WIDTH}}"
    if shape in (Form.STATS, Form.RATE):
        return f"{start}{_counts(usage.counts, shape, exact=exact)}"
    active = f"{usage.active:<10} {usage.inactive:<10}"
    if shape is Form.THRESHOLDS:
        return f"{start} {each.upper:<10} {each.lower:<10} {active}"
    if shape is Form.PERSISTENT:
        return f"{start} {each.weight:<9} {usage.persistent:<11} {active}"
    tunnel = f" {words.tunnel(each):<13}" if shape is Form.TUNNELS else ""
    return f"{start} {words.FORWARDS[each.forward]:<7}{tunnel} {each.weight:<6} {active}"


def _counts(counts: Counts, shape: Form, *, exact: bool) -> str:
    return "".join(words.number(each, exact=exact) for each in (counts[:5] if shape is Form.STATS else counts[5:]))


def timeouts(found: Timeouts) -> str:
    """The line of --timeout."""
    return f"Timeout (tcp tcpfin udp): {found.tcp} {found.tcp_fin} {found.udp}"


def daemon(found: SyncDaemon) -> str:
    """A line of --daemon. What an old kernel does not say is left out."""
    more = (("maxlen", found.max_length), ("group", found.group), ("port", found.port), ("ttl", found.ttl))
    rest = "".join(f", {name}={value}" for name, value in more if value)
    return f"{found.state} sync daemon (mcast={found.interface}, syncid={found.sync_id}{rest})"
