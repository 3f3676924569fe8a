"""Asking a driver for its link's carrier, where the kernel's flags cannot be believed.

Three ways, as keepalived has them: the status register of the PHY (`MII`, IEEE 802.3 clause 22.2.4.2), what the driver
tells ethtool (`ETHTOOL`, linux/ethtool.h), and the kernel's own IFF_RUNNING (`IOCTL`, linux/if.h). A driver may know
none of the first two. The register is read on a slow bus by some drivers, which takes milliseconds.
"""

from __future__ import annotations

import array
import errno
import fcntl
import socket
import struct

SIOCGIFFLAGS, SIOCETHTOOL, SIOCGMIIPHY, SIOCGMIIREG = 0x8913, 0x8946, 0x8947, 0x8948
ETHTOOL_GLINK = 0x0A
_MII_BMSR, _BMSR_LSTATUS = 1, 0x0004
_IFF_RUNNING = 0x40

#: struct ifreq is that long on every machine of 64 bits, and its name takes the first 16.
_IFREQ, _NAME = 40, 16

#: What a driver answers that does not know a way.
_UNKNOWN = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EIO, errno.EPERM})

#: In this order they are tried where none is configured.
METHODS = ("MII", "ETHTOOL", "IOCTL")


class Linkbeat:
    """Asks in the network namespace in which it was made, also from threads. What the driver of an interface knew last
    is tried first."""

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._known: dict[str, str] = {}

    def close(self) -> None:
        """Ask nothing any more."""
        self._sock.close()

    def carrier(self, interface: str, method: str = "") -> bool | None:
        """Whether there is one, asked by this method, "" = by the first that the driver knows; None when there is no
        such interface, or the driver does not know that method."""
        first = (self._known[interface],) if interface in self._known else ()
        for each in (method,) if method else (*first, *METHODS):
            try:
                answer = self._ask(interface, each)
            except OSError as error:
                if error.errno not in _UNKNOWN:
                    break  # it is gone
                continue
            if not method:
                self._known[interface] = each
            return answer
        self._known.pop(interface, None)
        return None

    def _ask(self, interface: str, method: str) -> bool:
        name = interface.encode()[: _NAME - 1]
        if method == "MII":
            return self._mii(name)
        if method == "ETHTOOL":
            value = array.array("I", (ETHTOOL_GLINK, 0))
            request = bytearray(struct.pack(f"{_NAME}sP", name, value.buffer_info()[0]).ljust(_IFREQ, b"\0"))
            fcntl.ioctl(self._sock, SIOCETHTOOL, request)
            return bool(value[1])
        request = bytearray(name.ljust(_IFREQ, b"\0"))
        fcntl.ioctl(self._sock, SIOCGIFFLAGS, request)
        return bool(struct.unpack_from("H", request, _NAME)[0] & _IFF_RUNNING)

    def _mii(self, name: bytes) -> bool:
        """The bit stays low after a loss until it has been read: so it is read twice."""
        request = bytearray(name.ljust(_IFREQ, b"\0"))
        fcntl.ioctl(self._sock, SIOCGMIIPHY, request)
        status = 0
        for _ in range(2):
            struct.pack_into("H", request, _NAME + 2, _MII_BMSR)
            fcntl.ioctl(self._sock, SIOCGMIIREG, request)
            status = struct.unpack_from("4H", request, _NAME)[3]
        return bool(status & _BMSR_LSTATUS)
