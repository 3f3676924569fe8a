"""A reload in the middle of everything: weights, members of groups, sessions and metrics change, and no address moves.

Two hosts with two links each. The first one is MASTER of all three virtual routers and stays it through all that can be
rewritten without another master being right; then what is rewritten does make the other one right.
"""

from __future__ import annotations

import contextlib
import itertools
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import topology
from hosts import PATH, Daemon, Network, wait_until
from observe import AddressWatch, Sniffer
from twins import PRIORITIES, hosts

pytestmark = pytest.mark.netns

PATIENCE, INTERVAL = 20.0, 0.2
SEGMENTS = {"lan": "192.0.2", "wan": "198.51.100"}
PLAN = topology.parse("pair", {"segments": list(SEGMENTS), "hosts": hosts({"a": 11, "b": 12}, SEGMENTS)}, Path())
OTHERS = {"a": 12, "b": 11}

#: VRID and address of each router.
ROUTERS = {51: "192.0.2.100", 52: "198.51.100.100", 53: "198.51.100.101"}

CONFIG = """
global_defs {{
    enable_script_security
    script_user root
}}
vrrp_script chk {{
    script "/usr/bin/test ! -e {files}/failed-{host}"
    interval 0.2
}}
bfd_instance peer {{
    neighbor_ip 192.0.2.{other}
    min_rx {pace}
    min_tx {pace}
    multiplier 10
}}
{groups}
vrrp_instance V1 {{
    version 3
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int 0.2
    track_bfd {{
        peer weight -5
    }}
    virtual_ipaddress {{
        192.0.2.100/24
    }}
    virtual_routes {{
        203.0.113.0/24 via 192.0.2.200 dev eth0 metric {metric} no_track
    }}
}}
"""
OTHER = """
vrrp_instance V{n} {{
    version 3
    interface eth1
    virtual_router_id 5{n}
    priority {priority}
    advert_int 0.2
    virtual_ipaddress {{
        {address}/24
    }}
}}
"""


def group(name: str, members: str, weight: int | None = None) -> str:
    track = f"track_script {{\nchk weight {weight}\n}}\n" if weight is not None else ""
    return f"vrrp_sync_group {name} {{\nsync_group_tracking_weight\ngroup {{\n{members}\n}}\n{track}}}\n"


class Both:
    """The two hosts, and what is seen of them."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.daemons: dict[str, Daemon] = {
            host: network.add(host, "vrrp", "hakeepd", self.config(host, group("G", "V1 V2", -20))) for host in "ab"}
        for daemon in self.daemons.values():
            daemon.start()
        wait_until(lambda: self.holder() == "a", PATIENCE, "a has all addresses")

    def config(self, host: str, groups: str, pace: int = 100, metric: int = 10) -> str:
        priority = PRIORITIES[host]
        first = CONFIG.format(files=self.network.files, host=host, other=OTHERS[host], priority=priority, groups=groups,
                              pace=pace, metric=metric)
        return first + "".join(OTHER.format(n=n, priority=priority, address=ROUTERS[50 + n]) for n in (2, 3))

    def reload(self, groups: str, pace: int = 100, metric: int = 10) -> None:
        """First one, then the other."""
        for host, daemon in self.daemons.items():
            before = daemon.log().count("Reload complete")
            (self.network.files / f"{host}-vrrp.conf").write_text(self.config(host, groups, pace, metric))
            daemon.signal(signal.SIGHUP)
            wait_until(lambda: daemon.log().count("Reload complete") > before, PATIENCE, "the reload")  # noqa: B023

    def holder(self) -> str:
        """Who alone has all addresses; "" when nobody has all, or the one before still has some for a moment."""
        found = {host: [vip for vip in ROUTERS.values() if self.network[host].holds(vip)] for host in "ab"}
        holding = [host for host, vips in found.items() if vips]
        return holding[0] if len(holding) == 1 and len(found[holding[0]]) == len(ROUTERS) else ""


@pytest.fixture
def both() -> Iterator[Both]:
    with Network(PLAN) as network:
        made = Both(network)
        yield made
        for daemon in made.daemons.values():  # shown when the test fails
            print(f"--- {daemon.host.name}", *daemon.log().splitlines()[-40:], sep="\n")


def test_no_address_moves_that_need_not(both: Both) -> None:
    with contextlib.ExitStack() as stack:
        sniffer = stack.enter_context(Sniffer(both.network))
        watches = [stack.enter_context(AddressWatch([both.network["a"], both.network["b"]], vip))
                   for vip in ROUTERS.values()]
        routes = stack.enter_context(contextlib.closing(Routes(both.network)))
        wait_until(lambda: len({advert.vrid for advert in sniffer.adverts("a")}) == 3, PATIENCE, "adverts of all")
        began = time.time()
        both.reload(group("G", "V1 V2", -30))
        both.reload(group("G", "V1 V2", -30), pace=60)
        both.reload(group("G", "V1 V2", -30), metric=20)
        both.reload(group("G", "V1 V2 V3", -30), metric=20)
        both.reload(group("G", "V1", 0) + group("H", "V2 V3"), metric=20)
        both.reload("", metric=20)
        both.reload(group("H", "V1 V3", 7), metric=20)
        end = time.time()
        wait_until(lambda: sniffer.adverts("a", end + INTERVAL), PATIENCE, "it goes on")
        assert not any(not held or host == "b" for watch in watches for _, host, held in watch.changes)
        assert not sniffer.adverts("b", began)
        for vrid in ROUTERS:
            adverts = sniffer.adverts("a", began, vrid=vrid)
            assert all(advert.priority in (150, 157) for advert in adverts)
            assert max(later.at - one.at for one, later in itertools.pairwise(adverts)) < 1.5 * INTERVAL
        assert routes.changes() == ["+20", "-10"], "the new one comes before the old one goes"


def test_a_weight_that_is_rewritten_while_the_script_fails(both: Both) -> None:
    """The address goes to who is better by the new weight, each time."""
    (both.network.files / "failed-a").touch()
    time.sleep(1)  # a is better still
    assert both.holder() == "a"
    for weight, holder in ((-60, "b"), (-20, "a"), (0, "b"), (-20, "a")):
        both.reload(group("G", "V1 V2 V3", weight))
        wait_until(lambda: both.holder() == holder, PATIENCE, f"{holder} has it with weight {weight}")  # noqa: B023
    for daemon in both.daemons.values():
        assert "Traceback" not in daemon.log()


class Routes:
    """What happens to the route of a host: "+10" it comes with metric 10, "-10" that one goes."""

    def __init__(self, network: Network) -> None:
        self._path = network.files / "routes"
        with self._path.open("w") as out:
            self._process = subprocess.Popen(["ip", "-n", network["a"].namespace, "monitor", "route"], stdout=out,
                                             env={"PATH": PATH})

    def changes(self) -> list[str]:
        lines = [line for line in self._path.read_text().splitlines() if "203.0.113.0/24" in line]
        return [f"{'-' if line.startswith('Deleted') else '+'}{line.partition('metric ')[2].split()[0]}"
                for line in lines]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
