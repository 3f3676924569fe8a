"""Observers: what was on the wire, who held an address, who answered for it, and what a client got.

None of them asks the daemons anything. Frames are read in the switch (see hosts.py) and stamped by the kernel as they
come in at a host's port, so `host` is who sent them, whatever they claim. All times are seconds of the wall clock, as
`time.time()` has them. Each observer works in a thread or process of its own while its block lasts.
"""

from __future__ import annotations

import bisect
import ctypes
import itertools
import os
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from frames import Advert, Announcement, Frame, checksum, read
from hosts import Host, Network

SO_ATTACH_FILTER, SO_TIMESTAMPNS = 26, 35  # asm-generic/socket.h
ETH_P_ALL, PACKET_OUTGOING = 3, 4  # linux/if_ether.h, linux/if_packet.h
RTM_NEWADDR, RTM_DELADDR, IFA_ADDRESS, IFA_LOCAL = 20, 21, 1, 2  # linux/rtnetlink.h, linux/if_addr.h
RTMGRP_ADDRESSES = 0x10 | 0x100  # IPv4, IPv6

#: Classic BPF (code, jump if true, jump if false, k): the kernel passes ARP, VRRP (112), AH (51) and neighbour
#: advertisements (ICMPv6 136) and drops the clients' traffic unseen.
_OF_INTEREST = (
    (0x28, 0, 0, 12),  # Ethernet type
    (0x15, 10, 0, 0x0806),  # ARP: pass
    (0x15, 0, 3, 0x0800),  # IPv4:
    (0x30, 0, 0, 23),  # its protocol
    (0x15, 7, 0, 112),
    (0x15, 6, 7, 51),
    (0x15, 0, 6, 0x86DD),  # IPv6:
    (0x30, 0, 0, 20),  # its next header
    (0x15, 3, 0, 112),
    (0x15, 0, 3, 58),
    (0x30, 0, 0, 54),  # ICMPv6 type
    (0x15, 0, 1, 136),
    (0x06, 0, 0, 2048),
    (0x06, 0, 0, 0),
)


class Interval(NamedTuple):
    """A stretch of time."""

    start: float
    end: float

    def __and__(self, other: Interval) -> float:
        """How many seconds two stretches have in common."""
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))


class _Reading:
    """A thread that hands each socket that has something to `take`, while the block lasts."""

    def __init__(self, sockets: Iterable[socket.socket], take: Callable[[socket.socket], None]) -> None:
        self._sockets = list(sockets)
        self._take = take
        self._end, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            ready, _, _ = select.select([self._end, *(each.fileno() for each in self._sockets)], [], [])
            if self._end in ready:
                return
            for each in self._sockets:
                if each.fileno() in ready:
                    self._take(each)

    def close(self) -> None:
        os.close(self._wake)
        self._thread.join()
        os.close(self._end)
        for each in self._sockets:
            each.close()


def packet_socket(host: Host, interface: str, program: Sequence[tuple[int, int, int, int]] = ()) -> socket.socket:
    """A raw socket on an interface of a host ("" = all), with kernel stamps and a BPF program."""
    with host.inside():
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0 if interface else socket.htons(ETH_P_ALL))
    if program:
        code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
        made.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                        struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
    made.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    if interface:
        made.bind((interface, ETH_P_ALL))
    return made


def stamped(sock: socket.socket) -> tuple[bytes, float, str, int]:
    """A frame, when the kernel got it, on which interface, and its direction (PACKET_OUTGOING and so on)."""
    frame, ancillary, _, (interface, _, direction, *_) = sock.recvmsg(2048, 64)
    seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
    return frame, seconds + nanoseconds / 1e9, interface, direction


class Sniffer:
    """Every advert and announcement on all segments of a network, in `frames`, in order."""

    def __init__(self, network: Network) -> None:
        self.frames: list[Frame] = []
        self._reading = _Reading([packet_socket(network.switch, "", _OF_INTEREST)], self._take)

    def __enter__(self) -> Sniffer:
        return self

    def __exit__(self, *_: object) -> None:
        self._reading.close()

    def _take(self, sock: socket.socket) -> None:
        data, at, interface, direction = stamped(sock)
        host, dot, _ = interface.partition(".")
        if dot and direction != PACKET_OUTGOING and (seen := read(at, host, data)):
            self.frames.append(seen)

    def adverts(self, host: str | None = None, since: float = 0, **fields: object) -> list[Advert]:
        """Adverts, of one host, from a time on, and with these values in their fields."""
        return [f for f in self.frames if isinstance(f, Advert) and f.at >= since and host in (None, f.host)
                and all(getattr(f, key) == value for key, value in fields.items())]

    def announcements(self, host: str | None = None, since: float = 0,
                      address: str | None = None) -> list[Announcement]:
        """Gratuitous ARPs and unsolicited neighbour advertisements, filtered alike."""
        return [f for f in self.frames if isinstance(f, Announcement) and f.at >= since and host in (None, f.host)
                and address in (None, f.address)]


