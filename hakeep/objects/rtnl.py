"""Addresses, links and settings of the kernel's routing side, as values.

An object's `key` says *which* thing it is, its other fields say *how* it should be: two objects with the same key and
other fields are one thing that changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

IPAddress = IPv4Address | IPv6Address

#: IFA_PROTO value that marks our addresses (the number of keepalived in the kernel's rtnetlink protocol list).
PROTO_KEEPALIVED = 18

# Address flags, from <linux/if_addr.h>.
IFA_F_SECONDARY = 0x01
IFA_F_NODAD = 0x02
IFA_F_OPTIMISTIC = 0x04
IFA_F_DADFAILED = 0x08
IFA_F_HOMEADDRESS = 0x10
IFA_F_DEPRECATED = 0x20
IFA_F_TENTATIVE = 0x40
IFA_F_PERMANENT = 0x80
IFA_F_MANAGETEMPADDR = 0x100
IFA_F_NOPREFIXROUTE = 0x200
IFA_F_MCAUTOJOIN = 0x400

#: Flags that a configuration can ask for. The kernel sets the others itself, so a comparison leaves them out.
IFA_WANTED_FLAGS = IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN

SCOPE_GLOBAL = 0
SCOPE_LINK = 253
SCOPE_HOST = 254

AddressKey = tuple[str, IPAddress, int]


class _Key(AddressKey):
    """An `AddressKey` that remembers its hash. `ipaddress` makes its hashes in Python, and on its way to the kernel and
    out to the neighbours an address is looked up twenty times: together that was a quarter of all the work."""

    _hash: int

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            self._hash = found = super().__hash__()
            return found


class _Keyed:
    """Keeps the key of an `Address`, which is no field."""

    __slots__ = ("_key",)
    _key: AddressKey


@dataclass(frozen=True, slots=True)
class Address(_Keyed):
    """One address on one interface (struct ifaddrmsg and its attributes).

    `valid_lft` and `preferred_lft` are whole seconds; None means for ever. `proto` is IFA_PROTO, 0 where the kernel
    does not report it. `peer` is the other end of a point-to-point address and then `prefix` is the peer's.
    """

    interface: str
    ip: IPAddress
    prefix: int
    peer: IPAddress | None = None
    broadcast: IPv4Address | None = None
    label: str = ""
    scope: int = SCOPE_GLOBAL
    flags: int = 0
    preferred_lft: int | None = None
    valid_lft: int | None = None
    proto: int = PROTO_KEEPALIVED

    @property
    def key(self) -> AddressKey:
        """What the kernel tells addresses apart by."""
        try:
            return self._key
        except AttributeError:
            key = _Key((self.interface, self.ip, self.prefix))
            object.__setattr__(self, "_key", key)
            return key

    def __str__(self) -> str:
        return f"{self.ip}/{self.prefix} dev {self.interface}"


@dataclass(frozen=True, slots=True)
class Macvlan:
    """A VMAC: a macvlan link in private mode that carries the virtual router's MAC (RFC 9568 section 7.3)."""

    name: str
    base: str
    mac: bytes
    ipv6: bool = False

    @property
    def key(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Ipvlan:
    """An ipvlan link in L2 mode: own addresses, the MAC of its base."""

    name: str
    base: str
    mode: str = "bridge"

    @property
    def key(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Link:
    """An interface as the kernel reports it (struct ifinfomsg). Read, never wanted."""

    index: int
    name: str
    up: bool = False
    running: bool = False
    mac: bytes = b""
    mtu: int = 1500
    arp: bool = True
    multicast: bool = True
    loopback: bool = False
    kind: str = ""
    base_index: int = 0

    @property
    def usable(self) -> bool:
        """IFF_UP and IFF_RUNNING."""
        return self.up and self.running


def serves(have: Address, wanted: Address) -> bool:
    """True when the present address `have` is as `wanted` asks: the `same` for a diff of addresses.

    What the kernel decides by itself is left out: flags nobody can ask for, the scope and label of IPv6 addresses,
    and who marked it. Lifetimes run down, so only their kind counts: for ever, running, or (preferred) none at all.
    """
    return (
        have.peer == wanted.peer
        and have.broadcast == wanted.broadcast
        and (have.ip.version == 6 or (have.label == wanted.label and have.scope == wanted.scope))
        and not (have.flags ^ wanted.flags) & IFA_WANTED_FLAGS
        and _kind_of_life(have) == _kind_of_life(wanted)
    )


def _kind_of_life(address: Address) -> tuple[bool, bool, bool]:
    """Has it a valid lifetime; a preferred one; is the preferred one zero from the start (never used as a source)?"""
    limited = address.valid_lft is not None
    return limited, limited or address.preferred_lft is not None, address.preferred_lft == 0
