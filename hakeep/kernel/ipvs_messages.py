"""The rarer messages of generic netlink's family IPVS: version, timeouts, synchronisation daemons (linux/ip_vs.h).

pyroute2's classes pack and unpack them, with attribute tables of our own: pyroute2's leave these out. Services and
destinations come by the thousand and are in `ipvs_rows`.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Any, NamedTuple

from hakeep.kernel.codecs import ctrlmsg, genlmsg, nla
from hakeep.kernel.ipvs_rows import NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, VERSION, Unreadable
from hakeep.objects.ipvs import SyncDaemon, Timeouts

#: The family's name, and the family that knows the numbers of families (GENL_ID_CTRL, CTRL_CMD_GETFAMILY).
NAME = "IPVS"
_CONTROL, _GET_FAMILY = 16, 3

# Commands (IPVS_CMD_*).
NEW_DAEMON, DEL_DAEMON, GET_DAEMON = 9, 10, 11
SET_CONFIG, GET_CONFIG, GET_INFO = 12, 13, 15

_STATES = {"master": 1, "backup": 2}  # IP_VS_STATE_*


class Info(NamedTuple):
    """The kernel's IPVS: its version, such as 1.2.1, and the size of its hash table of connections."""

    version: tuple[int, int, int]
    size: int


class _Message(genlmsg):  # type: ignore[misc]
    """What a request may hold, and the answer to any but GET_INFO (IPVS_CMD_ATTR_*)."""

    nla_map = (
        (3, "DAEMON", "daemon"),
        (4, "TIMEOUT_TCP", "uint32"),
        (5, "TIMEOUT_TCP_FIN", "uint32"),
        (6, "TIMEOUT_UDP", "uint32"),
    )

    class daemon(nla):  # type: ignore[misc]
        """IPVS_DAEMON_ATTR_*."""

        nla_map = (
            (1, "STATE", "uint32"),
            (2, "MCAST_IFN", "asciiz"),
            (3, "SYNC_ID", "uint32"),
            (4, "SYNC_MAXLEN", "uint16"),
            (5, "MCAST_GROUP", "ip4addr"),
            (6, "MCAST_GROUP6", "ip6addr"),
            (7, "MCAST_PORT", "uint16"),
            (8, "MCAST_TTL", "uint8"),
        )


class _InfoMessage(genlmsg):  # type: ignore[misc]
    """The answer to GET_INFO (IPVS_INFO_ATTR_*)."""

    nla_map = ((1, "VERSION", "uint32"), (2, "CONN_TAB_SIZE", "uint32"))


def _encoded(message: Any, kind: int, command: int, flags: int, attributes: list[tuple[str, object]]) -> bytes:
    message["header"]["type"] = kind
    message["header"]["flags"] = NLM_F_REQUEST | flags
    message["cmd"] = command
    message["version"] = VERSION
    message["attrs"] = attributes
    message.encode()
    return bytes(message.data)


def _decoded(message: Any) -> Any:
    try:
        message.decode()
    except Exception as error:  # pyroute2 raises whatever comes of it
        raise Unreadable(f"the kernel sent an IPVS message that cannot be read: {error!r}") from None
    return message


def encode_get_family() -> bytes:
    """Ask for the number of the family: ENOENT when the kernel has none, then or ever."""
    return _encoded(ctrlmsg(), _CONTROL, _GET_FAMILY, NLM_F_ACK, [("CTRL_ATTR_FAMILY_NAME", NAME)])


def decode_family(data: bytes) -> int:
    """The number in the answer. Raises Unreadable."""
    number = _decoded(ctrlmsg(data)).get_attr("CTRL_ATTR_FAMILY_ID")
    if number is None:
        raise Unreadable("the kernel does not say the number of the netlink family IPVS")
    return int(number)


def encode_get_info(family: int) -> bytes:
    """Ask for the version."""
    return _encoded(_Message(), family, GET_INFO, NLM_F_ACK, [])


def decode_info(data: bytes) -> Info:
    """The answer. Raises Unreadable."""
    message = _decoded(_InfoMessage(data))
    version, size = message.get_attr("VERSION") or 0, message.get_attr("CONN_TAB_SIZE") or 0
    return Info((version >> 16 & 0xFF, version >> 8 & 0xFF, version & 0xFF), size)


def encode_get_timeouts(family: int) -> bytes:
    """Ask for the timeouts."""
    return _encoded(_Message(), family, GET_CONFIG, NLM_F_ACK, [])


def encode_set_timeouts(family: int, timeouts: Timeouts) -> bytes:
    """Set those that are not 0."""
    named = zip(("TIMEOUT_TCP", "TIMEOUT_TCP_FIN", "TIMEOUT_UDP"), timeouts, strict=True)
    return _encoded(_Message(), family, SET_CONFIG, NLM_F_ACK, [(name, value) for name, value in named if value])


def decode_timeouts(data: bytes) -> Timeouts:
    """The answer. Raises Unreadable."""
    message = _decoded(_Message(data))
    return Timeouts(*(message.get_attr(name) or 0 for name in ("TIMEOUT_TCP", "TIMEOUT_TCP_FIN", "TIMEOUT_UDP")))


def encode_start(family: int, daemon: SyncDaemon) -> bytes:
    """NEW_DAEMON: EEXIST when one of that state runs, ENODEV without the interface, EINVAL while a service has real
    servers of the other address family."""
    attributes: list[tuple[str, object]] = [
        ("STATE", _STATES[daemon.state]), ("MCAST_IFN", daemon.interface), ("SYNC_ID", daemon.sync_id),
    ]  # fmt: skip
    if daemon.max_length:
        attributes.append(("SYNC_MAXLEN", daemon.max_length))
    if daemon.group is not None:
        attributes.append(("MCAST_GROUP" if daemon.group.version == 4 else "MCAST_GROUP6", str(daemon.group)))
    if daemon.port:
        attributes.append(("MCAST_PORT", daemon.port))
    if daemon.ttl:
        attributes.append(("MCAST_TTL", daemon.ttl))
    return _encoded(_Message(), family, NEW_DAEMON, NLM_F_ACK, [("DAEMON", {"attrs": attributes})])


def encode_stop(family: int, state: str) -> bytes:
    """DEL_DAEMON: ESRCH when none of that state runs."""
    return _encoded(
        _Message(), family, DEL_DAEMON, NLM_F_ACK, [("DAEMON", {"attrs": [("STATE", _STATES[state])]})]
    )


def encode_dump_daemons(family: int) -> bytes:
    """GET_DAEMON of both."""
    return _encoded(_Message(), family, GET_DAEMON, NLM_F_DUMP, [])


def decode_daemon(data: bytes) -> SyncDaemon:
    """One of those that run. Raises Unreadable."""
    found = _decoded(_Message(data)).get_attr("DAEMON")
    states = {number: state for state, number in _STATES.items()}
    if found is None or found.get_attr("STATE") not in states:
        raise Unreadable("the kernel does not say what its IPVS synchronisation daemon is")
    group, group6 = found.get_attr("MCAST_GROUP"), found.get_attr("MCAST_GROUP6")
    return SyncDaemon(
        states[found.get_attr("STATE")],
        found.get_attr("MCAST_IFN") or "",
        sync_id=found.get_attr("SYNC_ID") or 0,
        max_length=found.get_attr("SYNC_MAXLEN") or 0,
        group=IPv4Address(group) if group else IPv6Address(group6) if group6 else None,
        port=found.get_attr("MCAST_PORT") or 0,
        ttl=found.get_attr("MCAST_TTL") or 0,
    )
