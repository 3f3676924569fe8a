"""vrrp_instance and what stands in it, and garp_group."""

from __future__ import annotations

from hakeep.config.backends import NO_COPIES
from hakeep.config.keywords.tracking import hold_down, last_standing, notifier, question, tracker
from hakeep.config.schema import OURS, Entries, Repeat, Section, block_of, keyword
from hakeep.config.settled import Script
from hakeep.config.values.addresses import AddressEntry, Addresses, Ip, PeerEntry, Peers
from hakeep.config.values.links import (
    ExtraInterfaces,
    HmacKey,
    HmacKeys,
    IpvlanUse,
    UseIpvlan,
    UseVmac,
    VmacUse,
)
from hakeep.config.values.numbers import AutoSeconds, Flag, OptBool, Seconds, Whole
from hakeep.config.values.options import Pairs
from hakeep.config.values.routes import ROUTE, RULE
from hakeep.config.values.scripts import Command
from hakeep.config.values.words import Choice, Word, interface_name
from hakeep.objects.rtnl import IPAddress

U32 = 2**32 - 1
Tracked = tuple[str, int | None, bool | None]


class Authentication(Section):
    """Password or AH authentication of VRRPv2."""

    auth_type: str | None = keyword(
        Choice("PASS", "AH"), "how adverts are authenticated", fatal=True, default="none")
    auth_pass: str | None = keyword(
        Word("TEXT", longest=8), "the shared password, of which 8 characters count", fatal=True, default="none")


class AuthHmac(Section):
    """HMAC appended to adverts, an extension of keepalived 2.4."""

    key: tuple[HmacKey, ...] = keyword(
        HmacKeys(), "a key and its number", repeat=Repeat.ADD, required=True, vital=True, since="2.4")
    active_key: int | None = keyword(
        Whole(1, 255, "ID"), "the key to sign with", fatal=True, required=True, since="2.4")
    time_window: int | None = keyword(
        Whole(1, 300, "SECONDS"), "how old an advert may be", fatal=True, default="3 x advert_int, at least 5",
        since="2.4", sample="10")
    anti_replay: str | None = keyword(
        Choice("time", "monotonic"), "what sequence numbers are made of", fatal=True, default="time",
        since="2.4")
    mode: str | None = keyword(
        Choice("enforce", "permissive", "receive-only"), "whether to sign and whether to insist", fatal=True,
        default="enforce", since="2.4")


