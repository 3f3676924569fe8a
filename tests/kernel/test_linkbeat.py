"""Asking a driver for its carrier: a veth, which knows ethtool and no MII, and a register as a PHY has it."""

from __future__ import annotations

import errno
import os
import struct
from typing import Any

import pytest

from hakeep.kernel import linkbeat
from hakeep.kernel.linkbeat import Linkbeat


@pytest.mark.netns
def test_a_veth_whose_peer_goes_down(lab: Any) -> None:
    a, b = lab.pair()
    beat = lab.keep(a.run(Linkbeat))
    ask = lambda: [beat.carrier("eth0", method) for method in ("MII", "ETHTOOL", "IOCTL", "")]  # noqa: E731
    assert ask() == [None, True, True, True]
    b.ip("link set eth0 down")
    lab.eventually(lambda: beat.carrier("eth0", "IOCTL") is False)
    assert ask() == [None, False, False, False]
    a.ip("link set eth0 name eth9")
    assert ask() == [None] * 4
    assert beat.carrier("eth9") is False


class Phy:
    """Plays the driver of a card with MII. Its link was lost for a moment: the register says so once."""

    def __init__(self, *said: int) -> None:
        self.said = list(said)

    def __call__(self, sock: object, request: int, data: bytearray) -> None:
        assert bytes(data[:16]) == b"eth0".ljust(16, b"\0")
        if request == linkbeat.SIOCGMIIPHY:
            struct.pack_into("H", data, 16, 7)
        elif request == linkbeat.SIOCGMIIREG:
            assert struct.unpack_from("HH", data, 16) == (7, 1)
            struct.pack_into("H", data, 22, self.said.pop(0))
        else:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


@pytest.mark.parametrize(("said", "carrier"), [((0x7809, 0x780D), True), ((0x780D, 0x7809), False)])
@pytest.mark.parametrize("method", ["MII", ""])
def test_the_status_register(
    said: tuple[int, int], carrier: bool, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat = Linkbeat()
    monkeypatch.setattr(linkbeat.fcntl, "ioctl", Phy(*said))
    assert beat.carrier("eth0", method) is carrier
    assert beat.carrier("eth0", "ETHTOOL") is None
    beat.close()
