"""Classic BPF programs for our sockets: what user space need not see, it does not see.

A packet dropped by the kernel costs 0.03 microseconds, one that is received and looked at costs four. A program is a
list of instructions (code, jump if true, jump if false, operand; struct sock_filter of <linux/filter.h>), jumps count
from the next instruction. It returns how many bytes of the packet to keep: all, or none.

What a raw socket's filter sees starts at the IP header for IPv4 and behind it for IPv6.
"""

from __future__ import annotations

import ctypes
import socket
import sys
from collections.abc import Collection
from struct import Struct
from typing import NamedTuple

SO_ATTACH_FILTER = 26
SO_DETACH_FILTER = 27

# Instruction codes: class, size, mode, operation. A is the accumulator, X the index register, M a scratch cell.
_LD_BYTE = 0x30  # A <- byte at k
_LD_HALF = 0x28  # A <- two bytes at k
_LD_WORD = 0x20  # A <- four bytes at k
_LD_BYTE_X = 0x50  # A <- byte at X + k
_LD_CONST = 0x00  # A <- k
_LD_MEM = 0x60  # A <- M[k]
_LDX_CONST = 0x01  # X <- k
_LDX_IHL = 0xB1  # X <- 4 * (byte at k & 15): the length of an IPv4 header
_ST = 0x02  # M[k] <- A
_ADD = 0x04
_AND = 0x54
_RSH = 0x74
_RSH_X = 0x7C
_TAX = 0x07  # X <- A
_TXA = 0x87  # A <- X
_JUMP = 0x05
_JEQ = 0x15  # A = k?
_JSET = 0x45  # A & k?
_RET = 0x06

_KEEP_ALL = 0x40000
_NETWORK_HEADER = 0xFFF00000  # SKF_NET_OFF: offsets from here count from the IP header
_ANCILLARY = 0xFFFFF000  # SKF_AD_OFF
_PACKET_TYPE = _ANCILLARY + 4
_VLAN_TAG_PRESENT = _ANCILLARY + 48
_PACKET_OUTGOING = 4

_AH = 51
_VRRP = 112
_AH_LENGTH = 24
_AH_LENGTH_FIELD = _AH_LENGTH // 4 - 2
_ETH_P_ARP = 0x0806
_ETH_P_IPV6 = 0x86DD
_ICMPV6 = 58
_NEIGHBOUR_ADVERTISEMENT = 136

_INSTRUCTION = Struct("=HBBI")
_PROGRAM = Struct("@HP")


class Instruction(NamedTuple):
    """struct sock_filter."""

    code: int
    k: int
    if_true: int = 0
    if_false: int = 0


Program = tuple[Instruction, ...]

_DROP = Instruction(_RET, 0)
_KEEP = Instruction(_RET, _KEEP_ALL)

DROP_ALL: Program = (_DROP,)


def _demand(comparison: int, k: int) -> Program:
    """Drop the packet unless A compares so with k."""
    return (Instruction(comparison, k, 1, 0), _DROP)


def _refuse(comparison: int, k: int) -> Program:
    """Drop the packet if A compares so with k."""
    return (Instruction(comparison, k, 0, 1), _DROP)


def _accept(comparison: int, k: int) -> Program:
    """Keep the packet if A compares so with k."""
    return (Instruction(comparison, k, 0, 1), _KEEP)


def vrids(wanted: Collection[int], family: int, protocol: int = _VRRP) -> Program:
    """Keep adverts of these virtual router ids (1 to 255) only.

    `family` is AF_INET or AF_INET6, `protocol` 112, or 51 for VRRP inside AH as keepalived sends it (IPv4 only).
    """
    return (*_to_vrrp_header(family, protocol), *_one_of(wanted))


def flood(wanted: Collection[int], family: int, protocol: int = _VRRP, versions: Collection[int] = (2, 3)) -> Program:
    """As `vrids`, and keep only what came with TTL or hop limit 255 and is an advert (type 1) of one of `versions`.

    For use while somebody floods us: what this drops could at best have been counted.
    """
    hop_limit = 8 if family == socket.AF_INET else _NETWORK_HEADER + 7
    first_bytes = sorted(version << 4 | 1 for version in versions)
    one_of_versions = [
        Instruction(_JEQ, byte, len(first_bytes) - at, 0) for at, byte in enumerate(first_bytes)
    ]
    return (
        Instruction(_LD_BYTE, hop_limit),
        *_demand(_JEQ, 255),
        *_to_vrrp_header(family, protocol),
        Instruction(_LD_BYTE_X, 0),
        *one_of_versions,
        _DROP,
        *_one_of(wanted),
    )


