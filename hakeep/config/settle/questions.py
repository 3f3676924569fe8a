"""Our own trackers, settled: what is watched, under the name that two which ask the same share."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network
from typing import NamedTuple

from hakeep.config.host import Host
from hakeep.config.settle.names import WELL_KNOWN, UnknownName, resolve
from hakeep.config.settled_track import (
    Kind,
    Rhythm,
    TrackHttp,
    TrackPing,
    TrackRoute,
    TrackTcp,
    TrackUnit,
    Watched,
)
from hakeep.config.values.addresses import parse_ip
from hakeep.config.values.options import Pairs

MAIN = WELL_KNOWN["rt_tables"]["main"]

#: Stands for a table whose name nobody knows. The kernel has no table of this number.
NO_TABLE = 0

#: Kinds of units, by the end of their names (systemd.unit(5)). A name without one is that of a service.
_UNITS = (
    ".service", ".socket", ".device", ".mount", ".automount", ".swap", ".target", ".path", ".timer", ".slice", ".scope")


class Question(NamedTuple):
    """What a line asks: the kind and name of the thing, how it is watched (None: by another worker), its weight."""

    kind: Kind
    name: str
    watched: Watched | None
    weight: int
    reverse: bool


def settle_question(keyword: str, pairs: Pairs, host: Host | None = None) -> Question:
    """What a line of one of `QUESTIONS` asks. Names of routing tables are the host's."""
    words = dict(pairs)
    kind, ask = QUESTIONS[keyword]
    name, watched = ask(words, host or Host())
    return Question(kind, name, watched, int(words.get("weight", "0")), "reverse" in words)


def _ping(words: dict[str, str], host: Host) -> tuple[str, Watched]:
    address, source = parse_ip(words["address"]), parse_ip(words.get("source", ""))
    count, loss, rhythm = int(words.get("count", "1")), float(words.get("loss", "0")), _rhythm(words)
    family = address.version if address else 6 if "inet6" in words else 4
    name = _name(
        str(address or "gateway"), *(["inet6"] if family == 6 and not address else []), *_given(words, "dev"),
        *(["source", str(source)] if source else []), *_unless(count == 1, f"count {count}"),
        *_unless(loss == 0, f"loss {_number(loss)}"), *_said(rhythm))
    return name, TrackPing(name, address, family, words.get("dev", ""), source, count, loss, rhythm)


def _tcp(words: dict[str, str], host: Host) -> tuple[str, Watched]:
    address, port, rhythm = parse_ip(words["address"]), int(words["port"]), _rhythm(words)
    assert address is not None
    name = _name(str(address), str(port), *_said(rhythm))
    return name, TrackTcp(name, address, port, rhythm)


def _http(words: dict[str, str], host: Host) -> tuple[str, Watched]:
    codes, verify, rhythm = words.get("status", "200-299"), "noverify" not in words, _rhythm(words)
    name = _name(words["url"], *_unless(codes == "200-299", f"status {codes}"), *_unless(verify, "noverify"),
                 *_said(rhythm))
    ranges = tuple((int(part[:3]), int(part[-3:])) for part in codes.split(","))
    return name, TrackHttp(name, words["url"], ranges, verify, rhythm)


def _unit(words: dict[str, str], host: Host) -> tuple[str, Watched]:
    unit, rhythm = words["unit"], _rhythm(words)
    whole = unit if unit.endswith(_UNITS) else f"{unit}.service"
    name = _name(whole, *_said(rhythm))
    return name, TrackUnit(name, whole, rhythm)


def _route(words: dict[str, str], host: Host) -> tuple[str, Watched]:
    network, given = words["network"], words.get("table", "main")
    if network != "default":
        network = str(ip_network(network, strict=False))
    family = 6 if "inet6" in words or ":" in network else 4
    network = "default" if network in ("0.0.0.0/0", "::/0") else network
    try:
        table = resolve(given, "rt_tables", host) or MAIN
    except UnknownName:
        table = NO_TABLE
    name = _name(network, *_unless(family == 4 or network != "default", "inet6"),
                 *_unless(table == MAIN, f"table {given}"))
    return name, TrackRoute(name, network, family, table)


def _virtual_server(words: dict[str, str], host: Host) -> tuple[str, None]:
    """As the configuration and the status name it: see `settled_lvs.VirtualServer`."""
    return virtual_server_name(" ".join(
        words[part] for part in ("service", "which", "protocol") if part in words)), None


def virtual_server_name(text: str) -> str:
    """The name of a virtual server with its address as addresses are written, and without the protocol that goes
    without saying."""
    first, *rest = text.split()
    if len(rest) == 2 and rest[1] == "TCP":
        rest.pop()
    return " ".join([str(parse_ip(first) or first), *rest])


def _rhythm(words: dict[str, str]) -> Rhythm:
    """How often; an answer may take as long as it is to the next question, unless something else is said."""
    interval = float(words.get("interval", "1"))
    return Rhythm(interval, float(words.get("timeout", interval)), int(words.get("rise", "1")),
                  int(words.get("fall", "1")))


def _said(rhythm: Rhythm) -> list[str]:
    """What of it differs from what goes without saying."""
    return [
        *_unless(rhythm.interval == 1, f"interval {_number(rhythm.interval)}"),
        *_unless(rhythm.timeout == rhythm.interval, f"timeout {_number(rhythm.timeout)}"),
        *_unless(rhythm.rise == 1, f"rise {rhythm.rise}"), *_unless(rhythm.fall == 1, f"fall {rhythm.fall}"),
    ]


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _unless(usual: bool, text: str) -> list[str]:
    return [] if usual else [text]


def _given(words: dict[str, str], option: str) -> list[str]:
    return [option, words[option]] if option in words else []


def _name(*parts: str) -> str:
    return " ".join(parts)


#: The keywords, what kind of thing each asks for, and who reads its words.
QUESTIONS: dict[str, tuple[Kind, Callable[[dict[str, str], Host], tuple[str, Watched | None]]]] = {
    "track_ping": ("ping", _ping),
    "track_tcp": ("tcp", _tcp),
    "track_http": ("http", _http),
    "track_unit": ("unit", _unit),
    "track_route": ("route", _route),
    "track_virtual_server": ("virtual_server", _virtual_server),
}
