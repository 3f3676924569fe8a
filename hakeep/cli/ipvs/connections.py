"""The connection table, as /proc/net/ip_vs_conn has it and as ipvsadm prints it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from hakeep.cli.ipvs.names import Numbers
from hakeep.objects.ipvs import PROTOCOLS
from hakeep.objects.rtnl import IPAddress

PATH = "/proc/net/ip_vs_conn"

TITLE = "IPVS connection entries"
_HEADER = "pro expire state       source             virtual            destination"
_ENGINE_HEADER = f"{_HEADER}        pe name          pe_data"

_NUMBERS = {name: number for number, name in PROTOCOLS.items()}


class End(NamedTuple):
    """One end of a connection."""

    ip: IPAddress
    port: int


class Connection(NamedTuple):
    """A line: who asks (`source`), for what (`virtual`), and who serves. `expires` is in seconds.

    `engine` and `engine_data` are those of persistence, "" for most.
    """

    protocol: str
    source: End
    virtual: End
    destination: End
    state: str
    expires: int
    engine: str = ""
    engine_data: str = ""


def parse(lines: Iterable[str]) -> Iterator[Connection]:
    """The connections in the text of the file, whose first line is a header. Raises ValueError for any other text."""
    for count, line in enumerate(lines):
        if count == 0 or not line.strip():
            continue
        words = line.split(maxsplit=10)
        if len(words) < 9:
            raise ValueError(f"a line of {PATH} cannot be read: {line!r}")
        source, virtual, destination = (
            End(_address(words[at]), int(words[at + 1], 16)) for at in (1, 3, 5)
        )
        engine, data = (*words[9:], "", "")[:2]
        yield Connection(words[0], source, virtual, destination, words[7], int(words[8]), engine, data.rstrip("\n"))


def _address(word: str) -> IPAddress:
    return IPv4Address(int(word, 16)) if len(word) == 8 and ":" not in word else IPv6Address(word.strip("[]"))


def render(connections: Iterable[Connection], names: Numbers, *, engines: bool) -> Iterator[str]:
    """The lines of the list; with `engines` also what the persistence engine knows of a connection."""
    yield TITLE
    yield _ENGINE_HEADER if engines else _HEADER
    for each in connections:
        protocol = _NUMBERS.get(each.protocol, 0)
        source, virtual, destination = (
            names.shown(end.ip, end.port, protocol) for end in (each.source, each.virtual, each.destination)
        )
        expires = f"{each.expires // 60:02}:{each.expires % 60:02}"
        start = f"{each.protocol:<3} {expires:<6} {each.state:<11} {source:<18} {virtual:<18}"
        if engines and each.engine:
            yield f"{start} {destination:<16} {each.engine:<18} {each.engine_data}"
        else:
            yield f"{start} {destination}"