def _to_vrrp_header(family: int, protocol: int) -> Program:
    """X <- offset of the VRRP header."""
    if family == socket.AF_INET6:
        return (Instruction(_LDX_CONST, 0),)
    if protocol == _VRRP:
        return (Instruction(_LDX_IHL, 0),)
    return (
        Instruction(_LDX_IHL, 0),
        Instruction(_LD_BYTE_X, 0),
        *_demand(_JEQ, _VRRP),
        Instruction(_LD_BYTE_X, 1),
        *_demand(_JEQ, _AH_LENGTH_FIELD),
        Instruction(_TXA, 0),
        Instruction(_ADD, _AH_LENGTH),
        Instruction(_TAX, 0),
    )


def _one_of(wanted: Collection[int]) -> Program:
    """Keep the packet if the byte at X + 1 is in `wanted`: a bit map of 8 words, whatever their number.

    The upper three bits of the id choose a word (words without a bit are left out), the lower five choose the bit.
    """
    words: dict[int, int] = {}
    for vrid in wanted:
        if not 1 <= vrid <= 255:
            raise ValueError(f"not a virtual router id: {vrid}")
        words[vrid >> 5] = words.get(vrid >> 5, 0) | 1 << (vrid & 31)
    program = [
        Instruction(_LD_BYTE_X, 1),
        Instruction(_ST, 0),
        Instruction(_AND, 31),
        Instruction(_TAX, 0),
        Instruction(_LD_MEM, 0),
        Instruction(_RSH, 5),
    ]
    for at, (number, word) in enumerate(sorted(words.items())):
        behind_the_words = 3 * (len(words) - at - 1) + 1
        program += [
            Instruction(_JEQ, number, 0, 2),
            Instruction(_LD_CONST, word),
            Instruction(_JUMP, behind_the_words),
        ]
    return (*program, _DROP, Instruction(_RSH_X, 0), *_demand(_JSET, 1), _KEEP)


def announcements() -> Program:
    """For a packet socket: keep ARP and neighbour advertisements that came in untagged, nothing else.

    A frame of a VLAN shows up on the physical interface too, without its tag: it is another network's.
    """
    return (
        Instruction(_LD_BYTE, _PACKET_TYPE),
        *_refuse(_JEQ, _PACKET_OUTGOING),
        Instruction(_LD_BYTE, _VLAN_TAG_PRESENT),
        *_demand(_JEQ, 0),
        Instruction(_LD_HALF, 12),
        *_accept(_JEQ, _ETH_P_ARP),
        *_demand(_JEQ, _ETH_P_IPV6),
        Instruction(_LD_BYTE, 14 + 6),
        *_demand(_JEQ, _ICMPV6),
        Instruction(_LD_BYTE, 14 + 40),
        *_demand(_JEQ, _NEIGHBOUR_ADVERTISEMENT),
        _KEEP,
    )


def all_but(message_type: int, port: int) -> Program:
    """For a netlink socket: drop messages of this type that were caused by this port (struct nlmsghdr)."""
    return (
        Instruction(_LD_HALF, 4),
        Instruction(_JEQ, _as_loaded(message_type, 2), 1, 0),
        _KEEP,
        Instruction(_LD_WORD, 12),
        Instruction(_JEQ, _as_loaded(port, 4), 1, 0),
        _KEEP,
        _DROP,
    )


def routes(
    new: int, gone: int, never: int, replaces: int, protocols: Collection[int], *, every_removal: bool
) -> Program:
    """For a netlink socket: of messages of the types `new` and `gone` keep those that have the flag `replaces` or one
    of these protocols (of struct rtmsg), and with `every_removal` all that are `gone`; those of the type `never` drop.
    All others stay."""
    return (
        Instruction(_LD_HALF, 4),
        *_refuse(_JEQ, _as_loaded(never, 2)),
        Instruction(_JEQ, _as_loaded(new, 2), 2, 0),
        Instruction(_JEQ, _as_loaded(gone, 2), 0 if every_removal else 4, 0),
        _KEEP,
        Instruction(_LD_HALF, 6),
        *_accept(_JSET, _as_loaded(replaces, 2)),
        Instruction(_LD_BYTE, 16 + 5),
        *(instruction for protocol in protocols for instruction in _accept(_JEQ, protocol)),
        _DROP,
    )


def _as_loaded(value: int, size: int) -> int:
    """A filter reads in network order what netlink writes in the host's."""
    return int.from_bytes(value.to_bytes(size, sys.byteorder), "big")


def attach(sock: socket.socket, program: Program) -> None:
    """Put a filter on a socket; one that it has is replaced in one step, no packet sees neither."""
    code = ctypes.create_string_buffer(b"".join(_INSTRUCTION.pack(i.code, i.if_true, i.if_false, i.k) for i in program))
    sock.setsockopt(
        socket.SOL_SOCKET, SO_ATTACH_FILTER, _PROGRAM.pack(len(program), ctypes.addressof(code))
    )


def detach(sock: socket.socket) -> None:
    """Take the filter off."""
    sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
