"""One vrrp_instance, settled: who it is, when it acts, how it gives way. The rest is in the modules beside."""

from __future__ import annotations

from hakeep.config.diagnostic import Code, Findings
from hakeep.config.keywords.vrrp import VrrpInstance as Written
from hakeep.config.settle.addresses import settle_addresses
from hakeep.config.settle.announcements import settle_garp, settle_notify
from hakeep.config.settle.authentication import settle_authentication, settle_hmac
from hakeep.config.settle.subject import Defaults, Subject, either
from hakeep.config.settle.transport import settle_ipvlan, settle_multicast, settle_peers, settle_source, settle_vmac
from hakeep.config.settled import VrrpInstance

__all__ = ["Defaults", "settle_instance"]

#: The longest interval that a version 3 advert can carry (12 bits of 10 ms).
LONGEST_V3 = 40.95


def settle_instance(written: Written, defaults: Defaults, findings: Findings) -> VrrpInstance | None:
    """What runs of an instance, or None when nothing can."""
    subject = Subject(written, defaults, findings)
    g = defaults.written
    _identify(subject)
    peers = settle_peers(subject)
    _place(subject)
    _time(subject)
    vmac = settle_vmac(subject)
    ipvlan = settle_ipvlan(subject)
    hmac = settle_hmac(subject)
    auth_type, auth_pass = settle_authentication(subject, hmac is not None)
    addresses = settle_addresses(subject, vmac=vmac is not None)
    nopreempt, preempt_delay = _preemption(subject)
    unicast_ttl = _unicast_ttl(subject)
    if not subject.runs:
        return None
    assert written.virtual_router_id is not None
    strict = subject.strict
    return VrrpInstance(
        name=written.name,
        virtual_router_id=written.virtual_router_id,
        interface=written.interface or "",
        family=subject.family,
        version=subject.version,
        state=subject.state,
        priority=subject.priority,
        advert_int=subject.advert_int,
        down_timer_adverts=subject.down_timer_adverts,
        addresses=addresses,
        no_virtual_ipaddress=bool(written.no_virtual_ipaddress) and not strict,
        source=settle_source(subject),
        track_src_ip=bool(written.track_src_ip),
        multicast=settle_multicast(subject),
        peers=peers,
        unicast_fault_no_peer=bool(written.unicast_fault_no_peer),
        unicast_ttl=unicast_ttl,
        check_unicast_src=either(written.check_unicast_src, g.vrrp_check_unicast_src),
        vrf=_vrf(subject),
        kernel_rx_buf_size=written.kernel_rx_buf_size or 0,
        old_unicast_checksum=written.old_unicast_checksum or "auto",
        v3_checksum_as_v2=either(written.v3_checksum_as_v2, g.v3_checksum_as_v2),
        vmac=vmac,
        ipvlan=ipvlan,
        auth_type=auth_type,
        auth_pass=auth_pass,
        auth_hmac=hmac,
        nopreempt=nopreempt,
        preempt_delay=preempt_delay,
        lower_prio_no_advert=strict or either(written.lower_prio_no_advert, g.vrrp_lower_prio_no_advert),
        higher_prio_send_advert=not strict
        and either(written.higher_prio_send_advert, g.vrrp_higher_prio_send_advert),
        owner_ignore_adverts=_owner_ignores(subject),
        accept=_accept(subject),
        strict_mode=strict,
        skip_check_adv_addr=either(written.skip_check_adv_addr, g.vrrp_skip_check_adv_addr),
        dont_track_primary=bool(written.dont_track_primary),
        promote_secondaries=_promote(subject, vmac=vmac is not None),
        timer_expired_backup=_timer_expired(subject, nopreempt=nopreempt),
        garp=settle_garp(subject),
        notify=settle_notify(subject),
        sync_group=subject.group.name if subject.group else "",
        hold_down=_hold_down(subject),
        last_standing=_last_standing(subject),
        vip_fence=(written.vip_fence or g.vip_fence or "auto") == "auto",
        vip_lease=_lease(subject),
        config_fault=subject.fault,
    )