class AddressWatch:
    """Who holds one address, by the word of each host's kernel: `changes` of (at, host, held)."""

    def __init__(self, hosts: Iterable[Host], address: str) -> None:
        self._address = ip_address(address).packed
        self._names = {self._subscribe(host): host.name for host in hosts}
        self.changes: list[tuple[float, str, bool]] = []
        self._reading = _Reading(self._names, self._take)

    def __enter__(self) -> AddressWatch:
        return self

    def __exit__(self, *_: object) -> None:
        self._reading.close()

    @staticmethod
    def _subscribe(host: Host) -> socket.socket:
        with host.inside():
            made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        made.bind((0, RTMGRP_ADDRESSES))
        return made

    def _take(self, sock: socket.socket) -> None:
        data, at = sock.recv(65536), time.time()
        while len(data) >= 16:
            length, kind = struct.unpack_from("IH", data)
            if kind in (RTM_NEWADDR, RTM_DELADDR) and self._address in _addresses(data[24:length]):
                self.changes.append((at, self._names[sock], kind == RTM_NEWADDR))
            data = data[length:]

    def held(self, host: str, until: float | None = None) -> list[Interval]:
        """The stretches in which `host` held it, up to now or `until`."""
        stretches, start = [], None
        for at, name, present in list(self.changes):
            if name == host and present and start is None:
                start = at
            elif name == host and not present and start is not None:
                stretches.append(Interval(start, at))
                start = None
        if start is not None:
            stretches.append(Interval(start, until or time.time()))
        return stretches

    def overlap(self, one: str, other: str, window: Interval) -> float:
        """For how many seconds of `window` both held it."""
        return sum(a & Interval(max(b.start, window.start), min(b.end, window.end))
                   for a in self.held(one, window.end) for b in self.held(other, window.end))


def _addresses(attributes: bytes) -> set[bytes]:
    found = set()
    while len(attributes) >= 4:
        length, kind = struct.unpack_from("HH", attributes)
        if kind in (IFA_ADDRESS, IFA_LOCAL):
            found.add(attributes[4:length])
        attributes = attributes[max(4, (length + 3) & ~3):]
    return found


