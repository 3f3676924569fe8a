"""Where adverts go and come from: peers or group, source address, VMAC, ipvlan."""

from __future__ import annotations

from hakeep.config.diagnostic import Code, Severity, Verdict
from hakeep.config.diagnostic import Diagnostic as Found
from hakeep.config.settle.subject import Subject
from hakeep.config.settled import MULTICAST4, MULTICAST6, IpvlanUse, Peer, Vmac
from hakeep.objects.rtnl import Address, IPAddress

#: Keywords that only mean something with peers.
_UNICAST_WORDS = ("unicast_peer", "check_unicast_src", "old_unicast_checksum", "source_ip")


def settle_peers(subject: Subject) -> tuple[Peer, ...]:
    """The peers of the instance's family. Decides whether the instance is unicast."""
    written = subject.written
    peers: dict[IPAddress, Peer] = {}
    for index, entry in enumerate(written.unicast_peer):
        if entry.ip.version != subject.family:
            subject.error(Code.FAMILY, f"the peer {entry.ip} is not IPv{subject.family}", "unicast_peer", index=index)
        elif entry.ip in peers:
            subject.findings.warning(Code.UNICAST, f"{written.name}: the peer {entry.ip} is given twice",
                                     subject.place("unicast_peer", index))
        elif entry.min_ttl > entry.max_ttl:
            subject.error(Code.UNICAST, f"no TTL is between {entry.min_ttl} and {entry.max_ttl}", "unicast_peer",
                          index=index)
        else:
            peers[entry.ip] = Peer(entry.ip, entry.min_ttl, entry.max_ttl)
    subject.unicast = bool(peers)
    if not peers:
        if written.unicast_fault_no_peer:
            subject.unicast = True
            subject.fault = "no unicast peer"
            subject.error(Code.UNICAST, "there is no peer, so it stays in FAULT", "unicast_fault_no_peer")
        else:
            _word_without_peers(subject)
    return tuple(peers.values())


def _word_without_peers(subject: Subject) -> None:
    written = subject.written
    for keyword in _UNICAST_WORDS:
        lines = written.places.get(keyword)
        if keyword == "source_ip" and lines is not None:
            lines = tuple(line for line in lines if line.words[0] == "unicast_src_ip") or None
        if lines is not None:
            span = lines[-1].span() if lines else subject.span()
            if written.unicast_peer or "unicast_peer" in written.refused:
                subject.findings.advise(Code.UNICAST, f"{written.name}: without a good peer it uses multicast", span)
                return
            subject.findings.append(Found(
                Code.UNICAST, Severity.WARNING, f"{written.name}: without unicast peers it uses multicast", span,
                note="this is an old habit of keepalived's that may go away",
                fix="list peers in unicast_peer, or take the unicast keywords out", verdict=Verdict.DEPRECATED))
            return


def settle_source(subject: Subject) -> IPAddress | None:
    """The source address, if it is of the instance's family."""
    source = subject.written.source_ip
    if source is not None and source.version != subject.family:
        subject.error(Code.FAMILY, f"the source address {source} is not IPv{subject.family}", "source_ip")
        return None
    return source


def settle_multicast(subject: Subject) -> IPAddress | None:
    """The group, None for unicast."""
    own = subject.written.mcast_dst_ip
    if own is not None and subject.unicast:
        subject.error(Code.UNICAST, "mcast_dst_ip has no effect with peers", "mcast_dst_ip")
    elif own is not None and own.version != subject.family:
        subject.error(Code.FAMILY, f"the group {own} is not IPv{subject.family}", "mcast_dst_ip")
    elif own is not None:
        return own
    if subject.unicast:
        return None
    g = subject.defaults.written
    return g.vrrp_mcast_group4 or MULTICAST4 if subject.family == 4 else g.vrrp_mcast_group6 or MULTICAST6


def settle_vmac(subject: Subject) -> Vmac | None:
    """use_vmac with its companions."""
    written = subject.written
    use = written.use_vmac
    if use is None:
        if written.vmac_xmit_base:
            subject.error(Code.VMAC, "vmac_xmit_base has no effect without use_vmac", "vmac_xmit_base")
        return None  # use_vmac_addr alone is marked on the addresses
    if not written.interface:
        subject.error(Code.VMAC, "use_vmac needs an interface", "use_vmac")
        return None
    xmit_base = bool(written.vmac_xmit_base)
    mac = use.mac
    if len(mac) == 5:
        mac += bytes([written.virtual_router_id or 0])
    if subject.strict:
        if mac:
            subject.error(Code.STRICT, "strict_mode allows the standard MAC only, which is used", "use_vmac")
            mac = b""
        if xmit_base:
            subject.error(Code.STRICT, "strict_mode does not allow vmac_xmit_base", "vmac_xmit_base")
            xmit_base = False
        elif subject.unicast:
            subject.error(Code.STRICT, "with peers adverts go out of the base interface, which strict_mode does not "
                          "allow", "use_vmac", note="they go out of the VMAC")
    elif subject.unicast and not xmit_base:
        subject.error(Code.VMAC, "with peers adverts go out of the base interface", "use_vmac",
                      fix="add vmac_xmit_base", until="there is no vmac_xmit_base up to here")
        xmit_base = True
    return Vmac(use.name, mac, xmit_base, _prefix(subject), bool(written.use_vmac_addr))


def _prefix(subject: Subject) -> str:
    return subject.defaults.written.vmac_prefix or "vrrp"


def settle_ipvlan(subject: Subject) -> IpvlanUse | None:
    """use_ipvlan. Without an IPv4 address it cannot run, as an ipvlan shares its base's MAC."""
    written = subject.written
    use = written.use_ipvlan
    if use is None:
        return None
    if written.use_vmac is not None:
        subject.error(Code.VMAC, "use_vmac and use_ipvlan do not go together", "use_ipvlan")
        return None
    if not written.interface:
        subject.error(Code.VMAC, "use_ipvlan needs an interface", "use_ipvlan")
        return None
    ip = use.ip
    if ip is not None and ip.version != subject.family:
        subject.error(Code.FAMILY, f"the ipvlan's address {ip} is not IPv{subject.family}", "use_ipvlan")
        ip = None
    if ip is None and subject.family == 4:
        if written.source_ip is None:
            subject.fault = "use_ipvlan has no address"
            subject.error(Code.VMAC, "an IPv4 ipvlan needs an address, so it stays in FAULT", "use_ipvlan")
        ip = written.source_ip
    name = use.name or f"{_prefix(subject)}.{written.virtual_router_id or 0}"
    address = None
    if ip is not None:
        address = Address(name, ip, ip.max_prefixlen if use.prefix is None else use.prefix)
    return IpvlanUse(use.name, address, use.mode)