def _identify(subject: Subject) -> None:
    """VRID, family, version, strictness, priority and state: all else depends on them."""
    written, g = subject.written, subject.defaults.written
    if written.virtual_router_id is None:
        subject.cannot_run_without("virtual_router_id", Code.NO_VRID, fix="add virtual_router_id 1..255")
    first = written.virtual_ipaddress[0].ip if written.virtual_ipaddress else written.source_ip
    if first is None and written.unicast_peer:
        first = written.unicast_peer[0].ip
    subject.family = first.version if first else 6 if written.native_ipv6 else 4
    subject.strict = either(written.strict_mode, g.vrrp_strict)
    subject.version = written.version or (3 if subject.family == 6 else g.vrrp_version or 2)
    version_first = written.order("version") < written.order("virtual_ipaddress", 0)
    if subject.family == 6 and subject.version == 2 and (subject.strict or not version_first):
        subject.version = 3
        subject.error(Code.VERSION, "version 2 with IPv6 addresses is not possible, 3 is used", "version",
                      note="" if subject.strict else "it would be, with version before the addresses")
    if written.priority is not None:
        subject.priority = written.priority
    elif written.state == "MASTER" and "priority" not in written.places:
        subject.priority = 255
        subject.warn(Code.OWNER, "state MASTER without priority makes this router the owner of the addresses",
                     "state", note="it takes priority 255 and is always master", fix="give it a priority")
    subject.state = written.state or ("MASTER" if subject.owner else "BACKUP")
    if subject.strict and (subject.state == "MASTER") != subject.owner:
        subject.state = "MASTER" if subject.owner else "BACKUP"
        subject.error(Code.STRICT, f"in strict_mode state MASTER goes with priority 255; {subject.state} is used",
                      "state")


def _place(subject: Subject) -> None:
    """The interface, or none for unicast with a source address."""
    written = subject.written
    if written.interface:
        subject.interface_must_exist(written.interface, "interface")
    elif not subject.unicast:
        subject.cannot_run_without("interface", Code.NO_INTERFACE, fix="add interface IFNAME",
                                   note="only unicast instances with a source address can do without")
    elif written.source_ip is None:
        subject.cannot_run_without("interface", Code.NO_INTERFACE, fix="add interface IFNAME or unicast_src_ip IP")
    if subject.strict and subject.unicast:
        subject.warn(Code.STRICT, "the RFCs know no unicast, which strict_mode lets pass", "unicast_peer",
                     note="later versions of keepalived refuse this")


def _time(subject: Subject) -> None:
    """advert_int and the number of adverts that may be missed."""
    written = subject.written
    interval = 1.0 if written.advert_int is None else written.advert_int
    if subject.version == 2:
        whole = float(max(1, int(interval + 0.5)))
        if whole != interval:
            subject.error(Code.ADVERT_INT, f"version 2 counts in whole seconds; {whole:g} is used", "advert_int",
                          fix="version 3 can do 10 ms steps")
        interval = whole
    else:
        steps = round(interval * 100) / 100
        if abs(steps - interval) > 1e-9:
            subject.error(Code.ADVERT_INT, f"version 3 counts in steps of 10 ms; {steps:g} is used", "advert_int")
        if steps > LONGEST_V3:
            subject.error(Code.ADVERT_INT, f"version 3 can say {LONGEST_V3} s at most, which is used", "advert_int")
        interval = max(0.01, min(steps, LONGEST_V3))
    subject.advert_int = interval
    inherited = subject.defaults.written.vrrp_down_timer_adverts
    subject.down_timer_adverts = written.down_timer_adverts or inherited or 3
    if subject.strict and subject.down_timer_adverts != 3:
        subject.error(Code.STRICT, "in strict_mode down_timer_adverts is 3", "down_timer_adverts")
        subject.down_timer_adverts = 3


