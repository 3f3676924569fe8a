"""Addresses and links, between our values and rtnetlink's messages.

The field names are those of <linux/if_addr.h> and <linux/if_link.h>; pyroute2's message classes do the packing. They
cost 45 microseconds a message, and a takeover of a thousand addresses must not wait for that, so `Encoder` remembers
what it has made: whoever asks for the messages while there is time finds them ready when there is none.

Two things about the kernel decide which message does what:

* RTM_NEWADDR without NLM_F_CREATE and NLM_F_EXCL adds an address, and says EEXIST, changing nothing, if it is there.
  With NLM_F_REPLACE it gives an address that is there new lifetimes and a new mark and nothing else (IPv4 keeps
  label, scope and broadcast), and adds one that is not there.
* IFA_PROTO, who made it, is known since Linux 5.18. Older kernels skip attributes they do not know, so it is always
  sent; `kernel_reports_proto` tells whether it can be read back.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from socket import AF_INET, AF_INET6, AF_UNSPEC
from struct import Struct
from typing import Any

from hakeep.kernel.codecs import ifaddrmsg, ifinfmsg, ipvlan
from hakeep.kernel.netlink import (
    HEADER,
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    NLM_F_REQUEST,
    Netlink,
    Part,
)
from hakeep.objects.rtnl import IFA_F_DEPRECATED, Address, AddressKey, IPAddress, Ipvlan, Link, Macvlan

# Message types, from <linux/rtnetlink.h>.
RTM_NEWLINK = 16
RTM_DELLINK = 17
RTM_GETLINK = 18
RTM_NEWADDR = 20
RTM_DELADDR = 21
RTM_GETADDR = 22

# Notification groups, as bits for `Netlink`.
RTMGRP_LINK = 0x001
RTMGRP_IPV4_IFADDR = 0x010
RTMGRP_IPV6_IFADDR = 0x100

FOR_EVER = 0xFFFFFFFF
"""INFINITY_LIFE_TIME of struct ifa_cacheinfo."""

_INDEX = Struct("=I")
_IFF_UP = 0x1
_IFF_LOOPBACK = 0x8
_IFF_RUNNING = 0x40
_IFF_NOARP = 0x80
_IFF_MULTICAST = 0x1000
_MACVLAN_MODE_PRIVATE = 1
_IPVLAN_MODE_L2 = 0
_IPVLAN_FLAGS = {"bridge": 0, "private": 1, "vepa": 2}


#: So many messages are kept ready; a message takes some 100 bytes.
_READY_MAX = 4000
_NOTHING: tuple[None, int, bytes] = (None, 0, b"")

#: Stand for an address in a template. Nobody can configure them: 0.0.0.0/8 and an IPv6 multicast address.
_STAND_IN: dict[int, IPAddress] = {4: IPv4Address("0.193.86.211"), 6: IPv6Address("ff02::c156:d3a9:77b1:4e2d")}


class Encoder:
    """Makes request messages for addresses. `index` is the interface's number; sequence numbers come with sending.

    pyroute2 needs 45 microseconds for a message, which a takeover of a thousand addresses cannot wait for. But the
    addresses of a router differ in their bytes only, so one message of each shape is made, with a stand-in for the
    address, and the address is put in its place.
    """

    def __init__(self) -> None:
        self._templates: dict[tuple[object, ...], bytes] = {}
        self._ready: dict[tuple[bool, AddressKey], tuple[Address, int, bytes]] = {}

    def add(self, address: Address, index: int) -> bytes:
        """RTM_NEWADDR: add it; EEXIST when it is there."""
        return self._remembered(False, _encode_add, address, index)

    def replace(self, address: Address, index: int) -> bytes:
        """RTM_NEWADDR with NLM_F_REPLACE: give it these lifetimes and this mark, or add it."""
        return self._remembered(True, _encode_replace, address, index)

    def delete(self, address: Address, index: int) -> bytes:
        """RTM_DELADDR: take it away; EADDRNOTAVAIL when it is not there."""
        return self._filled(_encode_delete, address, index)

    def clear(self) -> None:
        """Forget everything: after a reload most of it will not be asked for again."""
        self._templates.clear()
        self._ready.clear()

    def _remembered(
        self, replaces: bool, encode: Callable[[Address, int], bytes], address: Address, index: int
    ) -> bytes:
        """What was made of this very object before."""
        key = replaces, address.key
        known, at, message = self._ready.get(key, _NOTHING)
        if known is not address or at != index:
            message = self._filled(encode, address, index)
            if len(self._ready) >= _READY_MAX:
                self._ready.clear()
            self._ready[key] = address, index, message
        return message

    def _filled(self, encode: Callable[[Address, int], bytes], address: Address, index: int) -> bytes:
        stand_in = _STAND_IN[address.ip.version]
        shape = (
            encode, index, address.ip.version, address.prefix, address.peer, address.broadcast, address.label,
            address.scope, address.flags, address.preferred_lft, address.valid_lft, address.proto,
        )  # fmt: skip
        template = self._templates.get(shape)
        if template is None:
            template = self._templates[shape] = encode(replace(address, ip=stand_in), index)
        return template.replace(stand_in.packed, address.ip.packed)


def _encode_add(address: Address, index: int) -> bytes:
    return _new_address(address, index, NLM_F_REQUEST | NLM_F_ACK)


def _encode_replace(address: Address, index: int) -> bytes:
    return _new_address(address, index, NLM_F_REQUEST | NLM_F_ACK | NLM_F_REPLACE)


def _new_address(address: Address, index: int, flags: int) -> bytes:
    attributes: list[tuple[str, object]] = [("IFA_LOCAL", str(address.ip))]
    if address.peer is not None:
        attributes.append(("IFA_ADDRESS", str(address.peer)))
    if address.broadcast is not None:
        attributes.append(("IFA_BROADCAST", str(address.broadcast)))
    if address.label and address.ip.version == 4:
        attributes.append(("IFA_LABEL", address.label))
    if address.flags:
        attributes.append(("IFA_FLAGS", address.flags))
    if address.valid_lft is not None or address.preferred_lft is not None:
        attributes.append(("IFA_CACHEINFO", _cacheinfo(address)))
    if address.proto:
        attributes.append(("IFA_PROTO", address.proto))
    return _address_message(RTM_NEWADDR, flags, address, index, attributes)


def _cacheinfo(address: Address) -> dict[str, int]:
    """Lifetimes; the kernel refuses a preferred one beyond the valid one."""
    valid = FOR_EVER if address.valid_lft is None else address.valid_lft
    preferred = FOR_EVER if address.preferred_lft is None else address.preferred_lft
    return {"ifa_preferred": min(preferred, valid), "ifa_valid": valid}


def _encode_delete(address: Address, index: int) -> bytes:
    """IFA_LOCAL and IFA_ADDRESS, in the order that the kernel has in its notification: see `removal`."""
    other_end = address.ip if address.peer is None else address.peer
    attributes: list[tuple[str, object]] = [("IFA_LOCAL", str(address.ip)), ("IFA_ADDRESS", str(other_end))]
    if address.ip.version == 4:
        attributes.reverse()
    return _address_message(RTM_DELADDR, NLM_F_REQUEST | NLM_F_ACK, address, index, attributes)


def _address_message(
    kind: int, flags: int, address: Address, index: int, attributes: list[tuple[str, object]]
) -> bytes:
    message = ifaddrmsg()
    message["family"] = AF_INET if address.ip.version == 4 else AF_INET6
    message["prefixlen"] = address.prefix
    message["scope"] = address.scope
    message["index"] = index
    message["attrs"] = attributes
    return _encoded(message, kind, flags)


def _encoded(message: Any, kind: int, flags: int) -> bytes:
    message["header"]["type"] = kind
    message["header"]["flags"] = flags
    message.encode()
    return bytes(message.data)


# ----------------------------------------------------------------------------------------------------------- links


class _IpvlanData(ipvlan):  # type: ignore[misc]
    """pyroute2's class lacks IFLA_IPVLAN_FLAGS, which tells bridge, private and vepa apart."""

    nla_map = (("IFLA_IPVLAN_UNSPEC", "none"), ("IFLA_IPVLAN_MODE", "uint16"), ("IFLA_IPVLAN_FLAGS", "uint16"))