class Prober:
    """Asks for an IPv4 address over and over, and keeps who answers in `replies` of (at, host).

    Each round is one ARP request to all, and one ICMP echo request to each holder's own MAC: so a host that still
    answers a neighbour with an old ARP entry is found as well. Where they share one, `mac` is asked. `rounds` are the
    times of the rounds, and `echoes` has the numbers of those whose echo a host answered.
    """

    def __init__(self, observer: Host, address: str, macs: dict[str, str], source: str, interval: float = 0.002,
                 interface: str = "eth0", mac: str = "") -> None:
        self.replies: list[tuple[float, str]] = []
        self.rounds: list[float] = []
        self.echoes: dict[str, set[int]] = {host: set() for host in macs}
        self._macs = {bytes.fromhex(mac.replace(":", "")): host for host, mac in macs.items()}
        self._asked = [bytes.fromhex(mac.replace(":", ""))] if mac else list(self._macs)
        self._interval = interval
        self._ours = bytes.fromhex(observer.macs()[interface].replace(":", ""))
        self._target, self._source = socket.inet_aton(address), socket.inet_aton(source)
        self._socket = packet_socket(observer, interface)
        self._reading = _Reading([self._socket], self._take)
        self._stopping = threading.Event()
        self._asking = threading.Thread(target=self._ask, daemon=True)
        self._asking.start()

    def __enter__(self) -> Prober:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._asking.join()
        self._reading.close()

    def _ask(self) -> None:
        arp = (b"\xff" * 6 + self._ours + bytes.fromhex("0806 0001 0800 06 04 0001") + self._ours + self._source
               + bytes(6) + self._target)
        ip = bytes.fromhex("4500 001c 0000 0000 40 01 0000") + self._source + self._target
        ip = ip[:10] + checksum(ip).to_bytes(2) + ip[12:]
        heads = [mac + self._ours + b"\x08\x00" + ip for mac in self._asked]
        while not self._stopping.wait(self._interval):
            echo = struct.pack("!HHI", 0x0800, 0, len(self.rounds))  # identifier and sequence number: one number
            echo = echo[:2] + checksum(echo).to_bytes(2) + echo[4:]
            self.rounds.append(time.time())
            self._socket.send(arp)
            for head in heads:
                self._socket.send(head + echo)

    def _take(self, sock: socket.socket) -> None:
        frame, at, _, direction = stamped(sock)
        is_answer = (frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\2" and frame[28:32] == self._target) or (
            frame[12:14] == b"\x08\0" and frame[23] == 1 and frame[34] == 0 and frame[26:30] == self._target)
        if direction != PACKET_OUTGOING and is_answer and (host := self._macs.get(frame[6:12])):
            self.replies.append((at, host))
            if frame[12:14] == b"\x08\0":
                self.echoes[host].add(int.from_bytes(frame[38:42]))

    def answered(self, host: str, since: float = 0, until: float = float("inf")) -> list[float]:
        """When that host answered, between two times."""
        return [at for at, who in list(self.replies) if who == host and since <= at <= until]

    def spells(self, host: str, since: float = 0, until: float = float("inf")) -> list[Interval]:
        """The stretches in which that host answered. Silence of less than 50 ms is taken for a slow prober."""
        found: list[Interval] = []
        for at in self.answered(host, since, until):
            if found and at - found[-1].end < 0.05:
                found[-1] = Interval(found[-1].start, at)
            else:
                found.append(Interval(at, at))
        return found

    def lost(self, since: float, until: float, moves: Sequence[tuple[float, str]] | None = None) -> list[Interval]:
        """The stretches in which a client's requests between two times stayed without an answer.

        A client asks the host that was announced last: `moves` are the times and hosts of the announcements. In the
        round of a move it may ask either. Without `moves` it is the switch that knows whom to ask.
        """
        found: list[Interval] = []
        rounds = self.rounds[:]
        for number, (at, following) in enumerate(itertools.pairwise(rounds)):
            if at < since or following > until:
                continue
            asked = set(self.echoes)
            if moves is not None:
                asked = {host for moment, host in moves if at <= moment <= following}
                asked |= {host for _, host in [move for move in moves if move[0] < at][-1:]}
            if any(number in self.echoes[host] for host in asked):
                continue
            if found and found[-1].end == at:
                found[-1] = Interval(found[-1].start, following)
            else:
                found.append(Interval(at, following))
        return found

    def overlap(self, one: str, other: str, since: float, until: float = float("inf")) -> float:
        """For how many seconds both answered."""
        return sum(a & b for a in self.spells(one, since, until) for b in self.spells(other, since, until))


class Request(NamedTuple):
    """One try of the client; `answer` is "" when there was none in time, `reached`: there was a connection."""

    start: float
    end: float
    answer: str
    reached: bool


class Client:
    """A client that asks http://ADDRESS/ without pause, in a process of its own. With `patience` (seconds) it goes on
    waiting for an answer that is late, while it asks again."""

    def __init__(self, host: Host, address: str, record: Path, timeout: float = 0.1, patience: float = 0) -> None:
        self._requests: list[Request] = []
        with record.open("wb") as out:
            self._process = subprocess.Popen(
                ["nsenter", f"--net={host.path}", "--", sys.executable, str(Path(__file__).with_name("client.py")),
                 address, str(timeout), str(patience)], stdout=out, start_new_session=True)
        self._record = record.open()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._record.close()

    def requests(self, since: float = 0, until: float = float("inf")) -> list[Request]:
        """All requests that ended between two times."""
        while (line := self._record.readline()).endswith("\n"):
            start, end, reached, answer = line[:-1].split(" ")
            self._requests.append(Request(float(start), float(end), answer, reached == "1"))
        self._record.seek(self._record.tell() - len(line))  # half a line: it is read again when it is whole
        first = bisect.bisect_left(self._requests, since, key=lambda request: request.end)
        last = bisect.bisect_right(self._requests, until, key=lambda request: request.end)
        return self._requests[first:last]

    def longest_gap(self, since: float, until: float) -> float:
        """The longest time, in seconds, from the end of one answered request to the end of the next one."""
        ends = [since, *(r.end for r in self.requests(since, until) if r.answer)]
        return max((later - earlier for earlier, later in zip(ends, [*ends[1:], until], strict=True)), default=0.0)
