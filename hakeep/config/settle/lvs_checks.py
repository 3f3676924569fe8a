"""When checks are made, and of what: each value is the check's own, else the real server's, else the virtual server's,
else that of the kind of check.

A check that cannot be made (no command, no page, no file, no session) is left out, as in keepalived; rules tell of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from hakeep.config.keywords.global_defs import GlobalDefs
from hakeep.config.keywords.lvs import CHECKERS
from hakeep.config.keywords.static import Config
from hakeep.config.schema import Plain
from hakeep.config.settle.bfd import listeners
from hakeep.config.settle.lvs_pages import settle_http, settle_tls
from hakeep.config.settled import Script
from hakeep.config.settled_lvs import (
    AgentProbe,
    BfdProbe,
    Check,
    DnsProbe,
    FileProbe,
    GrpcProbe,
    MiscProbe,
    Peer,
    PingProbe,
    Probe,
    SmtpProbe,
    TcpProbe,
    Timing,
    UdpProbe,
)
from hakeep.objects.rtnl import IPAddress

_RETRY = {"MISC_CHECK": 0, "DNS_CHECK": 3}
_DELAY_BEFORE_RETRY = {"HTTP_GET": 3.0, "SSL_GET": 3.0}

#: Keywords that say where a check goes and how.
_WHERE = ("connect_ip", "connect_port", "bindto", "bind_port", "bind_if", "fwmark")

#: Ports of the protocols themselves, for services that have none (firewall marks, all ports).
_PORTS = {"HTTP_GET": 80, "SSL_GET": 443, "SMTP_CHECK": 25, "DNS_CHECK": 53}


#: What a check has from the real server around it, else from the virtual server, if it does not say it itself.
_INHERITED = frozenset({
    "alpha", "delay_loop", "warmup", "retry", "delay_before_retry", "connect_timeout", "virtualhost"})


@dataclass(frozen=True, slots=True)
class Sources:
    """What checks refer to, outside of the virtual server. `known` are those that were met: equal ones are one."""

    files: dict[str, Plain]
    sessions: dict[str, Plain]
    ssl: Plain | None
    log_all_failures: bool
    smtp_alert: bool | None
    known: dict[Check, Check] = field(default_factory=dict)

    @classmethod
    def of(cls, config: Config) -> Sources:
        """What a configuration has of it; of several files or sessions of one name the first counts."""
        written = config.global_defs or GlobalDefs()
        alert = written.smtp_alert if written.smtp_alert_checker is None else written.smtp_alert_checker
        files = {each.name: each for each in reversed(config.track_file) if each.get("file")}
        sessions = {each.name: each for each in reversed(config.bfd_instance) if each.get("neighbor_ip")}
        return cls(files, sessions, config.SSL, bool(written.checker_log_all_failures), alert)


class Around:
    """The words on checks of the block around them, and of the blocks around that. `manners` are those of its checks,
    by the identity of what they say: of a thousand servers most have the same check."""

    __slots__ = ("manners", "words")

    def __init__(self, words: Mapping[str, Any]) -> None:
        self.words = words
        self.manners: dict[tuple[str, int], Manner] = {}

    def within(self, block: Plain) -> Around:
        """What holds in a block that stands in it."""
        if _INHERITED.isdisjoint(block.values):
            return self
        return Around({**self.words, **{word: value for word, value in block.given() if word in _INHERITED}})


class Way(NamedTuple):
    """Where a check goes and how. Without `ip` and `port` these are the real server's; the others are as in `Peer`."""

    ip: IPAddress | None
    port: int | None
    how: tuple[float, IPAddress | None, int, str, int]

    @classmethod
    def of(cls, block: Plain, around: Around) -> Way:
        """That of a check block."""
        said = block.values
        timeout = float(said.get("connect_timeout", around.words.get("connect_timeout", 5.0)))
        how = timeout, said.get("bindto"), said.get("bind_port", 0), said.get("bind_if", ""), said.get("fwmark", 0)
        return cls(said.get("connect_ip"), said.get("connect_port"), how)


class Manner(NamedTuple):
    """What does not depend on the real server."""

    way: Way
    timing: Timing
    alpha: bool
    log: bool


class Place(NamedTuple):
    """A check block and what stands around it."""

    kind: str
    block: Plain
    around: Around
    server: Plain
    port: int
    sources: Sources

    def get(self, keyword: str, default: Any = None) -> Any:
        """The nearest word on it."""
        value = self.block.values.get(keyword)
        return self.around.words.get(keyword, default) if value is None else value

    def own(self, keyword: str, default: Any = None) -> Any:
        """The check's own word on it."""
        return self.block.values.get(keyword, default)

    def named(self, keyword: str, definitions: dict[str, Plain]) -> tuple[str, Plain | None]:
        """What the check's own keyword names, and the definition of it, which must stand before its use."""
        name = self.own(keyword, "")
        definition = definitions.get(name)
        late = definition is not None and self.block.order(keyword) < definition.order()
        return name, None if late else definition

    @property
    def delay_loop(self) -> float:
        return float(self.get("delay_loop", 60.0))

    @property
    def manner(self) -> Manner:
        """When it is made, and how."""
        known, key = self.around.manners, (self.kind, id(self.block.values))
        manner = known.get(key)
        if manner is None:
            alpha = self.get("alpha", self.kind == "BFD_CHECK")
            log = self.own("log_all_failures", self.sources.log_all_failures)
            manner = known[key] = Manner(Way.of(self.block, self.around), _timing(self), bool(alpha), bool(log))
        return manner

    @property
    def peer(self) -> Peer:
        """Where it goes."""
        return self.along(self.manner.way)

    def along(self, way: Way) -> Peer:
        """Where it goes on that way."""
        port = self.port if way.port is None else way.port
        port = 0 if self.kind == "PING_CHECK" else port or _PORTS.get(self.kind, 0)
        return Peer(way.ip or self.server.head[0], port, *way.how)