ifinfmsg.ifinfo.register_link_kind(module={"ipvlan": _IpvlanData})


def encode_create(link: Macvlan | Ipvlan, base_index: int) -> bytes:
    """RTM_NEWLINK: make the link on the interface `base_index`, down. EEXIST when the name is taken."""
    data: list[tuple[str, object]]
    attributes: list[tuple[str, object]] = [("IFLA_IFNAME", link.name), ("IFLA_LINK", base_index)]
    if isinstance(link, Macvlan):
        attributes.append(("IFLA_ADDRESS", link.mac.hex(":")))
        kind, data = "macvlan", [("IFLA_MACVLAN_MODE", _MACVLAN_MODE_PRIVATE)]
    else:
        kind = "ipvlan"
        data = [("IFLA_IPVLAN_MODE", _IPVLAN_MODE_L2), ("IFLA_IPVLAN_FLAGS", _IPVLAN_FLAGS[link.mode])]
    info = {"attrs": [("IFLA_INFO_KIND", kind), ("IFLA_INFO_DATA", {"attrs": data})]}
    attributes.append(("IFLA_LINKINFO", info))
    message = ifinfmsg()
    message["attrs"] = attributes
    return _encoded(message, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)


def encode_delete_link(index: int) -> bytes:
    """RTM_DELLINK. ENODEV when it is gone already."""
    message = ifinfmsg()
    message["index"] = index
    return _encoded(message, RTM_DELLINK, NLM_F_REQUEST | NLM_F_ACK)


