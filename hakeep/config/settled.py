"""What runs: the configuration after every default, inheritance and correction has been applied.

The classes under `keywords/` hold what somebody *wrote* (a keyword that is absent is None). `settle` turns them into
these, which the engines take: nothing here is optional because it was left out, only where "none" has a meaning.
Names are the keywords' names. Times are seconds as floats.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from hakeep.objects.rtnl import Address, IPAddress

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
class Script:
    """A command to run: argument vector, and the account (None = the daemon's script user)."""

    argv: tuple[str, ...]
    user: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Notify:
    """The scripts of an instance, by the moment at which they run."""

    master: Script | None = None
    backup: Script | None = None
    fault: Script | None = None
    stop: Script | None = None
    deleted: Script | None = None
    master_rx_lower_pri: Script | None = None
    any: Script | None = None
    deleted_is_a_state: bool = False  # notify_deleted was given, with or without a script
    priority_changes: bool = False


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
class GarpLimit:
    """The smallest gap between announcements on a set of interfaces that share it (garp_group, vrrp_garp_interval)."""

    interfaces: tuple[str, ...]  # empty = every interface, each for itself
    garp_interval: float = 0.0
    gna_interval: float = 0.0


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

    # ours
    vip_fence: bool = True  # vip_fence auto|off
    vip_lease: float | None = -1.0  # seconds; -1 = auto; None = off

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
class Fifo:
    """A named pipe that receives events, and the script that reads it."""

    path: str
    user: str | None = None
    group: str | None = None
    script: Script | None = None


@dataclass(frozen=True, slots=True)
class Process:
    """How a worker process is scheduled. 0 / None / () = leave as it is."""

    name: str = ""
    priority: int = 0
    rt_priority: int = 0
    no_swap: bool = False
    cpu_affinity: tuple[int, ...] = ()
    rlimit_rttime: int = 10000


@dataclass(frozen=True, slots=True)
class Global:
    """global_defs and the root level, as far as they concern the supervisor and the vrrp worker."""

    router_id: str = ""
    instance: str = ""
    net_namespace: str = ""
    use_pid_dir: bool = False
    process_name: str = ""  # of the supervisor; "" = hakeepd
    child_wait_time: float = 5.0
    umask: int = 0o177
    vrrp_process: Process = field(default_factory=Process)
    startup_script: Script | None = None
    startup_script_timeout: float = 10.0
    shutdown_script: Script | None = None
    shutdown_script_timeout: float = 10.0
    script_user: str | None = None
    script_group: str | None = None
    enable_script_security: bool = False
    set_supplementary_groups: bool = False
    notify_fifo: Fifo | None = None
    vrrp_notify_fifo: Fifo | None = None
    fifo_write_vrrp_states_on_reload: bool = False
    vrrp_startup_delay: float = 0.0
    vrrp_delay_after_boot: float = 0.0
    log_unknown_vrids: bool = False
    dynamic_interfaces: bool = False
    garp_limits: tuple[GarpLimit, ...] = ()
    nftables_table: str = ""  # "" = hakeep
    nftables_priority: int = -1
    nftables_counters: bool = False
    vrrp_rx_bufs_policy: str = ""
    vrrp_rx_bufs_multiplier: int = 3
    netlink_monitor_rcv_bufs: int = 0
    data_use_instance: bool = False
    json_version: int = 1
    state_dump_file: str = ""
    stats_dump_file: str = ""
    json_dump_file: str = ""
    reload_file: str | None = None  # None = off, "" = the default path
    reload_time_file: str = ""
    reload_repeat: bool = False
    config_save_dir: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole configuration, settled."""

    globals: Global = field(default_factory=Global)
    vrrp: tuple[VrrpInstance, ...] = ()
    uses_lvs: bool = False
    uses_bfd: bool = False
