"""How connections are shared out, inside User Mode Linux: each scheduler that `packets` has not, with connections that
stay open where it is their number that counts, and many destinations where it is those.

The destinations are those of a transparent proxy: each of three networks is one virtual server by mark.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import inside
from director_lan import CLIENTS, NAT, NAT4, WAY_BACK, Lan, Talk, mark, take, virtual

#: The schedulers that count connections, and those that go by the destination; where their virtual servers are.
BY_NUMBER = {"lc": 91, "wlc": 92, "sed": 93, "nq": 94}
BY_DESTINATION = {"dh": 128, "lblc": 144, "lblcr": 160}
MH, FO, OVF = 95, 96, 97

#: The weights of r1, r2, r3. LOADED is that of each where a load shall be too much.
WEIGHTS, FO_WEIGHTS, OVF_WEIGHTS, LOADED = (5, 1, 1), (1, 3, 2), (3, 2, 1), 4

#: The connections that r1 may have at all, where it has most weight of `ovf`.
OVF_LIMIT = 2

FO_PORT = 8090

#: What is done to those that count: as many come, then r1 loses all, then as many come.
FIRST, THEN = 11, 7


def destinations(name: str) -> list[str]:
    """The addresses of a scheduler that goes by them."""
    return [f"203.0.113.{BY_DESTINATION[name] + n}" for n in range(16)]


def _virtual(name: str, where: object, *options: object, port: int = 80) -> str:
    return virtual(str(where), f"lvs_sched {name}\nlvs_method NAT",
                   *(f"{ip} {port} {option}" for ip, option in zip(NAT4, options, strict=True)))


CONFIG = "".join((
    *(_virtual(name, f"{NAT} {port}", *WEIGHTS) for name, port in BY_NUMBER.items()),
    _virtual("dh", f"fwmark {BY_DESTINATION['dh']}", 1, 1, 1),
    *(_virtual(name, f"fwmark {BY_DESTINATION[name]}", LOADED, LOADED, LOADED) for name in ("lblc", "lblcr")),
    _virtual("mh", f"{NAT} {MH}", 1, 1, 1),
    _virtual("fo", f"{NAT} {FO}", *FO_WEIGHTS, port=FO_PORT),
    _virtual("ovf", f"{NAT} {OVF}", f"{OVF_WEIGHTS[0]}\nuthreshold {OVF_LIMIT}", *OVF_WEIGHTS[1:]),
))


class Crowd:
    """Those who are connected, by their real server."""

    def __init__(self, lan: Lan) -> None:
        self._lan = lan
        self._talks: dict[str, list[Talk]] = {}

    def come(self, number: int, vip: str, port: int = 80) -> list[str]:
        """As many more, one after the other, each from another address: the real servers, "" where they get none."""
        return [self._one(vip, port, CLIENTS[n % len(CLIENTS)]) for n in range(number)]

    def _one(self, vip: str, port: int, source: str) -> str:
        try:
            talk = self._lan.connect(vip, port, source)
        except OSError:
            return ""
        server = talk.ask().partition(":")[0]
        self._talks.setdefault(server, []).append(talk)
        return server

    def leave(self, server: str, number: int = 1000) -> None:
        """So many, or all, of those whom it serves."""
        for talk in self._talks[server][:number]:
            talk.close()
        del self._talks[server][:number]

    def end(self) -> None:
        """Nobody is left."""
        for server in self._talks:
            self.leave(server)


def spread(lan: Lan) -> Iterator[tuple[str, Any]]:
    """Who has whom, scheduler by scheduler."""
    director, wait = lan.directors["a"], inside.wait_until
    for real in lan.reals.values():
        real.open(FO_PORT)
    take(director, NAT, WAY_BACK)
    director.ip("route add local 203.0.113.128/26 dev lo")
    mark(director, {f"203.0.113.{first}/28": first for first in BY_DESTINATION.values()})
    director.start()
    wait(lambda: director.table().count("-a ") == 30, "the table")
    yield "modules", sorted(path.stem.removeprefix("ip_vs_") for path in
                            Path("/run/modules/lib/modules").glob("*/kernel/net/netfilter/ipvs/ip_vs_*.ko"))
    for name, port in BY_NUMBER.items():
        yield name, _by_number(Crowd(lan), port)
    yield "mh", [[lan.ask(NAT, MH, client) for _ in range(2)] for client in CLIENTS]
    yield "dh", [[lan.ask(vip, 80, client) for client in CLIENTS[:2]] for vip in destinations("dh")]
    for name in ("lblc", "lblcr"):
        yield name, _by_locality(Crowd(lan), *destinations(name)[:3])
    yield "ovf", _overflow(Crowd(lan))

    yield "fo", [lan.ask(NAT, FO) for _ in range(4)]
    lan.reals["r2"].close_port(FO_PORT)
    wait(lambda: f"{NAT4[1]}:{FO_PORT}" not in director.table(), "r2 goes")
    yield "fo without its first", [lan.ask(NAT, FO) for _ in range(4)]
    lan.reals["r2"].open(FO_PORT)
    wait(lambda: f"{NAT4[1]}:{FO_PORT}" in director.table(), "r2 comes back")
    yield "fo with its first again", [lan.ask(NAT, FO) for _ in range(4)]


def _by_number(crowd: Crowd, port: int) -> list[list[str]]:
    """Who got the first of those who stay, and who the others when all of r1's had left."""
    first = crowd.come(FIRST, NAT, port)
    crowd.leave("r1")
    then = crowd.come(THEN, NAT, port)
    crowd.end()
    return [first, then]


def _by_locality(crowd: Crowd, one: str, two: str, three: str) -> dict[str, list[str]]:
    """Who got whom who went to the one, the other or the third destination."""
    seen = {"one": crowd.come(1, one), "two": crowd.come(1, two), "three": crowd.come(1, three)}
    seen["until it is too much"] = crowd.come(LOADED, one)
    seen["more"] = crowd.come(2, one)
    for server in (*seen["one"], *seen["three"]):
        crowd.leave(server)
    seen["when only the second has any"] = crowd.come(1, one)
    crowd.end()
    return seen


def _overflow(crowd: Crowd) -> dict[str, list[str]]:
    """Who got whom until nobody was taken any more, and who one more when r2 had one less."""
    seen = {"all": crowd.come(OVF_LIMIT + OVF_WEIGHTS[1] + 1 + OVF_WEIGHTS[2] + 1 + 1, NAT, OVF)}
    crowd.leave("r2", 1)
    seen["after one of r2's left"] = crowd.come(2, NAT, OVF)
    crowd.end()
    return seen
