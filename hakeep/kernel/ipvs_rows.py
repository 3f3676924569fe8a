"""Services and destinations between our values and the messages of generic netlink's family IPVS (linux/ip_vs.h).

A director may have 2,000 services with 37,000 destinations. pyroute2's classes take 0.4 ms to write a destination and
0.9 ms to read one, so what comes by the thousand is packed here with `struct`, in 3 and 16 microseconds, and what comes
once (see `ipvs_messages`) is left to pyroute2. The tests hold the one against the other.

Three things about the kernel:

* The netmask of persistence is a mask in network order for IPv4, and for IPv6 a prefix length in host order.
* A service is asked for by its address, protocol and port, or its mark; what else is said of it when a destination is
  meant is ignored, so it is left out here (keepalived sends it).
* It reports statistics twice, in 32 and since 4.1 in 64 bits; the first wraps round.
"""

from __future__ import annotations

import sys
from ipaddress import IPv4Address, IPv6Address
from socket import AF_INET, AF_INET6
from struct import Struct

from hakeep.objects.ipvs import (
    PERSISTENT,
    PLAIN,
    WANTED_FLAGS,
    Counts,
    Destination,
    DestinationKey,
    Encapsulation,
    Forward,
    Service,
    ServiceKey,
    Tunnel,
    Usage,
    granularity,
    netmask,
)
from hakeep.objects.rtnl import IPAddress

# Commands (IPVS_CMD_*).
NEW_SERVICE, SET_SERVICE, DEL_SERVICE, GET_SERVICE = 1, 2, 3, 4
NEW_DEST, SET_DEST, DEL_DEST, GET_DEST = 5, 6, 7, 8
ZERO, FLUSH = 16, 17

# Attributes of a message (IPVS_CMD_ATTR_*), of a service (IPVS_SVC_ATTR_*), of a destination (IPVS_DEST_ATTR_*), of
# statistics (IPVS_STATS_ATTR_*).
CMD_SERVICE, CMD_DEST = 1, 2
SVC_AF, SVC_PROTOCOL, SVC_ADDR, SVC_PORT, SVC_FWMARK, SVC_SCHED_NAME = 1, 2, 3, 4, 5, 6
SVC_FLAGS, SVC_TIMEOUT, SVC_NETMASK, SVC_STATS, SVC_PE_NAME, SVC_STATS64 = 7, 8, 9, 10, 11, 12
DEST_ADDR, DEST_PORT, DEST_FWD_METHOD, DEST_WEIGHT, DEST_U_THRESH, DEST_L_THRESH = 1, 2, 3, 4, 5, 6
DEST_ACTIVE, DEST_INACT, DEST_PERSIST, DEST_STATS, DEST_ADDR_FAMILY, DEST_STATS64 = 7, 8, 9, 10, 11, 12
DEST_TUN_TYPE, DEST_TUN_PORT, DEST_TUN_FLAGS = 13, 14, 15
STATS = range(1, 11)

VERSION = 1
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x001, 0x004, 0x300

#: struct nlmsghdr and struct genlmsghdr.
HEAD = Struct("=IHHIIBBH")

_ATTRIBUTE = Struct("=HH")
_PORT = Struct(">H")
_BY_ADDRESS = Struct("=HHHxxHHHxxHH16sHH2sxx")
_BY_MARK = Struct("=HHHxxHHI")
_DETAILS = Struct("=HHIIHHIHHI")  # flags with mask, timeout, netmask
_SERVER = Struct("=HHHxxHH16sHH2sxx")
_SERVER_DETAILS = Struct("=HHIHHIHHIHHI")
_TUNNEL_TYPE = Struct("=HHBxxx")
_TUNNEL_REST = Struct("=HH2sxxHHHxx")

_ALL_FLAGS = 0xFFFFFFFF
_FORWARD_MASK = 0x7  # IP_VS_CONN_F_FWD_MASK
_FAMILIES = {4: AF_INET, 6: AF_INET6}
_FORWARDS = {int(forward): forward for forward in Forward}
_ENCAPSULATIONS = {int(each): each for each in Encapsulation}


class Unreadable(ValueError):
    """A message from the kernel lacks what every such message has, or says what is not known here."""


# --------------------------------------------------------------------------------------------------------- encode


def message(family: int, command: int, body: bytes = b"", flags: int = NLM_F_ACK) -> bytes:
    """A request to the generic netlink family of that number. `body` is attributes."""
    return HEAD.pack(HEAD.size + len(body), family, NLM_F_REQUEST | flags, 0, 0, command, VERSION, 0) + body


def _nest(kind: int, body: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(body), kind) + body


def _text(kind: int, text: str) -> bytes:
    data = text.encode() + b"\0"
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(data), kind) + data + b"\0" * (-len(data) % 4)


