"""The scene of the BFD tests: two hosts a and b on one segment, a third one c behind a router, and who speaks BFD.

    a 192.0.2.11 2001:db8::11    b 192.0.2.12 2001:db8::12    r 192.0.2.1 198.51.100.1    c 198.51.100.13
"""

from __future__ import annotations

import contextlib
import json
import struct
import sys
import time
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

import topology
from hosts import Daemon, Network, wait_until
from observe import PACKET_OUTGOING, _Reading, packet_socket, stamped

from hakeep.wire.bfd import LENGTH, MULTIHOP, SINGLE_HOP, Packet, Refusal, State, decode

NUMBERS = {"a": 11, "b": 12}
WORKER = Path(__file__).with_name("bfd_worker.py")

PLAN = topology.parse("bfd", {
    "segments": ["lan", "far"],
    "hosts": {
        **{name: {"interfaces": {"eth0": {"segment": "lan", "addresses": [f"192.0.2.{n}/24", f"2001:db8::{n}/64"]}},
                  "routes": ["198.51.100.0/24 via 192.0.2.1"]} for name, n in NUMBERS.items()},
        "r": {"interfaces": {"eth0": {"segment": "lan", "addresses": ["192.0.2.1/24"]},
                             "eth1": {"segment": "far", "addresses": ["198.51.100.1/24"]}},
              "sysctls": {"net.ipv4.ip_forward": 1}},
        "c": {"interfaces": {"eth0": {"segment": "far", "addresses": ["198.51.100.13/24"]}},
              "routes": ["default via 198.51.100.1"]},
    },
}, Path())

#: FRR's bfdd and the zebra that it needs. $0 = configuration of bfdd.
_FRR = """
rm -rf /run/frr /var/tmp/frr && mkdir -m 777 /run/frr /var/tmp/frr && cd /usr/lib/frr
options="-z /run/frr/zserv.api --vty_socket /run/frr --log stdout"
./zebra $options -i /run/frr/zebra.pid -f /dev/null &
until [ -S /run/frr/zserv.api ]; do sleep 0.02; done
exec ./bfdd $options --bfdctl /run/frr/bfdd.sock -i /run/frr/bfdd.pid -f "$0"
"""


class Seen(NamedTuple):
    """A packet on the wire: who sent it, when, with which TTL or hop limit, and from which port."""

    at: float
    host: str
    hop_limit: int
    source_port: int
    packet: Packet


class BfdScene:
    """A built scene, of these hosts or of others, and its observer."""

    def __init__(self, plan: topology.Topology = PLAN) -> None:
        self.network = Network(plan)
        self.seen: list[Seen] = []
        self._reading = _Reading([packet_socket(self.network.switch, "")], self._take)

    def __enter__(self) -> BfdScene:
        return self

    def __exit__(self, *_: object) -> None:
        self._reading.close()
        self.network.close()

    def _take(self, sock: Any) -> None:
        data, at, interface, direction = stamped(sock)
        host, dot, _ = interface.partition(".")
        if not dot or direction == PACKET_OUTGOING:
            return
        kind = struct.unpack_from("!H", data, 12)[0]
        if kind == 0x0800 and data[23] == 17:
            hop_limit, udp = data[22], 34
        elif kind == 0x86DD and data[20] == 17:
            hop_limit, udp = data[21], 54
        else:
            return
        source, destination = struct.unpack_from("!HH", data, udp)
        if destination in (SINGLE_HOP, MULTIHOP):
            with contextlib.suppress(Refusal):  # what tests forge
                self.seen.append(Seen(at, host, hop_limit, source, decode(data[udp + 8 : udp + 8 + LENGTH])))

    def of(self, host: str, since: float = 0.0, **fields: object) -> list[Seen]:
        """The packets that a host sent."""
        return [seen for seen in self.seen if seen.host == host and seen.at >= since
                and all(getattr(seen.packet, name) == value for name, value in fields.items())]

    def wait_for_packet(self, host: str, since: float, deadline: float, **fields: object) -> Seen:
        """The first such packet."""
        what = f"a packet of {host}: {fields}"
        found: list[Seen] = wait_until(lambda: self.of(host, since, **fields), deadline, what)
        return found[0]

    def story(self) -> str:
        """What was on the wire and in the logs, for the one who reads a failure."""
        seen = list(self.seen)
        shown = seen if len(seen) < 120 else [*seen[:40], *seen[-80:]]
        start = seen[0].at if seen else 0.0
        lines = [f"{one.at - start:9.4f} {one.host} ttl {one.hop_limit} {one.packet}" for one in shown]
        for daemon in self.network.daemons.values():
            lines += [f"--- log of {daemon.name} on {daemon.host.name}", *daemon.log().splitlines()[-60:]]
        return "\n".join(lines)

    # -- who speaks BFD

    def ours(self, host: str, body: str, neighbor: str, name: str = "peer", more: str = "") -> Worker:
        """A worker of ours, running."""
        daemon = self.network.add(host, "bfd", "hakeepd", instance(name, neighbor, body) + more)
        path = self.network.files / f"{host}-bfd.conf"
        daemon.words = (sys.executable, str(WORKER), str(path))
        worker = Worker(daemon, path)
        daemon.start()
        worker.wait_for(lambda m: m["do"] == "started", 20)
        return worker

    def keepalived(self, host: str, body: str, neighbor: str) -> Daemon:
        """keepalived, running; its BFD process needs nothing else."""
        daemon = self.network.add(host, "bfd", "keepalived", instance("peer", neighbor, body))
        path = self.network.files / f"{host}-bfd.conf"
        daemon.words = ("keepalived", "-n", "-l", "-D", "-f", str(path), "-p", "/run/k.pid", "-b", "/run/b.pid")
        return daemon.start()

    def frr(self, host: str, peer: str, body: str) -> Daemon:
        """FRR's bfdd, running. `peer` is what stands behind that word."""
        text = f"bfd\n peer {peer}\n" + "".join(f"  {line}\n" for line in body.splitlines()) + "  no shutdown\n !\n!\n"
        daemon = self.network.add(host, "bfd", "frr", text)
        path = self.network.files / f"{host}-bfd.conf"
        daemon.words = ("sh", "-c", _FRR, str(path))
        return daemon.start()