def encode_link_up(index: int, up: bool = True) -> bytes:
    """RTM_NEWLINK: set the link up or down."""
    message = ifinfmsg()
    message["index"] = index
    message["flags"] = _IFF_UP if up else 0
    message["change"] = _IFF_UP
    return _encoded(message, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK)


def encode_link_alias(index: int, alias: str) -> bytes:
    """RTM_NEWLINK: give the link an alias, free text of up to 255 bytes that `ip link` shows."""
    message = ifinfmsg()
    message["index"] = index
    message["attrs"] = [("IFLA_IFALIAS", alias)]
    return _encoded(message, RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK)


def encode_get_link(name: str) -> bytes:
    """RTM_GETLINK of one interface by name: one part, then an acknowledgement. ENODEV when there is none."""
    message = ifinfmsg()
    message["attrs"] = [("IFLA_IFNAME", name)]
    return _encoded(message, RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK)


def encode_dump_links() -> bytes:
    """RTM_GETLINK of all interfaces."""
    return _encoded(ifinfmsg(), RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP)


def encode_dump_addresses() -> bytes:
    """RTM_GETADDR of all interfaces, both families."""
    message = ifaddrmsg()
    message["family"] = AF_UNSPEC
    return _encoded(message, RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP)


# ---------------------------------------------------------------------------------------------------------- decode


def decode_link(data: bytes) -> Link:
    """An RTM_NEWLINK or RTM_DELLINK message."""
    message = ifinfmsg(data)
    message.decode()
    flags = message["flags"]
    info = message.get_attr("IFLA_LINKINFO")
    # The base of a link may live in another namespace, where its number means nothing to us.
    elsewhere = message.get_attr("IFLA_LINK_NETNSID") is not None
    return Link(
        index=message["index"],
        name=message.get_attr("IFLA_IFNAME") or "",
        up=bool(flags & _IFF_UP),
        running=bool(flags & _IFF_RUNNING),
        mac=bytes.fromhex((message.get_attr("IFLA_ADDRESS") or "").replace(":", "")),
        mtu=message.get_attr("IFLA_MTU") or 0,
        arp=not flags & _IFF_NOARP,
        multicast=bool(flags & _IFF_MULTICAST),
        loopback=bool(flags & _IFF_LOOPBACK),
        kind=(info.get_attr("IFLA_INFO_KIND") if info is not None else None) or "",
        base_index=0 if elsewhere else message.get_attr("IFLA_LINK") or 0,
    )


