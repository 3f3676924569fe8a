"""IPVS messages by pyroute2's message classes: slow, generic, and not ours. The tables are those of linux/ip_vs.h."""

from __future__ import annotations

from typing import Any

from pyroute2.netlink import genlmsg, nla, nla_struct

_STATS = ("CONNS", "INPKTS", "OUTPKTS", "INBYTES", "OUTBYTES", "CPS", "INPPS", "OUTPPS", "INBPS", "OUTBPS")


class ipvsmsg(genlmsg):
    nla_map = ((1, "SERVICE", "service"), (2, "DEST", "dest"))

    class statistics:
        class stats64(nla):
            nla_map = (*((at, name, "uint64") for at, name in enumerate(_STATS, 1)), (11, "PAD", "none"))

        class stats(nla):
            nla_map = (
                *((at, name, "uint64" if "BYTES" in name else "uint32") for at, name in enumerate(_STATS, 1)),
                (11, "PAD", "none"),
            )

    class service(nla, statistics):
        nla_map = (
            (1, "AF", "uint16"), (2, "PROTOCOL", "uint16"), (3, "ADDR", "cdata"), (4, "PORT", "be16"),
            (5, "FWMARK", "uint32"), (6, "SCHED_NAME", "asciiz"), (7, "FLAGS", "flags"), (8, "TIMEOUT", "uint32"),
            (9, "NETMASK", "cdata"), (10, "STATS", "stats"), (11, "PE_NAME", "asciiz"), (12, "STATS64", "stats64"),
        )  # fmt: skip

        class flags(nla_struct):
            fields = (("flags", "I"), ("mask", "I"))

    class dest(nla, statistics):
        nla_map = (
            (1, "ADDR", "cdata"), (2, "PORT", "be16"), (3, "FWD_METHOD", "uint32"), (4, "WEIGHT", "uint32"),
            (5, "U_THRESH", "uint32"), (6, "L_THRESH", "uint32"), (7, "ACTIVE_CONNS", "uint32"),
            (8, "INACT_CONNS", "uint32"), (9, "PERSIST_CONNS", "uint32"), (10, "STATS", "stats"),
            (11, "ADDR_FAMILY", "uint16"), (12, "STATS64", "stats64"), (13, "TUN_TYPE", "uint8"),
            (14, "TUN_PORT", "be16"), (15, "TUN_FLAGS", "uint16"),
        )  # fmt: skip


def encode(family: int, command: int, flags: int, attributes: list[tuple[str, Any]]) -> bytes:
    """A message; a nest is a list of pairs."""
    made = ipvsmsg()
    made["header"]["type"], made["header"]["flags"] = family, flags
    made["cmd"], made["version"] = command, 1
    made["attrs"] = [(name, {"attrs": value} if isinstance(value, list) else value) for name, value in attributes]
    made.encode()
    return bytes(made.data)


def decode(data: bytes) -> dict[str, Any]:
    """The attributes of a message, nests as dictionaries; its command as COMMAND."""
    made = ipvsmsg(data)
    made.decode()
    return {"COMMAND": made["cmd"], **_plain(made)}


def _plain(node: Any) -> dict[str, Any]:
    return {name: _plain(value) if hasattr(value, "get") and value.get("attrs") is not None else value
            for name, value in node["attrs"]}
