"""From what was said on the command line to what shall be done, as values. What cannot be is refused in a sentence."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from hakeep.cli.ipvs.command_line import FWMARK, ONE_OF_A_LIST, RULES, TABLE_FORMS
from hakeep.cli.ipvs.names import find_host, find_port
from hakeep.objects.ipvs import (
    ONE_PACKET,
    PERSISTENT,
    PLAIN,
    SCHED1,
    SCHED2,
    SCHED3,
    UDP,
    WEIGHT_MAX,
    Destination,
    DestinationKey,
    Encapsulation,
    Forward,
    Service,
    ServiceKey,
    SyncDaemon,
    Timeouts,
    Tunnel,
    granularity,
    whole,
)
from hakeep.objects.rtnl import IPAddress

#: Seconds: 31 days, the kernel's longest timeout.
TIMEOUT_MAX = 31 * 86400

#: Flags by name; a scheduler's own names go with that scheduler only.
FLAGS = {"flag-1": SCHED1, "flag-2": SCHED2, "flag-3": SCHED3}
OWN_FLAGS = {
    "sh": {"sh-fallback": SCHED1, "sh-port": SCHED2},
    "mh": {"mh-fallback": SCHED1, "mh-port": SCHED2},
}


class Refused(Exception):
    """This command line makes no sense; the text is a sentence that says why."""


@dataclass(frozen=True, slots=True)
class Command:
    """What shall be done. `verb` is a key of RULES; the other fields are what it is done with.

    `service` and `destination` are whole even where only their keys count.
    """

    verb: str
    service: Service | None = None
    destination: Destination | None = None
    timeouts: Timeouts | None = None
    daemon: SyncDaemon | None = None
    view: frozenset[str] = frozenset()


class Where(NamedTuple):
    """An address as it was written; `port` is None where none was."""

    ip: IPAddress
    port: int | None


def command(said: argparse.Namespace) -> Command:
    """The command in the words that `command_line` has taken apart. Raises Refused."""
    chosen = getattr(said, "command_", None) or "list"
    verb, values = chosen if isinstance(chosen, tuple) else (chosen, None)
    given = dict(getattr(said, "spelled", {}))
    given.pop("command_", None)
    _check(verb, given)
    if verb == "set":
        seconds = [_number(word, 0, TIMEOUT_MAX, "a timeout in seconds") for word in values]
        return Command(verb, timeouts=Timeouts(*seconds))
    if verb in ("start-daemon", "stop-daemon"):
        return Command(verb, daemon=_daemon(said, str(values)))
    service = _service(said) if "service" in given else None
    destination = None
    if service is not None and "real" in given:
        destination = _destination(said, service.key, deletes=verb == "delete-server")
    if service is not None and verb in ("add-service", "edit-service"):
        _check_service(service)
    return Command(verb, service, destination, view=frozenset(given))


def _check(verb: str, given: dict[str, str]) -> None:
    """Do the options go with the command, and with each other?"""
    rule = RULES[verb]
    for name, spelled in given.items():
        if name not in rule.needs | rule.may:
            raise Refused(f"{spelled} does not go with --{verb}")
    for name, lack in (("service", "a service (-t, -u, --sctp-service or -f)"), ("real", "a real server (-r)")):
        if name in rule.needs - given.keys():
            raise Refused(f"--{verb} needs {lack}")
    kinds = [name for name in ONE_OF_A_LIST if name in given]
    if verb == "list" and len(kinds) > 1:
        raise Refused(f"{given[kinds[0]]} and {given[kinds[1]]} do not go together")
    forms = [name for name in TABLE_FORMS if name in given]
    if kinds and kinds[0] != "service" and forms and (kinds[0], *forms) != ("connection", "persistent_conn"):
        raise Refused(f"{given[kinds[0]]} and {given[forms[0]]} do not go together")
    if "ipv6" in given and "service" not in given:
        raise Refused("-6 goes with a firewall mark (-f)")


# -------------------------------------------------------------------------------------------------------- services


def _service(said: argparse.Namespace) -> Service:
    protocol, text = said.service
    if protocol == FWMARK:
        mark = _number(text, 1, 2**32 - 1, "a firewall mark")
        key = ServiceKey(6 if said.ipv6 else 4, 0, None, 0, mark)
    else:
        if said.ipv6:
            raise Refused("-6 goes with a firewall mark (-f); an address says itself what it is")
        where = _where(text, protocol, "service")
        key = ServiceKey(where.ip.version, protocol, where.ip, where.port or 0)
    scheduler = said.scheduler or "wlc"
    flags = _flags(said.flags, scheduler) if said.flags is not None else 0
    timeout = 0
    if said.persistent is not None:
        flags |= PERSISTENT
        timeout = _number(said.persistent, 1, TIMEOUT_MAX, "a timeout of persistence in seconds")
    prefix = whole(key.family) if said.netmask is None else _prefix(said.netmask, key.family)
    return Service(key, scheduler, flags | (ONE_PACKET if said.ops else 0), timeout, prefix, said.engine or "")


def _check_service(service: Service) -> None:
    key = service.key
    if not key.fwmark and not key.port and not service.timeout:
        hint = f" (to give it a port write [{key.ip}]:80)" if key.family == 6 else ""
        raise Refused(f"a service without a port must be persistent (-p), it serves all ports{hint}")
    if service.flags & ONE_PACKET and not key.fwmark and key.protocol != UDP:
        raise Refused("one-packet scheduling (-o) is for UDP only")


def _flags(text: str, scheduler: str) -> int:
    found = 0
    own = OWN_FLAGS.get(scheduler, {})
    for name in text.split(","):
        if name not in FLAGS and name not in own:
            foreign = any(name in flags for flags in OWN_FLAGS.values())
            raise Refused(f"scheduler {scheduler} has no flag {name}" if foreign else f"there is no flag {name!r}")
        found |= FLAGS.get(name, 0) | own.get(name, 0)
    return found


def _prefix(text: str, family: int) -> int:
    if family == 6:
        return _number(text, 1, 128, "a prefix length for IPv6 clients")
    try:
        return granularity(int(IPv4Address(text)))
    except ValueError:
        raise Refused(f"not a netmask for IPv4 clients, such as 255.255.255.0: {text!r}") from None


# ---------------------------------------------------------------------------------------------------- real servers


def _destination(said: argparse.Namespace, key: ServiceKey, *, deletes: bool) -> Destination:
    where = _where(said.real, key.protocol, "real server")
    forward = Forward.ROUTE if said.forward is None else said.forward
    port = key.port if where.port is None else where.port
    if not deletes and not key.fwmark and forward is not Forward.MASQ:
        port = key.port  # packets get there as they came
    if not deletes and where.ip.version != key.family and forward is not Forward.TUNNEL:
        raise Refused("a real server of another address family is only reached by a tunnel (-i)")
    return Destination(
        DestinationKey(key, where.ip, port),
        1 if said.weight is None else _number(said.weight, 0, WEIGHT_MAX, "a weight"),
        forward,
        _tunnel(said, forward),
        0 if said.upper is None else _number(said.upper, 0, 2**31 - 1, "a threshold"),
        0 if said.lower is None else _number(said.lower, 0, 2**31 - 1, "a threshold"),
    )


def _tunnel(said: argparse.Namespace, forward: Forward) -> Tunnel:
    if forward is not Forward.TUNNEL:
        for name in ("tunnel", "tunnel_port", "checksum"):
            if getattr(said, name) is not None:
                raise Refused(f"{said.spelled[name]} goes with a tunnel (-i)")
        return PLAIN
    type_ = Encapsulation[(said.tunnel or "ipip").upper()]
    port = 0
    if type_ is Encapsulation.GUE:
        if said.tunnel_port is None:
            raise Refused("a gue tunnel needs --tun-port")
        port = _number(said.tunnel_port, 1, 65535, "a port")
    elif said.tunnel_port is not None:
        raise Refused("--tun-port goes with --tun-type gue")
    checksum = said.checksum or 0
    if said.checksum is not None and (
        type_ is Encapsulation.IPIP or (type_ is Encapsulation.GRE and checksum == 2)
    ):
        raise Refused(f"{said.spelled['checksum']} does not go with --tun-type {type_.name.lower()}")
    return Tunnel(type_, port, checksum)


# --------------------------------------------------------------------------------------------------------- daemons


def _daemon(said: argparse.Namespace, state: str) -> SyncDaemon:
    if state not in ("master", "backup"):
        raise Refused(f"a synchronisation daemon is master or backup, not {state!r}")
    return SyncDaemon(
        state,
        said.interface or "eth0",
        0 if said.syncid is None else _number(said.syncid, 0, 255, "a syncid"),
        0 if said.length is None else _number(said.length, 1, 65535 - 20 - 8, "a length in bytes"),
        None if said.group is None else _group(said.group),
        0 if said.port is None else _number(said.port, 1, 65535, "a port"),
        0 if said.ttl is None else _number(said.ttl, 1, 255, "a TTL"),
    )


def _group(text: str) -> IPAddress:
    try:
        group = ip_address(text)
    except ValueError:
        raise Refused(f"not an address: {text!r}") from None
    if not group.is_multicast:
        raise Refused(f"{group} is not a multicast address")
    return group


# ----------------------------------------------------------------------------------------------------------- words


def _number(word: str, least: int, most: int, what: str) -> int:
    if not (word.isascii() and word.isdigit()) or not least <= int(word) <= most:
        raise Refused(f"not {what}, which is a number from {least} to {most}: {word!r}")
    return int(word)


def _where(text: str, protocol: int, what: str) -> Where:
    """``10.0.0.1:80``, ``[2001:db8::1]:80``, ``2001:db8::1``, ``www:http``, and ``[www]:http`` for its IPv6 address."""
    host, port = text, ""
    colon = False
    if text.startswith("["):
        host, closed, port = text[1:].partition("]")
        colon = port.startswith(":")
        if not closed or (port and not colon):
            raise Refused(f"not the address of a {what}: {text!r}")
        port = port[1:]
    elif text.count(":") < 2:
        host, found, port = text.partition(":")
        colon = bool(found)
    ip = _host(host, six=text.startswith("[") or host.count(":") > 1)
    number: int | None = None
    if colon:
        number = int(port) if port.isascii() and port.isdigit() else find_port(port, protocol) if port else None
        if number is None or number > 65535:
            raise Refused(f"there is no port {port!r}")
    if ip is None:
        raise Refused(f"there is no host {host!r}, the address of a {what}")
    return Where(ip, number)


def _host(host: str, *, six: bool) -> IPAddress | None:
    """`six`: it is an IPv6 address."""
    try:
        return IPv6Address(host) if six else ip_address(host)
    except ValueError:
        return find_host(host, six=six) if host and ":" not in host else None
