"""The routing lane with a kernel of its own: what is wanted is there, whoever takes it away."""

from __future__ import annotations

import ctypes
import json
import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from hakeep.config.files import load, this_host
from hakeep.config.settled import Settings
from hakeep.guard import charges, describe, release_routing
from hakeep.vrrp import messages as m
from hakeep.vrrp.process.routes import RoutingLane
from tests.kernel.conftest import Lab, Namespace, lab  # noqa: F401

pytestmark = pytest.mark.netns

CONFIG = """
static_ipaddress { 10.2.0.1/24 dev eth0 }
static_routes { 198.51.100.0/24 via 10.2.0.254 dev eth0 }
static_rules { from 10.2.0.0/24 table 100 preference 1000 }
vrrp_instance VI {
    interface eth0
    virtual_router_id 51
    virtual_ipaddress { 10.1.0.100/24 }
    virtual_routes {
        default via 10.1.0.254 dev eth0 src 10.1.0.100 table 101
        203.0.113.0/24 via 10.1.0.254 dev eth0
        2001:db8:9::/64 via 2001:db8:1::fe dev eth0
        blackhole 203.0.114.0/24
        203.0.115.0/24 via 10.1.0.254 dev eth0 no_track
        203.0.116.0/24 dev eth0 src 10.1.0.100
    }
    virtual_rules { from 10.1.0.100 table 101 preference 1001 }
}
"""
STATIC = {"198.51.100.0/24", "1000:"}
MOVING = {"default", "203.0.113.0/24", "2001:db8:9::/64", "203.0.114.0/24", "203.0.115.0/24", "203.0.116.0/24",
          "1001:"}


@dataclass
class Router:
    """Stands for a `VirtualRouter`."""

    settings: Any
    name: str = "VI"
    state: m.State = m.State.BACKUP
    holding: Any = field(default_factory=lambda: SimpleNamespace(unsettled=set(), held={}, leaving=False))


class Scene:
    """A lane in a namespace, and the loop that turns it."""

    def __init__(self, namespace: Namespace, text: str = CONFIG) -> None:
        self.namespace = namespace
        self.lines: list[str] = []
        self.told: list[m.Tracked] = []
        self.readers: dict[int, Callable[[], None]] = {}
        self.engine = SimpleNamespace(settings=self.read(text), routers={})
        self.routers()
        self.lane = RoutingLane(
            self.engine, lambda level, text, detail=False: self.lines.append(text),  # type: ignore[arg-type]
            lambda fd, reader: self.readers.update({fd: reader}))

    def read(self, text: str) -> Settings:
        path = f"/tmp/hk-routes-{os.getpid()}.conf"
        with open(path, "w") as file:  # noqa: PTH123
            file.write(text)
        try:
            loaded = load(path, host=this_host())
        finally:
            os.unlink(path)  # noqa: PTH108
        assert loaded.settings is not None
        return loaded.settings

    def routers(self) -> None:
        states = {name: router.state for name, router in self.engine.routers.items()}
        self.engine.routers = {
            instance.name: Router(instance, instance.name, states.get(instance.name, m.State.BACKUP))
            for instance in self.engine.settings.vrrp}

    def reload(self, text: str) -> None:
        self.engine.settings = self.read(text)
        self.routers()
        self.lane.settings_changed()

    def become(self, state: m.State, name: str = "VI", **holding: Any) -> None:
        self.engine.routers[name].state = state
        for key, value in holding.items():
            setattr(self.engine.routers[name].holding, key, value)
        self.lane.holders_changed()

    def turn(self) -> None:
        poll = select.poll()
        for fd in self.readers:
            poll.register(fd, select.POLLIN)
        for fd, _ in poll.poll(0):
            self.readers[fd]()
        self.told += self.lane.work()

    async def until(self, check: Callable[[], object], timeout: float = 20.0) -> None:
        deadline = time.monotonic() + timeout
        while not check():
            assert time.monotonic() < deadline, f"it did not happen: {self.there()}, {self.lines}"
            self.turn()
            await trio.sleep(0.002)

    async def rest(self, seconds: float = 0.1) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.turn()
            await trio.sleep(0.002)

    def there(self) -> set[str]:
        """The destinations of keepalived's routes and the preferences of its rules."""
        found = set()
        for family in "46":
            lines = self.namespace.ip(f"-{family} route show table all").splitlines()
            lines += self.namespace.ip(f"-{family} rule show").splitlines()
            for line in lines:
                words = line.removeprefix("blackhole ").split()
                if "keepalived" in line:
                    found.add(words[0])
        return found

    def has(self, *names: str) -> bool:
        return self.there() >= set(names)


@pytest.fixture
def inside(lab: Lab) -> Iterator[Namespace]:  # noqa: F811
    """This thread, in a namespace with a link."""
    namespace, _ = lab.pair("10.1.0.1/24 2001:db8:1::1/64")
    libc = ctypes.CDLL(None, use_errno=True)
    home, there = os.open("/proc/self/ns/net", os.O_RDONLY), os.open(f"/run/netns/{namespace.name}", os.O_RDONLY)
    assert libc.setns(there, 0x40000000) == 0
    yield namespace
    assert libc.setns(home, 0x40000000) == 0
    os.close(home)
    os.close(there)


