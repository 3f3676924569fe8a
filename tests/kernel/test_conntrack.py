"""The kernel's memory of connections, in a namespace of its own."""

from __future__ import annotations

import socket
import struct
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


@pytest.mark.netns
@pytest.mark.parametrize(("address", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
@pytest.mark.parametrize("others", [0, 20], ids=["one question", "too many questions"])
def test_of_tcp_only_what_has_nothing_to_lose_is_forgotten(
    lab: Any, address: str, family: int, others: int
) -> None:
    space = lab.namespace()
    here = ip_address(address)
    elsewhere = {((here, port), (here, port)) for port in range(6000, 6000 + others)}

    def body() -> None:
        subprocess.run(["nft", "add table inet t; add chain inet t c { type filter hook output priority 0; };"
                        "add rule inet t c ct state new counter;"
                        "add chain inet t i { type filter hook input priority 0; };"
                        "add rule inet t i tcp dport 5402 drop"], check=True)
        listening = socket.create_server((address, 5400), family=family)
        established = socket.create_connection((address, 5400))
        accepted, _ = listening.accept()
        half_closed = socket.create_connection((address, 5400))
        half_closed.shutdown(socket.SHUT_WR)
        resetting = socket.create_server((address, 5401), family=family)
        with socket.create_connection((address, 5401)):
            torn, _ = resetting.accept()
            torn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            torn.close()
        unanswered = socket.socket(family)
        unanswered.setblocking(False)
        assert unanswered.connect_ex((address, 5402)) != 0
        with closing(Conntrack()) as conntrack:
            def there() -> list[int]:
                places = [(here, port) for port in (5400, 5401, 5402)]
                return sorted(each.destination[1] for each in conntrack.connections(TCP, places))

            assert there() == [5400, 5400, 5401, 5402]
            pairs = {((here, port), (here, port)) for port in (5400, 5401, 5402)}
            assert conntrack.forget_idle({(place, (here, 9)) for place, _ in pairs} | elsewhere) == 0, "other servers"
            assert conntrack.forget_idle(elsewhere) == 0
            assert conntrack.forget_idle(pairs | elsewhere) == 2
            assert there() == [5400, 5400]
            assert conntrack.forget_idle(pairs | elsewhere) == 0
        for each in (established, accepted, half_closed, unanswered, listening, resetting):
            each.close()

    space.run(body)
