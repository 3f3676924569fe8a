"""The kernel's memory of connections, in a namespace of its own."""

from __future__ import annotations

import socket
import subprocess
from contextlib import closing
from ipaddress import ip_address
from typing import Any

import pytest

from hakeep.kernel.conntrack import Conntrack

UDP, TCP = 17, 6


@pytest.mark.netns
@pytest.mark.parametrize(("address", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
def test_connections_are_found_and_forgotten(lab: Any, address: str, family: int) -> None:
    space = lab.namespace()
    here = ip_address(address)

    def body() -> None:
        # Without a rule that asks for it nobody tracks connections.
        subprocess.run(["nft", "add table inet t; add chain inet t c { type filter hook output priority 0; };"
                        "add rule inet t c ct state new counter"], check=True)
        senders = [socket.socket(family, socket.SOCK_DGRAM) for _ in range(3)]
        for number, sender in enumerate(senders):
            sender.bind((address, 0))
            sender.sendto(b"x", (address, 5300 + number // 2))
        with closing(Conntrack()) as conntrack:
            found = conntrack.connections(UDP, [(here, 5300)])
            assert len(found) == 2
            assert {each.destination for each in found} == {each.answering for each in found} == {(here, 5300)}
            assert conntrack.connections(TCP, [(here, 5300)]) == conntrack.connections(UDP, [(here, 5302)]) == []
            assert len(conntrack.connections(UDP, [(here, 5300), (here, 5301), (here, 5302)])) == 3
            assert conntrack.forget_others(UDP, {(here, 5300): {(here, 5300)}}) == 0
            assert conntrack.forget_others(UDP, {(here, 5300): {(here, 5300)}, (here, 5301): {(here, 5301)}}) == 0
            assert conntrack.forget_others(UDP, {(here, 5300): {(here, 9)}}) == 2
            assert conntrack.connections(UDP, [(here, 5300)]) == []
            assert len(conntrack.connections(UDP, [(here, 5301)])) == 1
            assert conntrack.forget_others(UDP, {(here, 5300): ()}) == 0
        for sender in senders:
            sender.close()

    space.run(body)


@pytest.mark.netns
def test_many_connections_are_all_found(lab: Any) -> None:
    space = lab.namespace()
    here = ip_address("127.0.0.1")

    def body() -> None:
        subprocess.run(["nft", "add table inet t; add chain inet t c { type filter hook output priority 0; };"
                        "add rule inet t c ct state new counter"], check=True)
        for _ in range(400):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"x", ("127.0.0.1", 5300))
        with closing(Conntrack()) as conntrack:
            count = len(conntrack.connections(UDP, [(here, 5300)]))
            assert count > 300  # some ports came twice
            assert conntrack.forget_others(UDP, {(here, 5300): ()}) == count
            assert conntrack.connections(UDP, [(here, 5300)]) == []

    space.run(body)
