"""The addresses of an instance: family, place, form, and how many an advert has room for."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from hakeep.config.diagnostic import Code, Verdict
from hakeep.config.keywords.vrrp import VrrpInstance
from hakeep.config.settle.subject import Subject
from hakeep.config.settled import VirtualAddress
from hakeep.config.values.addresses import FOREVER, AddressEntry
from hakeep.objects.rtnl import (
    IFA_F_HOMEADDRESS,
    IFA_F_MANAGETEMPADDR,
    IFA_F_MCAUTOJOIN,
    IFA_F_NODAD,
    IFA_F_NOPREFIXROUTE,
    SCOPE_GLOBAL,
    Address,
    AddressKey,
)

#: keepalived takes the Ethernet header off the MTU too, so peers agree on what fits.
ROOM = 1500 - 14
MOST = 255


def settle_addresses(subject: Subject, *, vmac: bool) -> tuple[VirtualAddress, ...]:
    """Both lists, in order. Surplus addresses are kept but not announced."""
    written = subject.written
    room = _room(subject)
    settled: list[VirtualAddress] = []
    seen: dict[AddressKey, str] = {}
    surplus = 0
    for keyword, entries in (
        ("virtual_ipaddress", written.virtual_ipaddress),
        ("virtual_ipaddress_excluded", written.virtual_ipaddress_excluded),
    ):
        listed = keyword == "virtual_ipaddress"
        for index, entry in enumerate(entries):
            if listed and entry.ip.version != subject.family:
                subject.error(Code.FAMILY, f"{entry.ip} is not IPv{subject.family} like the first address", keyword,
                              index=index, fix="put it into virtual_ipaddress_excluded")
                continue
            if not _has_place(subject, entry, keyword, index):
                continue
            address = _address(subject, entry, vmac)
            key = (address.interface or written.interface or "", address.ip, address.prefix)
            if key in seen:
                subject.findings.warning(
                    Code.DUPLICATE_VIP, f"{written.name}: {entry.ip} is given twice", subject.span(keyword, index),
                    note=f"it is in {seen[key]} already; the second one is left out")
                continue
            seen[key] = keyword
            surplus += listed and len(settled) >= room
            settled.append(VirtualAddress(
                address, advertised=listed and len(settled) < room, track=not entry.no_track, dad=entry.nodad,
                vmac=entry.use_vmac or _elsewhere(written, entry)))
    if surplus:
        subject.error(Code.VIP_COUNT, f"an advert has room for {room} addresses; {surplus} are not announced",
                      "virtual_ipaddress", index=room)
    _need_some(subject, any(address.advertised for address in settled))
    if subject.family == 6 and written.virtual_ipaddress and not subject.unicast:
        _link_local_first(subject, written.virtual_ipaddress[0])
    return tuple(settled)


def _elsewhere(written: VrrpInstance, entry: AddressEntry) -> bool:
    """use_vmac_addr gives a VMAC to addresses on other interfaces."""
    return bool(written.use_vmac_addr and entry.dev and entry.dev != written.interface)


def _need_some(subject: Subject, some: bool) -> None:
    written = subject.written
    if written.no_virtual_ipaddress and subject.strict:
        subject.error(Code.STRICT, "strict_mode does not allow no_virtual_ipaddress", "no_virtual_ipaddress")
    elif some or written.no_virtual_ipaddress:
        return
    if some:
        return
    if subject.version == 3 or subject.strict:
        why = "version 3" if subject.version == 3 else "strict_mode"
        subject.cannot_run(Code.NO_VIP, f"{why} needs an address in virtual_ipaddress", "virtual_ipaddress",
                           fix="" if subject.strict else "or say no_virtual_ipaddress")
    elif not subject.runs:
        return  # why it does not run has been told
    elif written.virtual_ipaddress or "virtual_ipaddress" in written.refused:
        subject.findings.advise(Code.NO_VIP, f"{written.name}: there is no good address in virtual_ipaddress",
                                subject.place("virtual_ipaddress", -1), note="what is wrong with them has been told")
    else:
        subject.warn(Code.NO_VIP, "there is no address in virtual_ipaddress", "virtual_ipaddress",
                     verdict=Verdict.GENERAL)


def _link_local_first(subject: Subject, entry: AddressEntry) -> None:
    if entry.ip.is_link_local:
        return
    message = f"the first IPv6 address should be link-local, {entry.ip} is not"
    note = "RFC 9568 section 5.2.9; hosts use it as their router's address"
    if subject.strict:
        subject.error(Code.LINK_LOCAL, message, "virtual_ipaddress", index=0, note=note)
    else:
        subject.findings.advise(Code.LINK_LOCAL, f"{subject.written.name}: {message}",
                                subject.span("virtual_ipaddress", 0), note=note)


def _has_place(subject: Subject, entry: AddressEntry, keyword: str, index: int) -> bool:
    if entry.dev:
        subject.interface_must_exist(entry.dev, keyword, index=index)
        return True
    if subject.written.interface or not subject.runs:  # that it lacks one has been told
        return True
    subject.error(Code.VIP_PLACE, f"{entry.ip} needs a dev, as the instance has no interface", keyword, index=index)
    return False


def _room(subject: Subject) -> int:
    header = 20 if subject.family == 4 else 40
    password = 8 if subject.version == 2 and subject.family == 4 else 0
    space = ROOM - header - 8 - password - subject.authenticated
    return min(MOST, space // (4 if subject.family == 4 else 16))


def _address(subject: Subject, entry: AddressEntry, vmac: bool) -> Address:
    ip = entry.ip
    interface = entry.dev
    if not interface and vmac and ip.version != subject.family:
        interface = subject.written.interface or ""  # a VMAC carries the instance's family only
    return address_of(entry, interface)


def address_of(entry: AddressEntry, interface: str) -> Address:
    """The address that a line of a list asks for, on this interface."""
    ip = entry.ip
    length = entry.peer_prefix if entry.peer else entry.prefix
    prefix = ip.max_prefixlen if length is None else length
    preferred = None if entry.preferred_lft in (None, FOREVER) else entry.preferred_lft
    flags = 0
    if ip.version == 6:
        flags = 0 if entry.nodad else IFA_F_NODAD
        if prefix == 128 and entry.preferred_lft is None:
            preferred = 0  # deprecated, so that it is not chosen as a source address
    if entry.home or entry.mngtmpaddr or entry.noprefixroute or entry.autojoin:
        flags |= IFA_F_HOMEADDRESS if entry.home else 0
        flags |= IFA_F_MANAGETEMPADDR if entry.mngtmpaddr else 0
        flags |= IFA_F_NOPREFIXROUTE if entry.noprefixroute else 0
        flags |= IFA_F_MCAUTOJOIN if entry.autojoin else 0
    return Address(
        interface, ip, prefix, entry.peer, _broadcast(entry, prefix) if entry.broadcast else None, entry.label,
        SCOPE_GLOBAL if entry.scope is None else entry.scope, flags, preferred)


def _broadcast(entry: AddressEntry, prefix: int) -> IPv4Address | None:
    """The broadcast address; + is the network's highest, - its lowest."""
    if entry.peer or not isinstance(entry.ip, IPv4Address):
        return None
    if isinstance(entry.broadcast, IPv4Address):
        return entry.broadcast
    network = IPv4Network((int(entry.ip), prefix), strict=False)
    return network.broadcast_address if entry.broadcast == "+" else network.network_address
