"""The daemon asks for the carrier of a link, and goes by the answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hosts import HAKEEPD, Network, wait_until
from scene import PLAN, V3, VIP

pytestmark = pytest.mark.netns

PATIENCE = 15.0


@pytest.fixture
def network() -> Iterator[Network]:
    with Network(PLAN, HAKEEPD) as network:
        yield network


@pytest.mark.parametrize("method", ["", "ETHTOOL", "MII"])
def test_a_link_that_is_asked_for_its_carrier(network: Network, method: str) -> None:
    config = f"linkbeat_interfaces {{\n    eth0 {method}\n}}\n{V3.config('a', 150)}"
    daemon = network.add("a", "vrrp", "hakeepd", config).start()
    host = network["a"]
    wait_until(lambda: host.holds(VIP), PATIENCE, f"it is MASTER\n{daemon.log()}")
    network.switch.ip("link set a.eth0 down")
    wait_until(lambda: not host.holds(VIP), PATIENCE, f"it is in FAULT\n{daemon.log()}")
    network.switch.ip("link set a.eth0 up")
    wait_until(lambda: host.holds(VIP), PATIENCE, f"it is MASTER again\n{daemon.log()}")
    if method == "MII":
        assert daemon.log().count("eth0 cannot be asked for its carrier by MII: what the kernel says counts") == 1
    else:
        assert "eth0: its driver says that it has a carrier" in daemon.log()
        assert "cannot be asked" not in daemon.log()