def settle_checks(server: Plain, around: Around, port: int, sources: Sources) -> tuple[Check, ...]:
    """The checks of a real server, in a virtual server with those words, in the order in which they were written."""
    found: list[tuple[int, Check]] = []
    around = around.within(server)
    for kind, blocks in server.given():
        for block in blocks if kind in CHECKERS else ():
            place = Place(kind, block, around, server, port, sources)
            manner = place.manner
            for probe in _PROBES[kind](place):
                check = Check(kind, probe, manner.timing, manner.alpha, manner.log)
                found.append((block.order(), sources.known.setdefault(check, check)))
    if len(found) > 1:
        found.sort(key=lambda pair: pair[0])
        return tuple(dict.fromkeys(check for _, check in found))
    return tuple(check for _, check in found)


def _timing(place: Place) -> Timing:
    if place.kind in ("FILE_CHECK", "BFD_CHECK"):
        return Timing()  # nothing is asked
    delay_loop = place.delay_loop
    pause = delay_loop if place.kind == "DNS_CHECK" else _DELAY_BEFORE_RETRY.get(place.kind, 1.0)
    return Timing(
        delay_loop=delay_loop,
        warmup=float(place.get("warmup", delay_loop)),
        retry=place.get("retry", _RETRY.get(place.kind, 1)),
        delay_before_retry=float(place.get("delay_before_retry", pause)),
    )


# ------------------------------------------------------------------------------------------------------------ probes


def _misc(place: Place) -> Iterator[Probe]:
    command: Script | None = place.own("misc_path")
    if command and command.argv:
        user, group = place.own("user", (None, None))
        timeout = place.own("misc_timeout") or place.delay_loop
        yield MiscProbe(replace(command, user=user, group=group), float(timeout), bool(place.own("misc_dynamic")))


def _smtp(place: Place) -> Iterator[Probe]:
    """Each `host` is a check of its own. Beside such, the block around them is one only if it says where it goes."""
    name = place.own("helo_name", "smtpchecker.keepalived.org")
    hosts = place.own("host", ())
    if not hosts or any(place.own(word) is not None for word in _WHERE):
        yield SmtpProbe(place.peer, name)
    for host in hosts:
        yield SmtpProbe(place.along(Way.of(host, place.around)), name)


def _tcp(place: Place) -> Iterator[Probe]:
    yield TcpProbe(place.peer, place.own("send", b""), place.own("expect", b""), settle_tls(place.block, None))


def _ping(place: Place) -> Iterator[Probe]:
    yield PingProbe(place.peer)


def _udp(place: Place) -> Iterator[Probe]:
    payload, digits = place.own("payload"), place.own("require_reply")
    reply, masks = (None, ()) if digits is None else _pattern(digits)
    yield UdpProbe(
        place.peer, None if payload is None else bytes.fromhex(payload), reply, masks,
        place.own("min_reply_length", 0), place.own("max_reply_length", 255))


def _pattern(digits: str) -> tuple[tuple[int | None, ...], tuple[int, ...]]:
    """Hexadecimal digits, of which x stands for any, as bytes (None = any) and as the bits of each that count."""
    pairs = [digits[n : n + 2] for n in range(0, len(digits), 2)]
    masks = tuple((pair[0] != "x") * 0xF0 | (pair[1] != "x") * 0x0F for pair in pairs)
    values = tuple(int(pair.replace("x", "0"), 16) if mask else None for pair, mask in zip(pairs, masks, strict=True))
    return values, masks if any(mask in (0xF0, 0x0F) for mask in masks) else ()


def _http(place: Place) -> Iterator[Probe]:
    yield from settle_http(place.block, place.peer, place.get("virtualhost"), place.sources.ssl,
                           encrypted=place.kind == "SSL_GET")


def _dns(place: Place) -> Iterator[Probe]:
    yield DnsProbe(place.peer, place.own("type", "SOA"), place.own("name", "."))


def _file(place: Place) -> Iterator[Probe]:
    name, definition = place.named("track_file", place.sources.files)
    if definition is not None:
        weight, reverse = place.own("weight") or definition.get("weight", (1, False))
        yield FileProbe(definition.get("file"), -weight if reverse else weight, name, reverse)


def _bfd(place: Place) -> Iterator[Probe]:
    name, session = place.named("name", place.sources.sessions)
    if session is not None and listeners(session)[1]:
        yield BfdProbe(name)


def _agent(place: Place) -> Iterator[Probe]:
    yield AgentProbe(place.peer, place.own("send", b""))


def _grpc(place: Place) -> Iterator[Probe]:
    yield GrpcProbe(place.peer, place.own("service", ""), settle_tls(place.block, None, alpn=("h2",)))


_PROBES: dict[str, Callable[[Place], Iterable[Probe]]] = {
    "MISC_CHECK": _misc, "SMTP_CHECK": _smtp, "TCP_CHECK": _tcp, "PING_CHECK": _ping, "UDP_CHECK": _udp,
    "HTTP_GET": _http, "SSL_GET": _http, "DNS_CHECK": _dns, "FILE_CHECK": _file, "BFD_CHECK": _bfd,
    "AGENT_CHECK": _agent, "GRPC_CHECK": _grpc,
}