def _identity(key: ServiceKey) -> bytes:
    """The attributes that say which service."""
    family = _FAMILIES[key.family]
    if key.ip is None:
        return _BY_MARK.pack(6, SVC_AF, family, 8, SVC_FWMARK, key.fwmark)
    return _BY_ADDRESS.pack(
        6, SVC_AF, family, 6, SVC_PROTOCOL, key.protocol, 20, SVC_ADDR, key.ip.packed, 6, SVC_PORT, _PORT.pack(key.port)
    )  # 16s pads an IPv4 address with zeros


def _netmask(family: int, prefix: int) -> int:
    """The number whose bytes in host order are the attribute."""
    if family == 6:
        return prefix
    return _u32(netmask(prefix).to_bytes(4, "big"))


def encode_service(family: int, command: int, service: Service) -> bytes:
    """NEW_SERVICE: EEXIST when it is there, ENOENT without such a scheduler or engine. SET_SERVICE: ESRCH when it is
    not there."""
    body = _identity(service.key) + _text(SVC_SCHED_NAME, service.scheduler)
    flags = service.flags & WANTED_FLAGS | (PERSISTENT if service.timeout else 0)
    body += _DETAILS.pack(
        12, SVC_FLAGS, flags, _ALL_FLAGS, 8, SVC_TIMEOUT, service.timeout,
        8, SVC_NETMASK, _netmask(service.key.family, service.prefix),
    )  # fmt: skip
    if service.engine:
        body += _text(SVC_PE_NAME, service.engine)
    return message(family, command, _nest(CMD_SERVICE, body))


def encode_service_key(family: int, command: int, key: ServiceKey) -> bytes:
    """DEL_SERVICE, GET_SERVICE (one of them) or ZERO: ESRCH when it is not there."""
    return message(family, command, _nest(CMD_SERVICE, _identity(key)))


def encode_destination(family: int, command: int, destination: Destination) -> bytes:
    """NEW_DEST: EEXIST when it is there. SET_DEST: ENOENT when it is not there. Both: ESRCH without its service, EINVAL
    for an address that is not unicast, ERANGE for thresholds where the lower one is the higher."""
    forward, tunnel = destination.forward, destination.tunnel
    body = _server(destination.key) + _SERVER_DETAILS.pack(
        8, DEST_FWD_METHOD, forward, 8, DEST_WEIGHT, destination.weight,
        8, DEST_U_THRESH, destination.upper, 8, DEST_L_THRESH, destination.lower,
    )  # fmt: skip
    if forward is Forward.TUNNEL:
        body += _TUNNEL_TYPE.pack(5, DEST_TUN_TYPE, tunnel.type)
        if tunnel.port or tunnel.checksum:
            body += _TUNNEL_REST.pack(6, DEST_TUN_PORT, _PORT.pack(tunnel.port), 6, DEST_TUN_FLAGS, tunnel.checksum)
    return _of_service(family, command, destination.key.service, body)


def encode_destination_key(family: int, key: DestinationKey) -> bytes:
    """DEL_DEST: ENOENT when it is not there, ESRCH without its service."""
    return _of_service(family, DEL_DEST, key.service, _server(key))


def _server(key: DestinationKey) -> bytes:
    return _SERVER.pack(
        6, DEST_ADDR_FAMILY, _FAMILIES[key.ip.version], 20, DEST_ADDR, key.ip.packed, 6, DEST_PORT, _PORT.pack(key.port)
    )


def _of_service(family: int, command: int, key: ServiceKey, body: bytes) -> bytes:
    return message(family, command, _nest(CMD_SERVICE, _identity(key)) + _nest(CMD_DEST, body))


def encode_dump_services(family: int) -> bytes:
    """GET_SERVICE of all of them."""
    return message(family, GET_SERVICE, flags=NLM_F_DUMP)


def encode_dump_destinations(family: int, key: ServiceKey) -> bytes:
    """GET_DEST of all of one service; none when there is no such service."""
    return message(family, GET_DEST, _nest(CMD_SERVICE, _identity(key)), flags=NLM_F_DUMP)


# --------------------------------------------------------------------------------------------------------- decode


def attributes(data: bytes, at: int, end: int) -> dict[int, bytes]:
    """The attributes between two places of a message, by number. What comes twice counts once, the last."""
    found = {}
    while at + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < 4 or at + length > end:
            break
        found[kind & 0x3FFF] = data[at + 4 : at + length]
        at += (length + 3) & ~3
    return found


def _inside(data: bytes, kind: int) -> dict[int, bytes]:
    """What stands in the one nest of that kind."""
    nest = attributes(data, HEAD.size, len(data)).get(kind)
    if nest is None:
        raise Unreadable("the kernel sent an IPVS message without what was asked for")
    return attributes(nest, 0, len(nest))


