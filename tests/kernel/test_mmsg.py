from __future__ import annotations

import array
import errno
import os
import socket
import struct
from collections.abc import Iterator

import pytest

from hakeep.kernel.mmsg import BURST, Reader, ancillary

ROOM, CONTROL_ROOM = 64, 64


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        end.setblocking(False)
    yield ends
    for end in ends:
        end.close()


@pytest.fixture
def reader() -> Reader:
    return Reader(ROOM, CONTROL_ROOM)


def drain(reader: Reader, sock: socket.socket) -> list[bytes]:
    found: list[bytes] = []
    while burst := reader.read(sock.fileno()):
        found += burst.data
    return found


def udp() -> tuple[socket.socket, socket.socket]:
    """A sender and a receiver, whose queue holds more than a burst (that of Unix sockets need not)."""
    receiver = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    receiver.bind(("::1", 0))
    receiver.setblocking(False)
    sender = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sender.connect(receiver.getsockname())
    return sender, receiver


def test_nothing_to_read(reader: Reader, pair: tuple[socket.socket, socket.socket]) -> None:
    assert reader.read(pair[1].fileno()) is None


def test_one_datagram(reader: Reader, pair: tuple[socket.socket, socket.socket]) -> None:
    pair[0].send(b"one")
    burst = reader.read(pair[1].fileno())
    assert burst is not None
    assert (burst.data, burst.controls, burst.names) == ([b"one"], [b""], [])
    assert reader.read(pair[1].fileno()) is None


def test_more_than_a_burst_stays_for_the_next_call_and_in_order(reader: Reader) -> None:
    sender, receiver = udp()
    with sender, receiver:
        sent = [bytes([n]) * (n % ROOM) for n in range(2 * BURST + 3)]
        for data in sent:
            sender.send(data)
        lengths = []
        found: list[bytes] = []
        while burst := reader.read(receiver.fileno()):
            lengths.append(len(burst.data))
            found += burst.data
        assert lengths == [BURST, BURST, 3]
        assert found == sent


def test_what_is_too_long_is_cut_off_and_leaves_its_neighbours_alone(
    reader: Reader, pair: tuple[socket.socket, socket.socket]
) -> None:
    sent = [b"a" * ROOM, b"b" * (ROOM + 1), b"c" * 5000, b"d"]
    for data in sent:
        pair[0].send(data)
    assert drain(reader, pair[1]) == [data[:ROOM] for data in sent]


def test_a_short_datagram_shows_nothing_of_a_longer_one_before_it(
    reader: Reader, pair: tuple[socket.socket, socket.socket]
) -> None:
    for data in (b"long" * 10, b"x", b""):
        pair[0].send(data)
        burst = reader.read(pair[1].fileno())
        assert burst is not None and burst.data == [data]


def test_ancillary_data_come_with_their_own_datagram_only(
    reader: Reader, pair: tuple[socket.socket, socket.socket]
) -> None:
    null = os.open("/dev/null", os.O_RDONLY)
    try:
        for _ in range(2):  # and the room for them is whole again the second time
            pair[0].send(b"before")
            pair[0].sendmsg([b"with"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null]))])
            pair[0].send(b"after")
            burst = reader.read(pair[1].fileno())
            assert burst is not None
            assert burst.data == [b"before", b"with", b"after"]
            assert (burst.controls[0], burst.controls[2]) == (b"", b"")
            ((level, kind, content),) = ancillary(burst.controls[1])
            assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            os.close(*struct.unpack("@i", content))
    finally:
        os.close(null)


def test_the_sender_is_named_where_that_is_asked_for() -> None:
    sender, receiver = udp()
    reader = Reader(ROOM, CONTROL_ROOM, 28)
    with sender, receiver:
        for _ in range(2):
            sender.send(b"x")
            sender.send(b"y")
            burst = reader.read(receiver.fileno())
            assert burst is not None
            assert [name[8:24] for name in burst.names] == [socket.inet_pton(socket.AF_INET6, "::1")] * 2


def test_one_reader_serves_many_sockets(reader: Reader, pair: tuple[socket.socket, socket.socket]) -> None:
    sender, receiver = udp()
    with sender, receiver:
        pair[0].send(b"left")
        sender.send(b"right")
        assert drain(reader, pair[1]) == [b"left"]
        assert drain(reader, receiver) == [b"right"]


def test_an_error_says_what_it_is(reader: Reader) -> None:
    with pytest.raises(OSError) as raised:
        reader.read(-1)
    assert raised.value.errno == errno.EBADF
    sender, receiver = udp()
    with receiver:
        sender.close()
        receiver.connect(("::1", 9))
        receiver.send(b"x")  # nobody listens there
        with pytest.raises(ConnectionRefusedError):
            reader.read(receiver.fileno())
        assert reader.read(receiver.fileno()) is None


def cmsg(level: int, kind: int, content: bytes) -> bytes:
    data = struct.pack("@Nii", socket.CMSG_LEN(len(content)), level, kind) + content
    return data.ljust(socket.CMSG_SPACE(len(content)), b"\0")


def test_ancillary_messages_are_told_apart() -> None:
    messages = [(1, 35, bytes(16)), (41, 50, b"\1" * 20), (41, 52, b"\2" * 4), (0, 8, b"")]
    assert list(ancillary(b"".join(cmsg(*message) for message in messages))) == messages


@pytest.mark.parametrize("length", [0, 1, 15])
def test_ancillary_data_that_make_no_sense_end_there(length: int) -> None:
    broken = struct.pack("@Nii", length, 1, 35) + bytes(16)
    assert list(ancillary(cmsg(0, 8, b"fine") + broken)) == [(0, 8, b"fine")]
    assert list(ancillary(bytes(length))) == []