class VrrpInstance(Section):
    """One virtual router."""

    state: str | None = keyword(
        Choice("MASTER", "BACKUP", otherwise="BACKUP"), "the state it is meant to start in", fatal=True,
        repeat=Repeat.FOREMOST, default="MASTER with priority 255, else BACKUP", sample="BACKUP")
    interface: str | None = keyword(
        interface_name(), "where adverts go out, and VIPs without dev are", fatal=True, reload="restart",
        vital=True, default="required, but for unicast")
    virtual_router_id: int | None = keyword(
        Whole(1, 255, "VRID"), "number of the virtual router, the same on all its routers", fatal=True, required=True,
        vital=True, reload="restart")
    priority: int | None = keyword(
        Whole(1, 255, "PRIO", otherwise=100), "the router with the highest becomes master; 255 owns the addresses",
        fatal=True, default="100; with state MASTER 255")
    advert_int: float | None = keyword(
        Seconds(0.01, 255, otherwise=1.0), "time between adverts", fatal=True, default="1", sample="1")
    version: int | None = keyword(Whole(2, 3, "VERSION"), "version of VRRP", fatal=True,
                                  default="3 for IPv6, else vrrp_version")
    down_timer_adverts: int | None = keyword(
        Whole(1, 100), "how many adverts must be missed before a backup takes over", fatal=True,
        default="vrrp_down_timer_adverts", sample="3")

    virtual_ipaddress: tuple[AddressEntry, ...] = keyword(
        Entries(Addresses()), "addresses that the master holds and announces")
    virtual_ipaddress_excluded: tuple[AddressEntry, ...] = keyword(
        Entries(Addresses()), "addresses that the master holds but adverts do not list, of either family",
        sample="2001:db8::10/64")
    no_virtual_ipaddress: bool | None = keyword(Flag(), "do without addresses, without a warning", since="2.4")

    source_ip: IPAddress | None = keyword(
        Ip(), "source address of multicast adverts", spelled="mcast_src_ip", fatal=True,
        also=[("unicast_src_ip", Ip(), "source address of unicast adverts")],
        default="the interface's first address")
    mcast_dst_ip: IPAddress | None = keyword(
        Ip(multicast=True), "group that adverts go to", fatal=True, default="vrrp_mcast_group4/6", reload="restart",
        sample="224.0.0.118")
    track_src_ip: bool | None = keyword(Flag(), "go to FAULT when the source address is gone")
    unicast_peer: tuple[PeerEntry, ...] = keyword(
        Entries(Peers()), "send to these routers instead of a multicast group")
    unicast_fault_no_peer: bool | None = keyword(Flag(), "with no usable peer stay in FAULT, not multicast")
    unicast_ttl: int | None = keyword(
        Whole(0, 255, "TTL"), "TTL or hop limit of unicast adverts", fatal=True, default="255, IPv6: the kernel's")
    check_unicast_src: bool | None = keyword(
        Flag(), "drop unicast adverts of senders that are no peers", default="vrrp_check_unicast_src")
    old_unicast_checksum: str | None = keyword(
        Choice("never", default="on"), "checksum unicast adverts like keepalived before 1.3.6, or never expect it",
        default="found out from what peers send")
    v3_checksum_as_v2: bool | None = keyword(
        OptBool(), "leave the pseudo header out of version 3 checksums", since="2.4", default="v3_checksum_as_v2")
    vrf: str | None = keyword(interface_name(), "VRF to bind unicast sockets to", fatal=True, sample="vrf-red")
    kernel_rx_buf_size: int | None = keyword(
        Whole(0, U32, "BYTES"), "how much the VRRP socket may hold unread", default="1 MiB")
    use_vmac: VmacUse | None = keyword(
        UseVmac(), "send from an interface that has the virtual MAC", reload="restart", default="off")
    use_vmac_addr: bool | None = keyword(Flag(), "make such interfaces for VIPs elsewhere too", default="off")
    vmac_xmit_base: bool | None = keyword(Flag(), "send adverts from the base interface all the same", default="off")
    use_ipvlan: IpvlanUse | None = keyword(
        UseIpvlan(), "send from an ipvlan made on the interface", repeat=Repeat.FIRST, reload="restart", default="off")

    authentication: Authentication | None = keyword(
        block_of(Authentication, shown=("auth_type", "auth_pass")), "authentication of version 2")
    auth_hmac: AuthHmac | None = keyword(block_of(AuthHmac), "signed adverts", since="2.4")

    nopreempt: bool | None = keyword(
        Flag(), "leave a master of lower priority in place", default="preempt",
        also=[("preempt", Flag(False), "do take over from a lower master: the opposite of nopreempt")])
    preempt_delay: float | None = keyword(
        Seconds(0, 1000), "wait this long before taking over from a lower master", fatal=True, default="0",
        sample="60")
    lower_prio_no_advert: bool | None = keyword(
        OptBool(), "as master, leave adverts of lower priority unanswered", default="vrrp_lower_prio_no_advert")
    higher_prio_send_advert: bool | None = keyword(
        OptBool(), "as master, send one more advert before giving way", default="vrrp_higher_prio_send_advert")
    owner_ignore_adverts: bool | None = keyword(
        OptBool(), "as address owner, take no notice of adverts", since="2.4", default="vrrp_owner_ignore_adverts")
    accept: bool | None = keyword(
        Flag(), "take packets for VIPs though not their owner", default="accept; strict_mode: owners only",
        also=[("no_accept", Flag(False), "take no packets for VIPs but neighbour discovery, unless owner")])
    strict_mode: bool | None = keyword(OptBool(), "insist on what the RFC says", default="vrrp_strict")
    skip_check_adv_addr: bool | None = keyword(
        OptBool(), "compare address lists of adverts only when the master changes", default="vrrp_skip_check_adv_addr")
    dont_track_primary: bool | None = keyword(Flag(), "let faults of the own interface pass", default="off")
    promote_secondaries: bool | None = keyword(
        Flag(), "keep secondary addresses when the first is removed (sysctl)", default="off")
    linkbeat_use_polling: bool | None = keyword(
        Flag(), "poll the interface for carrier", obsolete="use linkbeat_interfaces outside of instances",
        default="off")
    timer_expired_backup: int | None = keyword(
        Whole(1, 254, "PRIO", default=254), "step back after a pause in which such a router may have taken over",
        since="2.4", old=("thread_timer_expired",), default="off; 254 without PRIO", sample="100")
    debug: int | None = keyword(
        Whole(0, 4, "LEVEL"), "has no effect", fatal=True, ignored="it has no effect in keepalived either")
    native_ipv6: bool | None = keyword(
        Flag(), "has no effect", obsolete="take it out: the family is seen from the addresses")
    lvs_sync_daemon_interface: str | None = keyword(
        interface_name(), "old form of lvs_sync_daemon in global_defs", fatal=True, repeat=Repeat.FIRST,
        obsolete="use lvs_sync_daemon in global_defs", process="lvs", backends=NO_COPIES)

    garp_master_delay: int | None = keyword(
        Whole(0, 4294, "SECONDS"), "pause before the second burst of announcements; 0: no second", fatal=True,
        default="vrrp_garp_master_delay", sample="10")
    garp_master_repeat: int | None = keyword(
        Whole(0, U32, zero=1), "announcements of each address in a burst", fatal=True,
        default="vrrp_garp_master_repeat", sample="3")
    garp_master_refresh: int | None = keyword(
        Whole(0, U32, "SECONDS"), "period of announcements while master; 0: none", fatal=True,
        default="vrrp_garp_master_refresh", sample="60")
    garp_master_refresh_repeat: int | None = keyword(
        Whole(0, U32, zero=1), "announcements of each address at a refresh", fatal=True,
        default="vrrp_garp_master_refresh_repeat", sample="2")
    garp_lower_prio_delay: int | None = keyword(
        Whole(0, 4294, "SECONDS"), "pause before the second burst after an advert of lower priority", fatal=True,
        default="vrrp_garp_lower_prio_delay; strict_mode 0", sample="10")
    garp_lower_prio_repeat: int | None = keyword(
        Whole(0, 2**31 - 1), "announcements of each address after such an advert; 0: none", fatal=True,
        default="vrrp_garp_lower_prio_repeat; strict_mode 0")
    garp_extra_if: tuple[bool, int] | None = keyword(
        ExtraInterfaces(0), "announce VIPs on other interfaces again and again", old=("vmac_garp_intvl!",),
        default="vrrp_garp_extra_if")

    notify_master: Script | None = notifier("on becoming MASTER")
    notify_backup: Script | None = notifier("on becoming BACKUP")
    notify_fault: Script | None = notifier("on entering FAULT")
    notify_stop: Script | None = notifier("when the daemon stops")
    notify: Script | None = notifier("on every change; kind, name, state and priority follow as arguments")
    notify_deleted: Script | None = keyword(
        Command(optional=True), "run when a reload removed the instance; alone: say DELETED instead of FAULT",
        repeat=Repeat.FIRST, default="off")
    notify_master_rx_lower_pri: Script | None = keyword(
        Command(), "run when a master hears an advert of lower priority", fatal=True, repeat=Repeat.FIRST)
    notify_priority_changes: bool | None = keyword(
        OptBool(), "tell FIFOs when only the priority changed", default="vrrp_notify_priority_changes")
    smtp_alert: bool | None = keyword(
        OptBool(), "send mail on changes of state", default="smtp_alert_vrrp, smtp_alert, false")

    track_interface: tuple[Tracked, ...] = tracker("track_interface")
    track_script: tuple[Tracked, ...] = tracker("track_script")
    track_file: tuple[Tracked, ...] = tracker("track_file")
    track_process: tuple[Tracked, ...] = tracker("track_process")
    track_bfd: tuple[Tracked, ...] = tracker("track_bfd")
    track_ping: tuple[Pairs, ...] = question("track_ping")
    track_tcp: tuple[Pairs, ...] = question("track_tcp")
    track_http: tuple[Pairs, ...] = question("track_http")
    track_unit: tuple[Pairs, ...] = question("track_unit")
    track_route: tuple[Pairs, ...] = question("track_route")
    track_virtual_server: tuple[Pairs, ...] = question("track_virtual_server")
    hold_down: float | None = hold_down()
    last_standing: bool | None = last_standing()
    virtual_routes: tuple[Pairs, ...] = keyword(
        Entries(ROUTE), "routes that are there while master")
    virtual_rules: tuple[Pairs, ...] = keyword(
        Entries(RULE), "policy rules that are there while master")

    vip_fence: str | None = keyword(
        Choice("auto", "off"), "take the addresses off the net when adverts stop", default="auto", since=OURS)
    vip_lease: float | str | None = keyword(
        AutoSeconds(1, 3600), "lifetime of addresses in the kernel, renewed with adverts", default="auto", since=OURS)


class GarpGroup(Section):
    """The smallest gap between announcements that some interfaces share."""

    garp_interval: float | None = keyword(
        Seconds(0, 4294.967295), "gap between gratuitous ARPs", fatal=True, default="0", sample="0.001")
    gna_interval: float | None = keyword(
        Seconds(0, 4294.967295), "gap between unsolicited neighbour advertisements", fatal=True, default="0",
        sample="0.001")
    interface: tuple[str, ...] = keyword(interface_name(), "one of the interfaces", fatal=True, repeat=Repeat.ADD)
    interfaces: tuple[str, ...] = keyword(Entries(interface_name(), words=True), "the interfaces")


VRRP_INSTANCE = block_of(
    VrrpInstance, name="NAME", exact=True, unique=True, shown=("interface", "priority", "virtual_ipaddress"))
GARP_GROUP = block_of(GarpGroup, shown=("garp_interval", "interfaces"))
