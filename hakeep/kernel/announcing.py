"""Announcements out and in: gratuitous ARP and neighbour advertisements of our addresses, and those of others.

Frames are made once for each address and MAC and kept, because a takeover sends each several times and at the worst
moment. The ears are open only while addresses are being handed over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from itertools import groupby

from hakeep.config.settled import VirtualAddress
from hakeep.kernel import sysctl
from hakeep.kernel.packet import AnnouncementListener, FrameSender
from hakeep.objects.rtnl import AddressKey, Link
from hakeep.vrrp.messages import Heard
from hakeep.wire import Malformed, arp, ndp

_FRAMES_MAX = 20000


class Announcements:
    """Sends and hears. `watch(fd, reader)` and `unwatch(fd)` tell the loop of ears, `tell` is given what they hear.

    `inherited` is the `mouth` of a worker that died.
    """

    def __init__(
        self,
        watch: Callable[[int, Callable[[], None]], None],
        unwatch: Callable[[int], None],
        tell: Callable[[Heard], None],
        inherited: int | None = None,
    ) -> None:
        self._watch = watch
        self._unwatch = unwatch
        self._tell = tell
        self._sender = FrameSender(inherited)
        self._frames: dict[bytes, dict[AddressKey, bytes]] = {}  # by MAC
        self._ears: dict[str, tuple[AnnouncementListener, set[str]]] = {}

    @property
    def mouth(self) -> int:
        """The descriptor of the socket that sends."""
        return self._sender.fileno()

    def send(self, addresses: Iterable[VirtualAddress], links: Mapping[str, Link]) -> int:
        """Announce each of these once, now, where its link speaks ARP. Returns how many the kernel refused."""
        frames: list[tuple[int, bytes]] = []
        for interface, those in groupby(addresses, key=_interface):
            link = links.get(interface)
            if link is not None and link.arp and not link.loopback:
                frames += [(link.index, self._frame(virtual, link.mac)) for virtual in those]
        return len(self._sender.send_many(frames))

    def prepare(self, addresses: Iterable[VirtualAddress], links: Mapping[str, Link]) -> None:
        """Make the frames for these now, so that a takeover need not."""
        for virtual in addresses:
            link = links.get(virtual.address.interface)
            if link is not None:
                self._frame(virtual, link.mac)

    def forget(self, interface: str) -> None:
        """This link is gone, or has another MAC: nobody needs its frames any more."""
        self._frames = {
            mac: {key: frame for key, frame in known.items() if key[0] != interface}
            for mac, known in self._frames.items()
        }

    def _frame(self, virtual: VirtualAddress, mac: bytes) -> bytes:
        address = virtual.address
        known = self._frames.setdefault(mac, {})
        frame = known.get(address.key)
        if frame is None:
            if address.ip.version == 4:
                frame = arp.gratuitous(mac, address.ip.packed)
            else:
                frame = ndp.unsolicited(mac, address.ip.packed, forwards(address.interface))
            if len(known) >= _FRAMES_MAX:
                known.clear()
            known[address.key] = frame
        return frame

    def listen(self, router: str, interfaces: Iterable[str]) -> None:
        """Listen for this router on exactly these interfaces; on none, stop."""
        wanted = set(interfaces)
        for name, (ear, routers) in list(self._ears.items()):
            routers.discard(router)
            if not routers and name not in wanted:
                self._unwatch(ear.fileno())
                del self._ears[name]
                # The kernel lets a packet socket go only when no CPU can still be using it: some ten milliseconds.
                threading.Thread(target=ear.close, daemon=True).start()
        for name in wanted:
            if name not in self._ears:
                try:
                    ear = AnnouncementListener(name)
                except OSError:
                    continue  # no such link: nobody will announce anything there
                self._ears[name] = (ear, set())
                self._watch(ear.fileno(), lambda name=name: self._hear(name))  # type: ignore[misc]
            self._ears[name][1].add(router)

    def _hear(self, interface: str) -> None:
        heard: list[tuple[bytes, bytes]] = []
        with suppress(OSError):
            heard = self._ears[interface][0].receive()
        for mac, frame in heard:
            ip = announced(frame)
            if ip is not None:
                self._tell(Heard(interface, ip, mac))


def _interface(virtual: VirtualAddress) -> str:
    return virtual.address.interface


def announced(frame: bytes) -> bytes | None:
    """The packed address that an Ethernet frame announces, None when it announces nothing."""
    with suppress(Malformed):
        message = arp.decode(frame)
        return message.sender_ip if message.announces else None
    with suppress(Malformed):
        advertisement = ndp.decode(frame)
        return advertisement.target if advertisement.announces else None
    return None


def forwards(interface: str) -> bool:
    """Whether this host is an IPv6 router on that interface."""
    try:
        return sysctl.read(f"ipv6/conf/{interface}/forwarding") != "0"
    except OSError:
        return False
