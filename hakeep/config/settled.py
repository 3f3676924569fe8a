"""What runs: the configuration after every default, inheritance and correction has been applied.

The classes under `keywords/` hold what somebody *wrote* (a keyword that is absent is None). `settle` turns them into
these, which the engines take: nothing here is optional because it was left out, only where "none" has a meaning.
Names are the keywords' names. Times are seconds as floats.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from hakeep.config.settled_bfd import BfdSettings
from hakeep.config.settled_globals import Fifo, GarpLimit, Global, Process, Script
from hakeep.config.settled_routes import RouteEntry, RuleEntry, Static
from hakeep.config.settled_track import Track, Tracking
from hakeep.objects.rtnl import Address, IPAddress

if TYPE_CHECKING:  # a router without virtual servers need not wait for it
    from hakeep.config.settled_lvs import Director

__all__ = [
    "MULTICAST4", "MULTICAST6", "Fifo", "Garp", "GarpLimit", "Global", "HmacAuth", "IpvlanUse", "LinkBeat",
    "LinkDelay", "Notify", "Peer", "Process", "Script", "Settings", "SyncGroup", "Track", "Tracking", "VirtualAddress",
    "Vmac", "VrrpInstance",
]

MULTICAST4 = IPv4Address("224.0.0.18")
MULTICAST6 = IPv6Address("ff02::12")


@dataclass(frozen=True, slots=True)
class VirtualAddress:
    """One entry of virtual_ipaddress or virtual_ipaddress_excluded.

    `address.interface` is final unless it is empty: then the address goes to the instance's VMAC (`use_vmac`) or
    interface, whichever the instance has. `vmac` asks for a VMAC of its own on `address.interface`.
    """

    address: Address
    advertised: bool = True
    track: bool = True
    dad: bool = False
    vmac: bool = False


@dataclass(frozen=True, slots=True)
class Peer:
    """One entry of unicast_peer."""

    ip: IPAddress
    min_ttl: int = 0
    max_ttl: int = 255


@dataclass(frozen=True, slots=True)
class Vmac:
    """use_vmac: the name ("" = generated from vmac_prefix and VRID) and the MAC (b"" = the RFC's)."""

    name: str = ""
    mac: bytes = b""
    xmit_base: bool = False
    prefix: str = "vrrp"
    also_for_addresses: bool = False


@dataclass(frozen=True, slots=True)
class IpvlanUse:
    """use_ipvlan."""

    name: str = ""
    address: Address | None = None
    mode: str = "bridge"


@dataclass(frozen=True, slots=True)
class HmacAuth:
    """auth_hmac: keys by id, the one used for sending, and the rules for receiving (behaviour: see wire.auth_hmac)."""

    keys: tuple[tuple[int, bytes], ...]
    active_key: int
    time_window: int
    anti_replay: str = "time"  # time | monotonic
    mode: str = "enforce"  # enforce | permissive | receive-only


@dataclass(frozen=True, slots=True)
class Notify:
    """Who is told of an instance or a group: scripts, by the moment at which they run, and whether mail is sent."""

    master: Script | None = None
    backup: Script | None = None
    fault: Script | None = None
    stop: Script | None = None
    deleted: Script | None = None
    master_rx_lower_pri: Script | None = None
    any: Script | None = None
    deleted_is_a_state: bool = False  # notify_deleted was given, with or without a script
    priority_changes: bool = False
    smtp_alert: bool = False


@dataclass(frozen=True, slots=True)
class Garp:
    """Announcement options: bursts at takeover, after a lower advert, and the periodic refresh."""

    master_delay: float = 5.0
    master_repeat: int = 5
    master_refresh: float = 0.0
    master_refresh_repeat: int = 1
    lower_prio_delay: float = 5.0
    lower_prio_repeat: int = 5
    extra_if: float = 0.0
    extra_if_all: bool = False


@dataclass(frozen=True, slots=True)
class VrrpInstance:
    """One virtual router, ready to run."""

    name: str
    virtual_router_id: int
    interface: str  # "" = unicast without an interface
    family: int = 4  # 4 | 6
    version: int = 2
    state: str = "BACKUP"
    priority: int = 100
    advert_int: float = 1.0
    down_timer_adverts: int = 3
    addresses: tuple[VirtualAddress, ...] = ()  # config order: virtual_ipaddress, then ..._excluded
    no_virtual_ipaddress: bool = False
    routes: tuple[RouteEntry, ...] = ()
    rules: tuple[RuleEntry, ...] = ()

    # where adverts go and come from
    source: IPAddress | None = None  # mcast_src_ip / unicast_src_ip
    track_src_ip: bool = False
    multicast: IPAddress | None = MULTICAST4  # None = unicast
    peers: tuple[Peer, ...] = ()
    unicast_fault_no_peer: bool = False
    unicast_ttl: int | None = None  # None = 255 for IPv4, the kernel's for IPv6
    check_unicast_src: bool = False
    vrf: str = ""
    kernel_rx_buf_size: int = 0
    old_unicast_checksum: str = "auto"  # auto | on | never
    v3_checksum_as_v2: bool = False
    vmac: Vmac | None = None
    ipvlan: IpvlanUse | None = None

    # authentication
    auth_type: str = ""  # "" | PASS | AH
    auth_pass: bytes = b""  # 8 bytes, padded with zeros
    auth_hmac: HmacAuth | None = None

    # behaviour
    nopreempt: bool = False
    preempt_delay: float = 0.0
    lower_prio_no_advert: bool = False
    higher_prio_send_advert: bool = False
    owner_ignore_adverts: bool = False
    accept: bool = True
    strict_mode: bool = False
    skip_check_adv_addr: bool = False
    dont_track_primary: bool = False
    promote_secondaries: bool = False
    timer_expired_backup: int | None = None
    garp: Garp = field(default_factory=Garp)
    notify: Notify = field(default_factory=Notify)

    # what moves its priority: its own, and those of its group
    tracks: tuple[Track, ...] = ()
    sync_group: str = ""

    # ours
    vip_fence: bool = True  # vip_fence auto|off
    vip_lease: float | None = -1.0  # seconds; -1 = auto; None = off
    hold_down: float = 0.0  # seconds a thing that flaps must be well before it counts; doubled by each further flap
    last_standing: bool = False  # serve with failed checks when there is nobody better

    # why it cannot run although the configuration was accepted ("" = it can)
    config_fault: str = ""

    @property
    def owner(self) -> bool:
        """Address owner: priority 255, always MASTER (RFC 9568 section 1.6)."""
        return self.priority == 255

    @property
    def unicast(self) -> bool:
        """True when adverts go to peers rather than to a group."""
        return self.multicast is None


@dataclass(frozen=True, slots=True)
class SyncGroup:
    """Instances that must all be in the same state. What the group tracks stands with each member (`tracks`)."""

    name: str
    members: tuple[str, ...]
    notify: Notify = field(default_factory=Notify)


@dataclass(frozen=True, slots=True)
class LinkDelay:
    """How many seconds a change of a link must last to count (interface_up_down_delays)."""

    interface: str
    down: float = 0.0
    up: float = 0.0


@dataclass(frozen=True, slots=True)
class LinkBeat:
    """An interface that is asked for its carrier again and again, by this method: MII, ETHTOOL, IOCTL, or "" for the
    first that its driver knows."""

    interface: str
    method: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole configuration, settled."""

    globals: Global = field(default_factory=Global)
    vrrp: tuple[VrrpInstance, ...] = ()
    groups: tuple[SyncGroup, ...] = ()
    static: Static | None = None  # None = nothing is there all the time
    link_delays: tuple[LinkDelay, ...] = ()
    linkbeat: tuple[LinkBeat, ...] = ()
    tracking: Tracking | None = None  # None = there is nothing for a track worker
    bfd: BfdSettings | None = None  # None = there are no BFD sessions
    lvs: Director | None = None  # None = there are no virtual servers
    uses_bfd: bool = False
