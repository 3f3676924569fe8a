"""The wire lane: every router's way out and way in. Nothing here waits.

Sockets are shared: one pair for all routers with the same protocol, interface and group (or own address). A receiving
socket knows in the kernel which VRIDs it is for. While bad packets pour in it also drops, in the kernel, what no router
could use (wrong TTL, version or type): those are then not counted one by one any more, `floods` says so instead.

Receiving sockets can be inherited from a worker that died, so that no advert is missed and no group left in between.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import time

from hakeep.config.settled import VrrpInstance
from hakeep.kernel import bpf, vrrp_socket
from hakeep.objects.rtnl import IPAddress
from hakeep.vrrp.messages import Received
from hakeep.vrrp.router import VirtualRouter
from hakeep.vrrp.transmit import Transmitter, uses_ah

#: Room for about a thousand adverts: what a burst of all neighbours can bring while we are busy for a moment.
RECEIVE_BUFFER = 1 << 20

#: Bad packets a second above which the kernel filters more tightly, and for how many seconds at least.
FLOOD_RATE = 2000
FLOOD_CALM = 5.0

Address = tuple[str, int] | tuple[str, int, int, int]


@dataclass(slots=True)
class Ear:
    """A receiving socket, and the VRIDs of each router that listens to it."""

    key: str
    sock: socket.socket
    link: str
    family: int
    protocol: int
    routers: dict[str, tuple[int, int]] = field(default_factory=dict)  # name -> VRID, version
    tight: bool = False

    def filter(self) -> None:
        """Tell the kernel which VRIDs are wanted."""
        vrids = {vrid for vrid, _ in self.routers.values()}
        if self.tight:
            versions = {version for _, version in self.routers.values()}
            bpf.attach(self.sock, bpf.flood(vrids, self.family, self.protocol, versions))
        else:
            bpf.attach(self.sock, bpf.vrids(vrids, self.family, self.protocol))


@dataclass(slots=True)
class Mouth:
    """What a router sends with. `targets` are socket addresses and send flags by destination."""

    transmitter: Transmitter
    sock: socket.socket
    ear: str
    targets: dict[str, tuple[Address, int]]


class WireLane:
    """All sockets of the worker. `watch(sock)` and `unwatch(sock)` tell the loop which ones to listen to."""

    def __init__(
        self,
        watch: Callable[[Ear], None],
        unwatch: Callable[[Ear], None],
        inherited: Mapping[str, int] | None = None,
    ) -> None:
        self._watch = watch
        self._unwatch = unwatch
        self._inherited = dict(inherited or {})
        self._reader = vrrp_socket.AdvertReader()
        self._senders: dict[tuple[object, ...], socket.socket] = {}
        self.ears: dict[str, Ear] = {}
        self.mouths: dict[str, Mouth] = {}
        self.idents: dict[str, int] = {}
        self.floods = 0
        self._bad_since = 0.0
        self._bad_seen = 0
        self._calm_at: float | None = None
        self.all_vrids = False  # log_unknown_vrids: let every VRID in

    def bind(self, router: VirtualRouter, source: IPAddress) -> None:
        """Open what this router needs, instead of what it had. Raises OSError; then it has nothing."""
        settings = router.settings
        self.unbind(router.name)
        link = settings.vrf or router.devices.link
        out = settings.vrf or router.devices.out
        family = socket.AF_INET if settings.family == 4 else socket.AF_INET6
        protocol = 51 if uses_ah(settings) else 112
        ear = self._ear(settings, family, protocol, link, router.devices.link, source)
        ear.routers[router.name] = (settings.virtual_router_id, settings.version)
        self._filter(ear)
        transmitter = Transmitter(settings, source, router.memory, self.idents.get(router.name, 0))
        transmitter.prepare(router.rank.priority)
        sender = self._sender(settings, family, protocol, out, source)
        targets: dict[str, tuple[Address, int]] = {}
        for target in [settings.multicast] if settings.multicast else [peer.ip for peer in settings.peers]:
            scope = socket.if_nametoindex(out) if target.version == 6 and target.is_link_local and out else 0
            to: Address = (str(target), 0) if target.version == 4 else (str(target), 0, 0, scope)
            targets[str(target)] = (to, socket.MSG_DONTROUTE if target.is_multicast else 0)
        self.mouths[router.name] = Mouth(transmitter, sender, ear.key, targets)

    def unbind(self, name: str) -> None:
        """This router neither sends nor listens any more."""
        mouth = self.mouths.pop(name, None)
        if mouth is None:
            return
        self.idents[name] = mouth.transmitter.ident
        ear = self.ears.get(mouth.ear)
        if ear is not None:
            ear.routers.pop(name, None)
            if ear.routers:
                self._filter(ear)
            else:
                self._unwatch(ear)
                ear.sock.close()
                del self.ears[ear.key]
        if all(other.sock is not mouth.sock for other in self.mouths.values()):
            self._senders = {key: sock for key, sock in self._senders.items() if sock is not mouth.sock}
            mouth.sock.close()

    def advertise(self, name: str, priority: int) -> int:
        """Send an advert to everyone it is for. Returns 0, or the errno when it reached nobody."""
        mouth = self.mouths.get(name)
        if mouth is None:
            return 19  # ENODEV
        failed, sent = 0, 0
        for destination, data in mouth.transmitter.packets(priority, time()):
            to, flags = mouth.targets[destination]
            try:
                mouth.sock.sendto(data, flags, to)
                sent += 1
            except OSError as error:
                failed = error.errno or 5
        if failed and not sent:
            mouth.transmitter.take_back()
        return 0 if sent else failed

    def receive(self, ear: Ear) -> list[Received]:
        """The next packets of this socket, a burst at most. Raises OSError."""
        return self._reader.read(ear.sock, ear.link)

    def flood(self, bad: int, now: float) -> bool:
        """`bad` packets have been discarded so far: too many of late? True when a flood is noticed."""
        if now - self._bad_since >= 1.0:
            self._bad_since, self._bad_seen = now, bad
            return False
        if bad - self._bad_seen <= FLOOD_RATE:
            return False
        begun = self._calm_at is None
        if begun:
            self.floods += 1
            self._tighten(True)
        self._calm_at = now + FLOOD_CALM
        self._bad_since, self._bad_seen = now, bad
        return begun

    @property
    def flooded(self) -> bool:
        """True while bad packets are dropped by the kernel, unseen and not counted."""
        return self._calm_at is not None

    def calm_down(self, now: float) -> bool:
        """Some time after the last flood: count bad packets one by one again. True when that begins."""
        if self._calm_at is None or now < self._calm_at:
            return False
        self._calm_at = None
        self._tighten(False)
        return True

    def _tighten(self, tight: bool) -> None:
        for ear in self.ears.values():
            ear.tight = tight
            self._filter(ear)

    def describe(self) -> dict[str, int]:
        """The receiving sockets by key, for the parent to keep."""
        return {ear.key: ear.sock.fileno() for ear in self.ears.values()}

    def close_unused(self) -> None:
        """Close what was inherited and nobody listens to now: it would keep us in groups, and fill up."""
        while self._inherited:
            os.close(self._inherited.popitem()[1])

    def _filter(self, ear: Ear) -> None:
        if self.all_vrids and not ear.tight:
            bpf.detach(ear.sock)
        else:
            ear.filter()

    def _ear(
        self, settings: VrrpInstance, family: int, protocol: int, interface: str, link: str, source: IPAddress
    ) -> Ear:
        index = socket.if_nametoindex(interface) if interface else 0
        at = settings.multicast or source
        key = f"{protocol}:{index}:{at}"
        ear = self.ears.get(key)
        if ear is not None:
            return ear
        inherited = self._inherited.pop(key, None)
        if inherited is not None:
            sock = socket.socket(fileno=inherited)
        else:
            sock = vrrp_socket.open_receive(
                family, protocol, interface=interface or None, group=settings.multicast,
                source=None if settings.multicast else source,
                rcvbuf=settings.kernel_rx_buf_size or RECEIVE_BUFFER, vrids=(settings.virtual_router_id,),
            )
        ear = Ear(key, sock, link, family, protocol)
        self.ears[key] = ear
        self._watch(ear)
        return ear

    def _sender(
        self, settings: VrrpInstance, family: int, protocol: int, interface: str, source: IPAddress
    ) -> socket.socket:
        index = socket.if_nametoindex(interface) if interface else 0
        own = source if family == socket.AF_INET6 else None
        key = (family, protocol, interface, index, settings.unicast, settings.unicast_ttl, own)
        if key not in self._senders:
            self._senders[key] = vrrp_socket.open_send(
                family, protocol, interface=interface or None, source=own, multicast=not settings.unicast,
                hop_limit=settings.unicast_ttl if settings.unicast else 255,
            )
        return self._senders[key]


def memory_to_keep(router: VirtualRouter) -> bool:
    """Whether this router's authentication memory is worth the shared page."""
    return bool(router.settings.auth_hmac) or uses_ah(router.settings)