def _preemption(subject: Subject) -> tuple[bool, float]:
    """nopreempt and preempt_delay, which only mean something to a router that starts as backup."""
    written = subject.written
    nopreempt = bool(written.nopreempt)
    delay = written.preempt_delay or 0.0
    if nopreempt and (subject.owner or subject.state == "MASTER"):
        why = "priority 255" if subject.owner else "state MASTER"
        subject.error(Code.PREEMPTION, f"nopreempt has no effect with {why}", "nopreempt", fix="use state BACKUP"
                      if not subject.owner or written.priority is None else "")
        nopreempt = False
    if delay:
        why = ("nopreempt" if nopreempt else "strict_mode" if subject.strict
               else "state MASTER" if subject.state == "MASTER" else "")
        if why:
            subject.error(Code.PREEMPTION, f"preempt_delay has no effect with {why}", "preempt_delay")
            delay = 0.0
    return nopreempt, delay


def _accept(subject: Subject) -> bool:
    if subject.strict and not subject.owner and (subject.version == 2 or subject.written.accept is None):
        if subject.written.accept:
            subject.error(Code.STRICT, "in strict_mode only the owner of the addresses takes packets in version 2",
                          "accept", note="accept has no effect", fix="use version 3, or take strict_mode out")
        return False
    return True if subject.written.accept is None else subject.written.accept


def _owner_ignores(subject: Subject) -> bool:
    own = subject.written.owner_ignore_adverts
    if own and not subject.owner:
        subject.error(Code.OWNER, "owner_ignore_adverts is for priority 255 only", "owner_ignore_adverts")
    if not subject.owner:
        return False
    return subject.strict or either(own, subject.defaults.written.vrrp_owner_ignore_adverts)


def _unicast_ttl(subject: Subject) -> int | None:
    ttl = subject.written.unicast_ttl
    if ttl is not None and not subject.unicast:
        subject.error(Code.UNICAST, "unicast_ttl has no effect without peers", "unicast_ttl",
                      until="there is no unicast_peer up to here")
        return None
    return ttl


def _vrf(subject: Subject) -> str:
    vrf = subject.written.vrf
    if vrf and (subject.written.interface or not subject.unicast):
        subject.error(Code.UNICAST, "vrf is for unicast without an interface", "vrf", note="it is left out",
                      fix="take vrf out: the interface is in its VRF already; or take interface out")
        return ""
    return vrf or ""


def _promote(subject: Subject, *, vmac: bool) -> bool:
    if subject.written.promote_secondaries and vmac:
        subject.error(Code.VMAC, "promote_secondaries is always on for a VMAC", "promote_secondaries")
        return False
    return bool(subject.written.promote_secondaries)


def _timer_expired(subject: Subject, *, nopreempt: bool) -> int | None:
    threshold = subject.written.timer_expired_backup
    if threshold is not None and not nopreempt:
        subject.error(Code.TIMER, "timer_expired_backup needs nopreempt", "timer_expired_backup")
        return None
    return threshold


def _hold_down(subject: Subject) -> float:
    own = subject.written.hold_down
    return (subject.group.hold_down if own is None and subject.group else own) or 0.0


def _last_standing(subject: Subject) -> bool:
    return either(subject.written.last_standing, subject.group.last_standing if subject.group else None)


def _lease(subject: Subject) -> float | None:
    """vip_lease: -1 for auto, None for off. A lease should end before a backup takes over."""
    own = subject.written.vip_lease
    lease = subject.defaults.written.vip_lease if own is None else own
    if lease is None or lease == "auto":
        return -1.0
    if isinstance(lease, str):
        return None
    down = subject.down_timer_adverts * subject.advert_int
    if lease >= down:
        subject.warn(Code.LEASE, f"a lease of {lease:g} s ends after a backup takes over ({down:g} s)",
                     "vip_lease" if own is not None else "")
    return lease