def play(scene: Scene, story: Callable[[], Any]) -> None:
    """Run a story while the lane's own task runs."""

    async def main() -> None:
        scene.lane.begin()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scene.lane.run)
            await story()
            nursery.cancel_scope.cancel()
        scene.lane.release()

    trio.run(main)
    assert scene.there() == set()


def test_what_moves_comes_with_the_addresses_and_goes_with_the_last_of_them(inside: Namespace) -> None:
    scene = Scene(inside)

    async def story() -> None:
        await scene.until(lambda: scene.there() == STATIC)
        assert "10.2.0.1/24" in inside.ip("addr show dev eth0")
        scene.become(m.State.MASTER, unsettled={"vip"}, held={"vip": 1})
        await scene.rest()
        assert scene.there() == STATIC, "the address is not there yet"
        inside.ip("addr add 10.1.0.100/24 dev eth0")
        scene.become(m.State.MASTER, unsettled=set())
        await scene.until(lambda: scene.there() == STATIC | MOVING)
        scene.become(m.State.MASTER, unsettled={"vip"})
        await scene.rest()
        assert scene.there() == STATIC | MOVING, "an address that is put back takes nothing with it"
        scene.become(m.State.BACKUP, leaving=True, unsettled=set())
        await scene.rest()
        assert scene.there() == STATIC | MOVING, "packets still come to us"
        scene.become(m.State.BACKUP, leaving=False, held={})
        scene.turn()
        assert scene.there() == STATIC, "in the same turn: before the address goes"

    play(scene, story)
    assert scene.lines == []
    assert "10.2.0.1/24" not in inside.ip("addr show dev eth0")


async def master(scene: Scene) -> None:
    scene.namespace.ip("addr replace 10.1.0.100/24 dev eth0")
    scene.become(m.State.MASTER)
    await scene.until(lambda: scene.there() == STATIC | MOVING)


def test_what_others_delete_is_put_back(inside: Namespace) -> None:
    scene = Scene(inside)
    wanted = (STATIC | MOVING) - {"203.0.115.0/24"}

    async def story() -> None:
        await master(scene)
        for command in (
            "route del 203.0.113.0/24", "route del default table 101", "rule del preference 1001",
            "route del 198.51.100.0/24", "rule del preference 1000", "-6 route del 2001:db8:9::/64",
            "route del blackhole 203.0.114.0/24", "route flush table main proto keepalived",
            "route replace 203.0.113.0/24 dev eth0", "addr del 10.2.0.1/24 dev eth0",
        ):
            scene.lines.clear()
            inside.ip(command)
            await scene.until(lambda: scene.has(*wanted) and "10.2.0.1/24" in inside.ip("addr show dev eth0"))
            assert "putting it back" in scene.lines[0], command
        assert "203.0.115.0/24" not in scene.there(), "it is not tracked"
        assert "203.0.113.0/24 dev eth0 scope link" in inside.ip("route show"), "theirs stays"
        scene.become(m.State.BACKUP)
        await scene.until(lambda: scene.there() == STATIC)
        await master(scene)  # now it comes back

    play(scene, story)
    assert "203.0.113.0/24 dev eth0 scope link" in inside.ip("route show")


def test_who_keeps_deleting_gets_less_and_less(inside: Namespace) -> None:
    scene = Scene(inside)

    async def story() -> None:
        await master(scene)
        for _ in range(6):
            await scene.until(lambda: scene.has("203.0.113.0/24"))
            inside.ip("route del 203.0.113.0/24")
        await scene.until(lambda: any("contested" in line for line in scene.lines))
        began = time.monotonic()
        await scene.until(lambda: scene.has("203.0.113.0/24"))
        assert 0.5 < time.monotonic() - began < 2

    play(scene, story)


def test_what_the_kernel_drops_with_a_link_comes_back_with_it(inside: Namespace) -> None:
    scene = Scene(inside)

    async def story() -> None:
        await master(scene)
        inside.ip("link set eth0 down")
        await scene.until(lambda: not scene.has("203.0.113.0/24"))
        await scene.rest()
        inside.ip("link set eth0 up")
        inside.ip("addr replace 2001:db8:1::1/64 dev eth0 nodad")
        await scene.until(lambda: scene.has(*STATIC, *MOVING))
        inside.ip("addr del 10.1.0.100/24 dev eth0")
        await scene.until(lambda: not scene.has("203.0.116.0/24"))
        inside.ip("addr add 10.1.0.100/24 dev eth0")
        await scene.until(lambda: scene.has("203.0.116.0/24"))

    play(scene, story)


