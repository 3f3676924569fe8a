"""Policy rules, between our values and rtnetlink's messages (<linux/fib_rules.h>).

RTM_DELRULE removes the first rule that is as it says, and what it does not say may be anything. It always says the
protocol, so that it cannot hit what is not ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from socket import AF_INET, AF_INET6
from struct import Struct

from hakeep.kernel.attributes import BE64, BODY, HEAD, U8, U32, attributes, message, network, u32
from hakeep.kernel.netlink import (
    HEADER,
    NLM_F_ACK,
    NLM_F_CREATE,
    NLM_F_DUMP,
    NLM_F_EXCL,
    NLM_F_REQUEST,
    Netlink,
)
from hakeep.objects.routes import Rule

# Message types and notification groups (as bits), from <linux/rtnetlink.h>.
RTM_NEWRULE = 32
RTM_DELRULE = 33
RTM_GETRULE = 34
RTMGRP_IPV4_RULE = 0x80
RTMGRP_IPV6_RULE = 0x40000

_DST, _SRC, _IIF, _GOTO, _PRIORITY, _MARK, _FLOW, _TUNNEL = 1, 2, 3, 4, 6, 10, 11, 12
_IFGROUP, _PREFIXLEN, _TABLE, _MASK, _OIF, _L3MDEV, _UIDS = 13, 14, 15, 16, 17, 19, 20
_PROTOCOL, _IP_PROTO, _SPORT, _DPORT = 21, 22, 23, 24
_INVERT = 2
_ACTIONS = {"table": 1, "l3mdev": 1, "goto": 2, "nop": 3, "blackhole": 6, "unreachable": 7, "prohibit": 8}
_ACTION_NAMES = {number: name for name, number in _ACTIONS.items() if name != "l3mdev"}
_UID_RANGE, _PORT_RANGE = Struct("=II"), Struct("=HH")
_NOT_ASKED = 0xFFFFFFFF


def encode_add_rule(rule: Rule) -> bytes:
    """RTM_NEWRULE. EEXIST when the same one of the same protocol is there."""
    return _rule_message(RTM_NEWRULE, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, rule)


def encode_remove_rule(rule: Rule) -> bytes:
    """RTM_DELRULE of this rule and protocol. ENOENT when there is none."""
    return _rule_message(RTM_DELRULE, NLM_F_REQUEST | NLM_F_ACK, rule)


def _rule_message(kind: int, flags: int, rule: Rule) -> bytes:
    values: list[tuple[int, bytes]] = [
        (_PRIORITY, U32.pack(rule.priority)), (_PROTOCOL, U8.pack(rule.protocol))]
    if rule.action == "table":
        values.append((_TABLE, U32.pack(rule.table)))
    elif rule.action == "goto":
        values.append((_GOTO, U32.pack(rule.goto)))
    elif rule.action == "l3mdev":
        values.append((_L3MDEV, U8.pack(1)))
    for number, prefix in ((_DST, rule.to), (_SRC, rule.source)):
        if prefix is not None:
            values.append((number, prefix.network_address.packed))
    for number, name in ((_IIF, rule.iif), (_OIF, rule.oif)):
        if name:
            values.append((number, name.encode("utf-8", "surrogateescape") + b"\0"))
    if rule.mark is not None:
        values += [(_MARK, U32.pack(rule.mark[0])), (_MASK, U32.pack(rule.mark[1]))]
    for number, value in ((_PREFIXLEN, rule.suppress_prefixlength), (_IFGROUP, rule.suppress_ifgroup)):
        if value is not None:
            values.append((number, U32.pack(value)))
    values += [(_FLOW, U32.pack(rule.realms))] if rule.realms else []
    values += [(_TUNNEL, BE64.pack(rule.tunnel_id))] if rule.tunnel_id else []
    values += [(_UIDS, _UID_RANGE.pack(*rule.uids))] if rule.uids else []
    values += [(_IP_PROTO, U8.pack(rule.ip_protocol))] if rule.ip_protocol else []
    values += [(_SPORT, _PORT_RANGE.pack(*rule.sport))] if rule.sport else []
    values += [(_DPORT, _PORT_RANGE.pack(*rule.dport))] if rule.dport else []
    head = HEAD.pack(
        AF_INET if rule.family == 4 else AF_INET6, rule.to.prefixlen if rule.to else 0,
        rule.source.prefixlen if rule.source else 0, rule.tos, rule.table if rule.table < 256 else 0, 0, 0,
        _ACTIONS[rule.action], _INVERT if rule.inverted else 0)
    return message(kind, flags, head, values)


def decode_rule(data: bytes) -> Rule | None:
    """An RTM_NEWRULE or RTM_DELRULE message. None for what no configuration can ask for."""
    family, to_length, from_length, tos, table, _, _, action, flags = HEAD.unpack_from(data, HEADER.size)
    found = dict(attributes(memoryview(data)[BODY:]))
    if action not in _ACTION_NAMES or family not in (AF_INET, AF_INET6):
        return None
    name = "l3mdev" if _L3MDEV in found and found[_L3MDEV][0] else _ACTION_NAMES[action]
    return Rule(
        4 if family == AF_INET else 6,
        u32(found[_PRIORITY]) if _PRIORITY in found else 0,
        source=network(family, found.get(_SRC, b""), from_length) if from_length else None,
        to=network(family, found.get(_DST, b""), to_length) if to_length else None,
        action=name,
        table=(u32(found[_TABLE]) if _TABLE in found else table) if name == "table" else 0,
        goto=u32(found[_GOTO]) if name == "goto" and _GOTO in found else 0,
        inverted=bool(flags & _INVERT), iif=_name(found, _IIF), oif=_name(found, _OIF), tos=tos,
        mark=_decoded_mark(found),
        realms=u32(found[_FLOW]) if _FLOW in found else 0,
        suppress_prefixlength=_asked(found, _PREFIXLEN), suppress_ifgroup=_asked(found, _IFGROUP),
        tunnel_id=BE64.unpack_from(found[_TUNNEL])[0] if _TUNNEL in found else 0,
        uids=_UID_RANGE.unpack_from(found[_UIDS]) if _UIDS in found else None,
        ip_protocol=found[_IP_PROTO][0] if _IP_PROTO in found else 0,
        sport=_PORT_RANGE.unpack_from(found[_SPORT]) if _SPORT in found else None,
        dport=_PORT_RANGE.unpack_from(found[_DPORT]) if _DPORT in found else None,
        protocol=found[_PROTOCOL][0] if _PROTOCOL in found else 0,
    )


def _name(found: Mapping[int, memoryview], number: int) -> str:
    return bytes(found.get(number, b"")).rstrip(b"\0").decode("utf-8", "surrogateescape")


def _asked(found: Mapping[int, memoryview], number: int) -> int | None:
    value = u32(found[number]) if number in found else _NOT_ASKED
    return None if value == _NOT_ASKED else value


def _decoded_mark(found: Mapping[int, memoryview]) -> tuple[int, int] | None:
    mark = u32(found[_MARK]) if _MARK in found else 0
    mask = u32(found[_MASK]) if _MASK in found else 0
    return (mark, mask) if mark or mask else None


def encode_dump_rules(family: int) -> bytes:
    """RTM_GETRULE of a family (4 or 6)."""
    return message(RTM_GETRULE, NLM_F_REQUEST | NLM_F_DUMP, HEAD.pack(AF_INET if family == 4 else AF_INET6, *[0] * 8),
                    [])


def read_rules(netlink: Netlink, families: Iterable[int]) -> list[Rule]:
    """All rules of these families, in the kernel's order. Blocks."""
    rules = [decode_rule(part.data) for family in families for part in netlink.request(encode_dump_rules(family))]
    return [rule for rule in rules if rule is not None]
