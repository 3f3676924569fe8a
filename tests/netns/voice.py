"""A third router that exists only as its adverts, written by scapy: the tests' own master or attacker."""

from __future__ import annotations

import threading
import time

from hosts import Host
from observe import packet_socket
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether
from scapy.layers.vrrp import VRRP, VRRPv3

GROUP, GROUP_MAC = "224.0.0.18", "01:00:5e:00:00:12"


def advert(version: int, priority: int, interval: float, source: str, addresses: tuple[str, ...], vrid: int) -> bytes:
    """An Ethernet frame with an advert; `interval` is in seconds."""
    if version == 2:
        body = VRRP(vrid=vrid, priority=priority, adv=int(interval), addrlist=list(addresses), auth1=0, auth2=0)
    else:
        body = VRRPv3(vrid=vrid, priority=priority, adv=round(interval * 100), addrlist=list(addresses))
    ether = Ether(src=f"00:00:5e:00:01:{vrid:02x}", dst=GROUP_MAC)
    return bytes(ether / IP(src=source, dst=GROUP, ttl=255, proto=112) / body)


class Voice:
    """Adverts from `host`, as from a router with these properties."""

    def __init__(self, host: Host, version: int, interval: float, priority: int, source: str, vrid: int,
                 addresses: tuple[str, ...]) -> None:
        self._socket = packet_socket(host, "eth0")
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._version, self.interval, self._priority = version, interval, priority
        self._source, self._vrid, self._addresses = source, vrid, addresses
        self.last = 0.0

    def __enter__(self) -> Voice:
        return self

    def __exit__(self, *_: object) -> None:
        self.fall_silent()
        self._socket.close()

    def say(self, priority: int | None = None) -> float:
        """One advert, with another priority if given; when it was sent."""
        chosen = self._priority if priority is None else priority
        frame = advert(self._version, chosen, self.interval, self._source, self._addresses, self._vrid)
        self.last = time.time()
        self._socket.send(frame)
        return self.last

    def keep_talking(self) -> Voice:
        """Adverts in its interval, from now on."""
        self._thread = threading.Thread(target=self._talk, daemon=True)
        self._thread.start()
        return self

    def _talk(self) -> None:
        due = time.time()
        while not self._stop.wait(max(0.0, due - time.time())):
            self.say()
            due += self.interval

    def fall_silent(self) -> float:
        """No more adverts; when the last one was sent."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        return self.last
