"""keepalived.data, what SIGUSR1 writes: the configuration as it runs, and the state of every instance.

Lines are `` Key = value`` under ``------< Title >------``. It is read by people and by scripts that look for single
lines, so those lines that both programs have are spelled as keepalived spells them; what only hakeep knows (why, fence,
lease) stands at the end of an instance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo
from ipaddress import IPv4Address

from hakeep.config.settled import MULTICAST4, MULTICAST6, Fifo, Global, Notify, Settings, VrrpInstance
from hakeep.report.address_text import address_text
from hakeep.report.dump_json import script_text
from hakeep.report.dump_routing import static_lines, virtual_lines
from hakeep.report.dump_tracking import definition_lines, group_lines, track_lines
from hakeep.report.snapshot import AddressSnapshot, RouterSnapshot, ThingSnapshot


def render_data(
    settings: Settings, routers: Iterable[RouterSnapshot], zone: tzinfo | None = None,
    things: Iterable[ThingSnapshot] = (),
) -> str:
    """The whole file. Times of day are in `zone`, None = the machine's. `things` are what the track worker watches.

    An instance without a snapshot is shown as configured, in state INIT: without `routers` this dumps a configuration.
    """
    by_name = {router.name: router for router in routers}
    lines = ["------< Global definitions >------", *_globals(settings.globals), *static_lines(settings)]
    lines.append("------< VRRP Topology >------")
    for instance in settings.vrrp:
        lines += _instance(instance, by_name.get(instance.name) or _as_configured(instance), zone)
    lines += group_lines(settings, by_name)
    lines += definition_lines(settings, by_name.values(), things)
    return "".join(f" {line}\n" if not line.startswith("-") else f"{line}\n" for line in lines)


def _as_configured(instance: VrrpInstance) -> RouterSnapshot:
    return RouterSnapshot(
        instance.name,
        instance.interface,
        base_priority=instance.priority,
        effective_priority=instance.priority,
        addresses=tuple(
            AddressSnapshot(address_text(entry, entry.address.interface or instance.interface), entry.advertised)
            for entry in instance.addresses
        ),
    )


def _globals(globals_: Global) -> Iterator[str]:
    yield f"Network namespace = {globals_.net_namespace or '(default)'}"
    if globals_.instance:
        yield f"Instance name = {globals_.instance}"
    yield f"Router ID = {globals_.router_id}"
    yield f"Dynamic interfaces = {_bool(globals_.dynamic_interfaces)}"
    for title, fifo in (("Global", globals_.notify_fifo), ("VRRP", globals_.vrrp_notify_fifo)):
        if fifo is not None:
            yield from _fifo(title, fifo)
    yield f"FIFO write vrrp states on reload = {_bool(globals_.fifo_write_vrrp_states_on_reload)}"
    yield f"VRRP IPv4 mcast group = {MULTICAST4}"
    yield f"VRRP IPv6 mcast group = {MULTICAST6}"
    yield f"nftables table name = {globals_.nftables_table or 'hakeep'}"
    yield f"nftables base chain priority = {globals_.nftables_priority}"
    process = globals_.vrrp_process
    yield f"VRRP process priority = {process.priority}"
    yield f"VRRP don't swap = {_bool(process.no_swap)}"
    yield f"VRRP realtime priority = {process.rt_priority}"
    yield f"VRRP realtime limit = {process.rlimit_rttime}"
    yield f"Script security {'enabled' if globals_.enable_script_security else 'disabled'}"
    if globals_.script_user:
        yield f"Default script user = {globals_.script_user}"
    yield f"vrrp_netlink_monitor_rcv_bufs = {globals_.netlink_monitor_rcv_bufs}"
    yield f"rx_bufs_multiples = {globals_.vrrp_rx_bufs_multiplier}"
    yield f"umask = 0{globals_.umask:03o}"


def _fifo(title: str, fifo: Fifo) -> Iterator[str]:
    yield f"{title} notify fifo = {fifo.path}"
    if fifo.script is not None:
        yield f"{title} notify fifo script = {script_text(fifo.script)}"


def _instance(instance: VrrpInstance, router: RouterSnapshot, zone: tzinfo | None) -> Iterator[str]:
    yield f"VRRP Instance = {instance.name}"
    for line in (
        *_identity(instance, router, zone),
        *_announcing(instance),
        *_election(instance, router),
        *_address_lines(router.addresses),
        *virtual_lines(instance),
        *_peers(instance),
        *track_lines(track for track in instance.tracks if not track.group),
        *_notify(instance.notify),
        *_ours(router),
    ):
        yield f"  {line}"


def _identity(instance: VrrpInstance, router: RouterSnapshot, zone: tzinfo | None) -> Iterator[str]:
    yield f"VRRP Version = {instance.version}"
    if instance.family == 6:
        yield "Using Native IPv6"
    if instance.sync_group:
        yield f"Sync group = {instance.sync_group}"
    yield f"State = {router.state}"
    if instance.unicast:
        yield "Flags:"
        yield "  Using unicast"
    else:
        yield "Flags: none"
    yield f"Wantstate = {router.state}"
    yield f"Number of config faults = {int(bool(instance.config_fault))}"
    yield f"Last transition = {_moment(router.since, zone)}"
    yield f"Master down timer = {_down_timer(instance, router)} usecs"
    if router.state == "BACKUP" and router.master is not None:
        yield f"Master router = {router.master}"
        yield f"Master priority = {router.master_priority}"
    if router.vmac:
        xmit_base = instance.vmac is not None and instance.vmac.xmit_base
        yield f"Use VMAC, i/f name {router.vmac}, xmit_base = {_bool(xmit_base)}"
        yield f"Interface = {router.vmac}, vmac on {instance.interface}"
    elif instance.interface:
        yield f"Interface = {instance.interface}"
    if router.source:
        yield f"Using src_ip = {router.source}" + (" (from configuration)" if instance.source else "")
    if instance.multicast is not None:
        yield f"Multicast address {instance.multicast}"


def _announcing(instance: VrrpInstance) -> Iterator[str]:
    garp = instance.garp
    yield f"Gratuitous ARP delay = {garp.master_delay:g}"
    yield f"Gratuitous ARP repeat = {garp.master_repeat}"
    yield f"Gratuitous ARP refresh = {garp.master_refresh:g}"
    yield f"Gratuitous ARP refresh repeat = {garp.master_refresh_repeat}"
    yield f"Gratuitous ARP lower priority delay = {garp.lower_prio_delay:g}"
    yield f"Gratuitous ARP lower priority repeat = {garp.lower_prio_repeat}"
    yield f"Down timer adverts = {instance.down_timer_adverts}"
    yield f"Send advert after receive lower priority advert = {_bool(not instance.lower_prio_no_advert)}"
    yield f"Send advert after receive higher priority advert = {_bool(instance.higher_prio_send_advert)}"


def _election(instance: VrrpInstance, router: RouterSnapshot) -> Iterator[str]:
    yield f"Virtual Router ID = {instance.virtual_router_id}"
    yield f"Priority = {router.base_priority}"
    yield f"Effective priority = {router.effective_priority}"
    if instance.version == 2:
        yield f"Advert interval = {instance.advert_int:g} sec"
    else:
        yield f"Advert interval = {instance.advert_int * 1000:g} milli-sec"
    yield f"Accept = {_enabled(instance.accept)}"
    yield f"Preempt = {_enabled(not instance.nopreempt)}"
    if instance.preempt_delay:
        yield f"Preempt delay = {instance.preempt_delay:g} secs"
    yield f"Promote_secondaries = {_enabled(instance.promote_secondaries)}"
    if instance.auth_type:
        yield f"Authentication type = {'SIMPLE_PASSWORD' if instance.auth_type == 'PASS' else 'IPSEC_AH'}"


def _address_lines(addresses: Iterable[AddressSnapshot]) -> Iterator[str]:
    listed = list(addresses)
    virtual = [address for address in listed if address.advertised]
    excluded = [address for address in listed if not address.advertised]
    if virtual:
        yield f"Virtual IP ({len(virtual)}):"
        yield from (f"  {address.text}{' set' * (address.present is True)}" for address in virtual)
    if excluded:
        yield "Virtual IP Excluded :"
        yield from (f"  {address.text}{' set' * (address.present is True)}" for address in excluded)


def _peers(instance: VrrpInstance) -> Iterator[str]:
    if not instance.unicast:
        return
    if instance.unicast_ttl is not None or instance.family == 4:
        yield f"Unicast TTL = {255 if instance.unicast_ttl is None else instance.unicast_ttl}"
    yield f"Check unicast src : {'yes' if instance.check_unicast_src else 'no'}"
    yield "Unicast Peer :"
    for peer in instance.peers:
        limits = f" min_ttl {peer.min_ttl} max_ttl {peer.max_ttl}" if isinstance(peer.ip, IPv4Address) else ""
        yield f"  {peer.ip}{limits}"


def _notify(notify: Notify) -> Iterator[str]:
    yield f"Notify deleted = {'Deleted' if notify.deleted_is_a_state else 'Fault'}"
    for title, script in (
        ("Backup state transition", notify.backup),
        ("Master state transition", notify.master),
        ("Fault state transition", notify.fault),
        ("Stop state transition", notify.stop),
        ("Deleted state transition", notify.deleted),
        ("Generic state transition", notify.any),
        ("Master rx lower pri", notify.master_rx_lower_pri),
    ):
        if script is not None:
            yield f"{title} script = {script_text(script)}"
    yield f"Notify priority changes = {_bool(notify.priority_changes)}"


def _ours(router: RouterSnapshot) -> Iterator[str]:
    for title, text in (
        ("Reason", router.why),
        ("Standby", "yes" if router.standby else ""),
        ("Contested", "yes" if router.contested else ""),
        ("Fence", router.fence),
        ("Lease", router.lease_text),
        ("Bounds", router.bounds),
    ):
        if text:
            yield f"{title} = {text}"


def _down_timer(instance: VrrpInstance, router: RouterSnapshot) -> int:
    """The master down interval in whole microseconds (RFC 9568 section 6.1; version 2: skew in parts of a second)."""
    interval = instance.advert_int if instance.version == 2 else router.master_advert_int or instance.advert_int
    skew = (256 - router.effective_priority) / 256 * (1.0 if instance.version == 2 else interval)
    return int((instance.down_timer_adverts * interval + skew) * 1e6 + 0.01)


def _moment(at: float, zone: tzinfo | None) -> str:
    """Unix time with microseconds, and the same for people."""
    when = datetime.fromtimestamp(round(at, 6), zone)
    *clock, year = when.ctime().split(" ")
    return f"{at:.6f} ({' '.join(clock)}.{when.microsecond:06d} {year})"


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _enabled(value: bool) -> str:
    return "enabled" if value else "disabled"