def decode_service(data: bytes) -> Service:
    """The service in a NEW_SERVICE message of the kernel. Raises Unreadable."""
    found = _inside(data, CMD_SERVICE)
    try:
        key = _service_key(found)
        flags = _u32(found[SVC_FLAGS]) & WANTED_FLAGS
        return Service(
            key=key,
            scheduler=_string(found[SVC_SCHED_NAME]),
            flags=flags,
            timeout=_u32(found[SVC_TIMEOUT]) if flags & PERSISTENT else 0,
            prefix=_prefix(key.family, found[SVC_NETMASK]),
            engine=_string(found.get(SVC_PE_NAME, b"")),
        )
    except (KeyError, ValueError) as error:
        raise Unreadable(f"the kernel sent an IPVS service that cannot be read: {error!r}") from None


def _service_key(found: dict[int, bytes]) -> ServiceKey:
    family = _family(_u16(found[SVC_AF]))
    if SVC_FWMARK in found:
        return ServiceKey(family, 0, None, 0, _u32(found[SVC_FWMARK]))
    return ServiceKey(family, _u16(found[SVC_PROTOCOL]), _address(family, found[SVC_ADDR]), _port(found[SVC_PORT]))


def decode_destination(data: bytes, service: ServiceKey) -> Destination:
    """The destination in a NEW_DEST message of the kernel, which does not say whose it is. Raises Unreadable."""
    return _destination(_inside(data, CMD_DEST), service)


def _destination(found: dict[int, bytes], service: ServiceKey) -> Destination:
    try:
        family = _family(_u16(found[DEST_ADDR_FAMILY])) if DEST_ADDR_FAMILY in found else service.family
        forward = _FORWARDS[_u32(found[DEST_FWD_METHOD]) & _FORWARD_MASK]
        return Destination(
            DestinationKey(service, _address(family, found[DEST_ADDR]), _port(found[DEST_PORT])),
            weight=_u32(found[DEST_WEIGHT]),
            forward=forward,
            tunnel=_tunnel(found) if forward is Forward.TUNNEL else PLAIN,
            upper=_u32(found[DEST_U_THRESH]),
            lower=_u32(found[DEST_L_THRESH]),
        )
    except (KeyError, ValueError, IndexError) as error:
        raise Unreadable(f"the kernel sent an IPVS destination that cannot be read: {error!r}") from None


def _tunnel(found: dict[int, bytes]) -> Tunnel:
    """Kernels before 5.2 do not say."""
    if DEST_TUN_TYPE not in found:
        return PLAIN
    port, checksum = found.get(DEST_TUN_PORT, b"\0\0"), found.get(DEST_TUN_FLAGS, b"\0\0")
    return Tunnel(_ENCAPSULATIONS[found[DEST_TUN_TYPE][0]], _port(port), _u16(checksum))


def decode_service_usage(data: bytes) -> Usage:
    """What is counted of the service in a message of the kernel. Raises Unreadable."""
    return Usage(counts=_counts(_inside(data, CMD_SERVICE), SVC_STATS64, SVC_STATS))


def decode_destination_usage(data: bytes, service: ServiceKey) -> tuple[Destination, Usage]:
    """A destination, and what is counted of it. Raises Unreadable."""
    found = _inside(data, CMD_DEST)
    active, inactive, persistent = (_u32(found.get(kind, b"")) for kind in (DEST_ACTIVE, DEST_INACT, DEST_PERSIST))
    usage = Usage(active, inactive, persistent, _counts(found, DEST_STATS64, DEST_STATS))
    return _destination(found, service), usage


def _counts(found: dict[int, bytes], wide: int, narrow: int) -> Counts:
    nest = found.get(wide, found.get(narrow, b""))
    numbers = attributes(nest, 0, len(nest))
    return Counts(*(int.from_bytes(numbers.get(kind, b""), sys.byteorder) for kind in STATS))


def _prefix(family: int, data: bytes) -> int:
    if family == 6:
        return _u32(data)
    return granularity(int.from_bytes(data[:4], "big"))


def _family(number: int) -> int:
    if number == AF_INET:
        return 4
    if number == AF_INET6:
        return 6
    raise ValueError(f"address family {number}")


def _address(family: int, data: bytes) -> IPAddress:
    return IPv4Address(data[:4]) if family == 4 else IPv6Address(data[:16])


def _string(data: bytes) -> str:
    return data.partition(b"\0")[0].decode(errors="replace")


def _u32(data: bytes) -> int:
    return int.from_bytes(data[:4], sys.byteorder)


def _u16(data: bytes) -> int:
    return int.from_bytes(data[:2], sys.byteorder)


def _port(data: bytes) -> int:
    return int.from_bytes(data[:2], "big")
