"""When checks are made, and of what: each value is the check's own, else the real server's, else the virtual server's,
else that of the kind of check.

A check that cannot be made (no command, no page, no file, no session) is left out, as in keepalived; rules tell of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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

_RETRY = {"MISC_CHECK": 0, "DNS_CHECK": 3}
_DELAY_BEFORE_RETRY = {"HTTP_GET": 3.0, "SSL_GET": 3.0}

#: Keywords that say where a check goes and how.
_WHERE = ("connect_ip", "connect_port", "bindto", "bind_port", "bind_if", "fwmark")

#: Ports of the protocols themselves, for services that have none (firewall marks, all ports).
_PORTS = {"HTTP_GET": 80, "SSL_GET": 443, "SMTP_CHECK": 25, "DNS_CHECK": 53}


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


class Place(NamedTuple):
    """A check block and what stands around it, from the inside out."""

    kind: str
    blocks: tuple[Plain, ...]
    port: int
    sources: Sources

    def get(self, keyword: str, default: Any = None) -> Any:
        """The nearest word on it."""
        for block in self.blocks:
            value = block.get(keyword)
            if value is not None:
                return value
        return default

    def own(self, keyword: str, default: Any = None) -> Any:
        """The check's own word on it."""
        return self.blocks[0].get(keyword, default)

    def named(self, keyword: str, definitions: dict[str, Plain]) -> tuple[str, Plain | None]:
        """What the check's own keyword names, and the definition of it, which must stand before its use."""
        name = self.own(keyword, "")
        definition = definitions.get(name)
        late = definition is not None and self.blocks[0].order(keyword) < definition.order()
        return name, None if late else definition

    @property
    def delay_loop(self) -> float:
        return float(self.get("delay_loop", 60.0))

    @property
    def peer(self) -> Peer:
        """Where it goes."""
        server = self.blocks[-2]
        return Peer(
            ip=self.own("connect_ip") or server.head[0],
            port=0 if self.kind == "PING_CHECK" else self.own("connect_port", self.port) or _PORTS.get(self.kind, 0),
            timeout=float(self.get("connect_timeout", 5.0)),
            bind_ip=self.own("bindto"),
            bind_port=self.own("bind_port", 0),
            bind_if=self.own("bind_if", ""),
            fwmark=self.own("fwmark", 0),
        )


def settle_checks(server: Plain, service: Plain, port: int, sources: Sources) -> tuple[Check, ...]:
    """The checks of a real server in the order in which they were written."""
    found: list[tuple[int, Check]] = []
    for kind in CHECKERS:
        for block in server.get(kind, ()):
            place = Place(kind, (block, server, service), port, sources)
            found += ((block.order(), check) for check in _checks(place))
    found.sort(key=lambda pair: pair[0])
    return tuple(dict.fromkeys(sources.known.setdefault(check, check) for _, check in found))


def _checks(place: Place) -> Iterator[Check]:
    alpha = place.get("alpha", place.kind == "BFD_CHECK")
    log = place.own("log_all_failures", place.sources.log_all_failures)
    for probe in _PROBES[place.kind](place):
        yield Check(place.kind, probe, _timing(place), bool(alpha), bool(log))


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
        yield SmtpProbe(place._replace(blocks=(host, *place.blocks[1:])).peer, name)


def _tcp(place: Place) -> Iterator[Probe]:
    yield TcpProbe(place.peer, place.own("send", b""), place.own("expect", b""), settle_tls(place.own, None))


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
    yield from settle_http(place.blocks[0], place.peer, place.get("virtualhost"), place.sources.ssl,
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
    yield GrpcProbe(place.peer, place.own("service", ""), settle_tls(place.own, None, alpn=("h2",)))


_PROBES: dict[str, Callable[[Place], Iterable[Probe]]] = {
    "MISC_CHECK": _misc, "SMTP_CHECK": _smtp, "TCP_CHECK": _tcp, "PING_CHECK": _ping, "UDP_CHECK": _udp,
    "HTTP_GET": _http, "SSL_GET": _http, "DNS_CHECK": _dns, "FILE_CHECK": _file, "BFD_CHECK": _bfd,
    "AGENT_CHECK": _agent, "GRPC_CHECK": _grpc,
}
