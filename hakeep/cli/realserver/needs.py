"""What a real server must have for its virtual addresses, as values: each says what it is, and how to mend it by hand.

IPv4: the kernel answers ARP for any address of the host on any interface. ``arp_ignore`` 1 makes it answer for those of
the interface only that was asked on, and ``arp_announce`` 2 keeps the virtual address, as the source of an answer, out
of the ARP requests that it sends (ip-sysctl.rst of the kernel). IPv6 answers for addresses of the interface only, by
itself.

With a tunnel, packets come out of its device with a client as their source. Strict ``rp_filter`` (1) would throw them
away, because the way to the client leads elsewhere.

An address has host scope, so that the kernel does not take it as the source of what the host itself sends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_interface

from hakeep.objects.rtnl import Address, IPAddress

LOOPBACK = "lo"

#: IP version of the director's packets around, and of those within -> device and its kind. The kernel makes these
#: devices by itself as soon as it has the module, and they take packets of all senders. ip6tnl0 takes no IPv4.
TUNNELS = {(4, 4): ("tunl0", "ipip"), (4, 6): ("sit0", "sit"), (6, 6): ("ip6tnl0", "ip6tnl")}

#: Where our addresses can be.
DEVICES = (LOOPBACK, *dict.fromkeys(device for device, _ in TUNNELS.values()))

LABEL_MAX = 15


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting below /proc/sys/net. Any of `accepted` is right, the first is what we write. It counts together with
    that of `all`, the larger one, if it is `with_all`."""

    path: str
    accepted: tuple[str, ...]
    with_all: bool = False

    def __str__(self) -> str:
        """As sysctl(8) takes it: an interface's name with dots in it (eth0.7) asks for strokes."""
        return f"net/{self.path}" if "." in self.path else "net." + self.path.replace("/", ".")

    @property
    def of_all(self) -> str:
        """The path of the setting that counts for all interfaces."""
        *front, _, name = self.path.split("/")
        return "/".join([*front, "all", name])

    @property
    def cure(self) -> str:
        """A command that mends it."""
        return f"sysctl -w {self}={self.accepted[0]}"


@dataclass(frozen=True, slots=True)
class Device:
    """A tunnel's device, and that it is up."""

    name: str
    kind: str

    def __str__(self) -> str:
        return f"{self.name} is up"

    @property
    def cure(self) -> str:
        """A command that mends it."""
        return f"modprobe {self.kind.replace('ip6tnl', 'ip6_tunnel')}; ip link set {self.name} up"


@dataclass(frozen=True, slots=True)
class Vip:
    """A virtual address on a device."""

    ip: IPAddress
    device: str

    def __str__(self) -> str:
        return f"{self.ip}/{self.ip.max_prefixlen} is on {self.device}"

    @property
    def cure(self) -> str:
        """A command that mends it."""
        return f"ip address add {self.ip}/{self.ip.max_prefixlen} dev {self.device} scope host"


Need = Setting | Device | Vip


def needs(ips: Iterable[IPAddress], addresses: Iterable[Address], tunnel: int = 0) -> list[Need]:
    """What `ips` need on a host with these addresses, in the order in which it is to be done: the address last, so that
    it is never there without what keeps it quiet.

    `tunnel` is the IP version of the tunnels that the director sends through, 0 = direct routing. Raises KeyError for
    what is not in TUNNELS.
    """
    found: dict[Need, None] = {}
    have = tuple(addresses)
    last: dict[Need, None] = {}
    for ip in ips:
        device = LOOPBACK
        if tunnel:
            device, kind = TUNNELS[tunnel, ip.version]
            found[Device(device, kind)] = None
        if ip.version == 4:
            found |= dict.fromkeys(_quiet(ip, have))
            if tunnel:
                found[Setting(f"ipv4/conf/{device}/rp_filter", ("2", "0"), with_all=True)] = None
        last[Vip(ip, device)] = None
    return [*found, *last]


def _quiet(ip: IPAddress, addresses: Iterable[Address]) -> Iterator[Setting]:
    interfaces = {each.interface: None for each in addresses if _neighbour(each, ip)}
    for name in ("all", *interfaces):
        yield Setting(f"ipv4/conf/{name}/arp_ignore", ("1", "2"))
        yield Setting(f"ipv4/conf/{name}/arp_announce", ("2",))


def _neighbour(address: Address, ip: IPAddress) -> bool:
    """True when `ip` is in the network of this address, so that its interface may be asked for it."""
    network = ip_interface(f"{address.ip}/{address.prefix}").network
    return address.interface != LOOPBACK and address.ip != ip and ip.version == address.ip.version and ip in network


def label(device: str, taken: Iterable[str]) -> str:
    """A label for one more address: the first of ``lo:hakeep0``, ``lo:hakeep1``... that is not taken; "" when none
    fits into its 15 bytes."""
    known = set(taken)
    names = (f"{device}:hakeep{n}" for n in range(len(known) + 1))
    found = next(name for name in names if name not in known)
    return found if len(found) <= LABEL_MAX else ""


def is_ours(label: str) -> bool:
    """True for a label that `label` has made."""
    return label.partition(":")[2].startswith("hakeep")