def test_leftovers_are_adopted_or_removed_and_others_left_alone(inside: Namespace) -> None:
    inside.ip("addr add 10.1.0.100/24 dev eth0")
    inside.ip("addr add 10.2.0.1/24 dev eth0")
    for route in ("198.51.100.0/24 via 10.2.0.254", "203.0.113.0/24 via 10.1.0.254", "203.0.114.0/24 via 10.1.0.77"):
        inside.ip(f"route add {route} dev eth0 proto keepalived")
    inside.ip("route add 192.0.2.0/24 dev eth0 proto keepalived metric 7")  # of another keepalived
    inside.ip("rule add from 10.1.0.100 table 101 preference 1001 protocol keepalived")
    theirs = inside.ip("route show 198.51.100.0/24")
    scene = Scene(inside)
    ours = scene.there() - {"192.0.2.0/24"}
    assert ours == {"198.51.100.0/24", "203.0.113.0/24", "203.0.114.0/24", "1001:"}

    async def story() -> None:
        await scene.until(lambda: scene.there() == STATIC | {"192.0.2.0/24"})
        assert inside.ip("route show 198.51.100.0/24") == theirs
        scene.lane.release()
        assert scene.there() == {"192.0.2.0/24"}
        inside.ip("route del 192.0.2.0/24 metric 7")

    play(scene, story)


def test_a_route_of_others_is_used_and_stays(inside: Namespace) -> None:
    inside.ip("route add 203.0.113.0/24 via 10.1.0.254 dev eth0 proto static")
    inside.ip("-6 route add 2001:db8:9::/64 via 2001:db8:1::fe dev eth0 proto static")
    inside.ip("rule add from 10.1.0.100 table 101 preference 1001 protocol static")
    scene = Scene(inside)
    used = {"203.0.113.0/24", "2001:db8:9::/64", "1001:"}

    async def story() -> None:
        inside.ip("addr add 10.1.0.100/24 dev eth0")
        scene.become(m.State.MASTER)
        await scene.until(lambda: scene.there() == (STATIC | MOVING) - used)
        assert sum("is there already and not from us" in line for line in scene.lines) == 3
        inside.ip("route del 203.0.113.0/24")
        inside.ip("-6 route del 2001:db8:9::/64")
        inside.ip("rule del preference 1001")
        await scene.until(lambda: scene.there() == STATIC | MOVING)
        inside.ip("route add 203.0.113.0/24 via 10.1.0.9 dev eth0 metric 50 proto static")

    play(scene, story)
    assert "metric 50" in inside.ip("route show 203.0.113.0/24")


def test_a_reload_changes_what_changed_and_nothing_else(inside: Namespace) -> None:
    scene = Scene(inside)

    async def story() -> None:
        await master(scene)
        monitor = subprocess.Popen(
            ["ip", "-n", inside.name, "monitor", "route", "rule"], stdout=subprocess.PIPE, text=True)
        try:
            await trio.sleep(0.3)
            scene.reload(CONFIG)
            await scene.rest(0.3)
            text = CONFIG.replace("203.0.113.0/24 via 10.1.0.254", "203.0.113.0/24 via 10.1.0.253")
            scene.reload(text.replace("198.51.100.0/24", "198.51.101.0/24"))
            await scene.until(lambda: "10.1.0.253" in inside.ip("route show 203.0.113.0/24"))
            await scene.until(lambda: scene.has("198.51.101.0/24") and not scene.has("198.51.100.0/24"))
        finally:
            monitor.terminate()
            seen = [line.strip() for line in monitor.communicate()[0].splitlines()]
        assert sorted(seen) == [
            "198.51.101.0/24 via 10.2.0.254 dev eth0 proto keepalived",
            "203.0.113.0/24 via 10.1.0.253 dev eth0 proto keepalived",
            "Deleted 198.51.100.0/24 via 10.2.0.254 dev eth0 proto keepalived",
        ]

    play(scene, story)


def test_a_track_group_is_told_what_cannot_be_had(inside: Namespace) -> None:
    group = "track_group G {\n group { VI }\n}\n"
    scene = Scene(inside, group + CONFIG.replace("10.2.0.254 dev eth0", "10.77.0.1 dev eth0 track_group G"))

    async def story() -> None:
        await scene.until(lambda: scene.told)
        (tracked,) = scene.told
        assert (tracked.kind, tracked.name, tracked.well) == ("group", "G", False)
        assert "198.51.100.0/24" in tracked.why
        inside.ip("addr add 10.77.0.9/24 dev eth0")
        await scene.until(lambda: scene.told[-1].well)

    play(scene, story)
    assert sum("refuses" in line for line in scene.lines) == 1


def test_a_dead_worker_leaves_nothing_when_the_guard_has_been_there(inside: Namespace) -> None:
    scene = Scene(inside)

    async def story() -> None:
        await master(scene)
        inside.ip("route add 192.0.2.0/24 dev eth0 proto keepalived")
        assert release_routing(charges(json.loads(json.dumps(describe(scene.engine.settings))))) == len(MOVING)
        assert scene.there() == STATIC | {"192.0.2.0/24"}
        inside.ip("route del 192.0.2.0/24")

    play(scene, story)
