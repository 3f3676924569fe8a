"""The scene of the namespace tests: two hosts a and b, a client and an observer on one segment, and ways to configure.

    a 192.0.2.11  b 192.0.2.12  client 192.0.2.200  observer 192.0.2.201        all also 2001:db8::N, VIP .100
"""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass
from pathlib import Path

import topology
from hosts import Daemon, Network, wait_until
from observe import AddressWatch, Sniffer

VIP, VIP6, VRID = "192.0.2.100", "2001:db8::100", 51
NUMBERS = {"a": 11, "b": 12, "client": 200, "observer": 201}

PLAN = topology.parse("scene", {
    "segments": ["lan"],
    "hosts": {name: {"interfaces": {"eth0": {"segment": "lan", "addresses": [f"192.0.2.{n}/24", f"2001:db8::{n}/64"]}}}
              for name, n in NUMBERS.items()},
}, Path())


@dataclass(frozen=True)
class Way:
    """One way to run VRRP. `extra` goes into vrrp_instance by str.format, with {me} and {peer} for hosts' numbers."""

    version: int
    interval: float
    extra: str = ""
    vips: tuple[str, ...] = (VIP,)
    globals: str = ""
    auth: str = ""
    source: str = "192.0.2."

    def config(self, host: str, priority: int, more: str = "") -> str:
        """The configuration of that host."""
        numbers = {"me": NUMBERS[host], "peer": NUMBERS["b" if host == "a" else "a"]}
        return f"""
global_defs {{
    {self.globals}
}}
vrrp_instance web {{
    version {self.version}
    interface eth0
    virtual_router_id {VRID}
    priority {priority}
    advert_int {self.interval:g}
    {self.extra.format(**numbers)}
    {more}
    virtual_ipaddress {{
        {chr(10).join(self.vips)}
    }}
}}
"""

    def skew(self, priority: int) -> float:
        """Skew_Time in seconds."""
        return (256 - priority) / 256 * (self.interval if self.version == 3 else 1.0)

    def down_interval(self, priority: int) -> float:
        """Master_Down_Interval in seconds."""
        return 3 * self.interval + self.skew(priority)


V2 = Way(version=2, interval=1)
V3 = Way(version=3, interval=0.2)


class Scene:
    """A built scene with its observers."""

    def __init__(self, daemon: str, vip: str = VIP) -> None:
        self.network = Network(PLAN, shlex.split(daemon))
        self.vip = vip
        self.sniffer = Sniffer(self.network)
        self.watch = AddressWatch([self.network["a"], self.network["b"]], vip)

    def __enter__(self) -> Scene:
        return self

    def __exit__(self, *_: object) -> None:
        self.watch.__exit__()
        self.sniffer.__exit__()
        self.network.close()

    def story(self) -> str:
        """What was seen and logged, for the one who reads a failure."""
        frames = list(self.sniffer.frames)
        shown = frames if len(frames) < 150 else [*frames[:30], *frames[-120:]]
        start = frames[0].at if frames else 0.0
        moments = [(f.at, f"{f.host} {f}") for f in shown]
        moments += [(at, f"{host} {'has' if held else 'has not'} {self.vip}") for at, host, held in self.watch.changes]
        lines = [f"{at - start:9.4f} {text}" for at, text in sorted(moments)]
        for daemon in self.network.daemons.values():
            lines += [f"--- log of {daemon.name} on {daemon.host.name}", *daemon.log().splitlines()[-60:]]
        return "\n".join(lines)

    def run(self, host: str, config: str, kind: str = "hakeepd") -> Daemon:
        """A daemon, started on a host, listening."""
        daemon = self.network.add(host, "vrrp", kind, config)
        self.start(daemon)
        return daemon

    def start(self, daemon: Daemon) -> float:
        """Starts a daemon (again); when it began to listen for adverts."""
        wait_until(lambda: not self._ears(daemon), 20, "the kernel has buried what was there before")
        daemon.start()
        if daemon.words[0] == "sh":  # FRR's sockets look different
            return time.time()
        wait_until(lambda: self._ears(daemon) or not daemon.alive(), 20, "the daemon listens")
        assert daemon.alive(), f"the daemon ended:\n{daemon.log()}"
        return time.time()

    @staticmethod
    def _ears(daemon: Daemon) -> int:
        """How many raw sockets for VRRP and AH there are on the daemon's host."""
        with daemon.host.inside():
            tables = "".join(Path(f"/proc/thread-self/net/{table}").read_text() for table in ("raw", "raw6"))
        return sum(line.split(":")[2][:4] in ("0070", "0033") for line in tables.splitlines() if ":" in line)

    def holders(self) -> set[str]:
        """Who has the address now."""
        return {name for name in "ab" if self.network[name].holds(self.vip)}

    def wait_for_holder(self, host: str, deadline: float) -> None:
        """Until exactly that host has the address."""
        wait_until(lambda: self.holders() == {host}, deadline, f"{host} alone holds {self.vip}")

    def wait_for_holder_to_give_way(self, host: str, deadline: float) -> None:
        """Until that host does not have the address any more."""
        wait_until(lambda: host not in self.holders(), deadline, f"{host} gives {self.vip} up")

    def first_advert(self, host: str, since: float, deadline: float, **fields: object):
        """The first advert of a host after `since`."""
        return wait_until(lambda: self.sniffer.adverts(host, since, **fields), deadline, f"an advert of {host}")[0]

    def next_advert(self, host: str, deadline: float):
        """The next advert of a host from now on."""
        return self.first_advert(host, time.time(), deadline)