class Worker:
    """A worker of ours under its test parent."""

    def __init__(self, daemon: Daemon, config: Path) -> None:
        self.daemon = daemon
        self._config = config

    def messages(self, since: float = 0.0) -> list[dict[str, Any]]:
        """What it said to its parent."""
        found = []
        for line in self.daemon.log().splitlines():
            if line.startswith('{"heard"'):
                message = json.loads(line)
                if message["heard"] >= since:
                    found.append(message)
        return found

    def wait_for(
        self, wanted: Callable[[dict[str, Any]], object], deadline: float, since: float = 0.0,
    ) -> dict[str, Any]:
        """The first such message."""
        def find() -> dict[str, Any] | None:
            assert self.daemon.alive() or any(map(wanted, self.messages(since))), f"it ended:\n{self.daemon.log()}"
            return next((message for message in self.messages(since) if wanted(message)), None)

        found: dict[str, Any] = wait_until(find, deadline, f"a message; there were {self.messages(since)[-5:]}")
        return found

    def wait_for_session(self, up: bool, deadline: float, since: float = 0.0, name: str = "peer") -> dict[str, Any]:
        """Until it tells that the session is up or down."""
        return self.wait_for(lambda m: m["do"] == "session" and m["name"] == name and m["up"] is up, deadline, since)

    def told(self, since: float = 0.0, name: str = "peer") -> list[bool]:
        """All that it told of a session."""
        return [m["up"] for m in self.messages(since) if m["do"] == "session" and m["name"] == name]

    def snapshot(self) -> dict[str, Any]:
        """A fresh one."""
        since = time.time()
        self.daemon.signal(12)
        return self.wait_for(lambda m: m["do"] == "snapshot", 5, since)

    def session(self, name: str = "peer") -> dict[str, Any]:
        """One session of a fresh snapshot."""
        return next(each for each in self.snapshot()["sessions"] if each["name"] == name)

    def reload(self, text: str) -> None:
        """Have it take up another configuration."""
        since = time.time()
        self._config.write_text(text)
        self.daemon.signal(1)
        self.wait_for(lambda m: m["do"] == "reloaded", 10, since)

    def pid(self) -> int:
        """The worker's own process, the child of its parent."""
        return self.daemon.processes()[-1]


def instance(name: str, neighbor: str, body: str) -> str:
    """A bfd_instance."""
    return f"bfd_instance {name} {{\n    neighbor_ip {neighbor}\n    {body}\n}}\n"


def address(host: str, family: int) -> str:
    """The address of a or b."""
    return str(ip_address(f"192.0.2.{NUMBERS[host]}" if family == 4 else f"2001:db8::{NUMBERS[host]}"))


__all__ = ["BfdScene", "Seen", "State", "Worker", "address", "instance"]
