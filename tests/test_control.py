"""A connection of the control socket: bounded, and never waiting."""

from __future__ import annotations

import os
import socket

from hakeep import control
from hakeep.control import Connection


def test_a_slow_reader_gets_all_in_order() -> None:
    ours, theirs = socket.socketpair()
    connection = Connection(ours)
    pieces = [os.urandom(70_000), b"", *(os.urandom(11_111) for _ in range(100))]
    for piece in pieces:
        connection.send(piece)
    assert connection.out, "more than the kernel takes at once"
    got = b""
    while len(got) < sum(map(len, pieces)):
        got += theirs.recv(50_000)
        connection.flush()
    assert got == b"".join(pieces) and not connection.out and not connection.dead


def test_who_does_not_read_is_dropped() -> None:
    ours, theirs = socket.socketpair()
    connection = Connection(ours)
    for _ in range(3):
        for _ in range(16):
            connection.send(bytes(1 << 20))
        while connection.out:  # who reads may have any amount
            theirs.recv(1 << 20)
            connection.flush()
    assert not connection.dead
    while not connection.dead:
        connection.send(bytes(1 << 20))
    assert sum(map(len, connection.out)) < control._UNREAD_MAX + (2 << 20)
    theirs.close()