def describes(data: bytes, link: Macvlan | Ipvlan, base_index: int) -> bool:
    """True when this RTM_NEWLINK message shows just the link that `encode_create` would make."""
    shown = decode_link(data)
    if shown.base_index != base_index:
        return False
    message = ifinfmsg(data)
    message.decode()
    info = message.get_attr("IFLA_LINKINFO")
    details = info.get_attr("IFLA_INFO_DATA") if info is not None else None
    if details is None:
        return False
    if isinstance(link, Macvlan):
        private = details.get_attr("IFLA_MACVLAN_MODE") in (_MACVLAN_MODE_PRIVATE, "private")
        return shown.kind == "macvlan" and private and shown.mac == link.mac
    mode, flags = details.get_attr("IFLA_IPVLAN_MODE"), details.get_attr("IFLA_IPVLAN_FLAGS") or 0
    return shown.kind == "ipvlan" and mode == _IPVLAN_MODE_L2 and flags == _IPVLAN_FLAGS[link.mode]


def link_alias(data: bytes) -> str:
    """The alias in an RTM_NEWLINK message, "" without one."""
    message = ifinfmsg(data)
    message.decode()
    return message.get_attr("IFLA_IFALIAS") or ""


def address_index(data: bytes) -> int:
    """The interface number in an RTM_NEWADDR or RTM_DELADDR message, without decoding the rest."""
    index: int = _INDEX.unpack_from(data, 20)[0]
    return index


def removal(data: bytes) -> bytes:
    """What an RTM_DELADDR request and the notification that follows from it have in common, without decoding them.

    That is the interface's number and the first address: the peer's, if any, for IPv4, the local one for IPv6.
    """
    return data[20:24] + (data[28:32] if data[HEADER.size] == AF_INET else data[28:44])


def decode_address(data: bytes, interface: str) -> Address:
    """An RTM_NEWADDR or RTM_DELADDR message; `interface` is the name of its interface.

    A label that only repeats the interface's name, and a peer that is the address itself, are left out.
    """
    message = ifaddrmsg(data)
    message.decode()
    address = message.get_attr("IFA_ADDRESS")
    local = message.get_attr("IFA_LOCAL") or address
    flags = message.get_attr("IFA_FLAGS")
    if flags is None:
        flags = message["flags"]
    label = message.get_attr("IFA_LABEL") or ""
    broadcast = message.get_attr("IFA_BROADCAST")
    valid, preferred = _lifetimes(message.get_attr("IFA_CACHEINFO"), flags)
    return Address(
        interface=interface,
        ip=ip_address(local),
        prefix=message["prefixlen"],
        peer=ip_address(address) if address and address != local else None,
        broadcast=IPv4Address(broadcast) if broadcast else None,
        label="" if label == interface else label,
        scope=message["scope"],
        flags=flags,
        preferred_lft=preferred,
        valid_lft=valid,
        proto=message.get_attr("IFA_PROTO") or 0,
    )


def _lifetimes(info: Mapping[str, int] | None, flags: int) -> tuple[int | None, int | None]:
    """Valid and preferred. IPv4 says "preferred for ever" of a permanent address even when it is deprecated."""
    valid: int | None = None
    preferred: int | None = None
    if info is not None:
        valid = None if info["ifa_valid"] == FOR_EVER else info["ifa_valid"]
        preferred = None if info["ifa_preferred"] == FOR_EVER else info["ifa_preferred"]
    return valid, 0 if flags & IFA_F_DEPRECATED else preferred


# ------------------------------------------------------------------------------------------------------------ read


def read_links(netlink: Netlink) -> tuple[Link, ...]:
    """All interfaces of the socket's namespace, in the kernel's order. Blocks for the answer."""
    return tuple(decode_link(part.data) for part in netlink.request(encode_dump_links()))


def read_addresses(netlink: Netlink, names: Mapping[int, str]) -> tuple[Address, ...]:
    """All addresses on interfaces whose number is in `names`, in the kernel's order. Blocks for the answer."""
    parts: list[Part] = netlink.request(encode_dump_addresses())
    return tuple(
        decode_address(part.data, names[address_index(part.data)])
        for part in parts
        if address_index(part.data) in names
    )


def kernel_reports_proto() -> bool:
    """True when this kernel keeps and reports IFA_PROTO (Linux 5.18)."""
    numbers = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return numbers is not None and (int(numbers[1]), int(numbers[2])) >= (5, 18)
