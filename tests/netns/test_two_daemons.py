"""Two daemons on one host, told apart by `instance`: neither touches what is the other's."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts import HAKEEPD, ROOT, wait_until
from scene import VIP, Scene
from test_daemon import TOOL, within
from test_kill_vmac import difference, links, picture

pytestmark = pytest.mark.netns

PATIENCE = 10.0
VIPS = {"blue": VIP, "green": "192.0.2.101"}
VRIDS = {"blue": 51, "green": 52}
INTERVAL = 0.2


def config(name: str, vmac: bool = True) -> str:
    """A daemon that calls itself `name`, with one router of its own."""
    return f"""
instance {name}
vrrp_instance {name} {{
    version 3
    interface eth0
    {"use_vmac" if vmac else ""}
    virtual_router_id {VRIDS[name]}
    priority 150
    advert_int {INTERVAL}
    virtual_ipaddress {{
        {VIPS[name]}
    }}
}}
"""


class Two:
    """The daemons blue and green on host a. Green is started where blue lives, so they share its /run."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.host = scene.network["a"]
        self.before = picture(self.host)
        self.configs = {name: scene.network.files / f"{name}.conf" for name in VIPS}
        for name, path in self.configs.items():
            path.write_text(config(name))
        self.blue = scene.network.add("a", "vrrp", "hakeepd")
        self.blue.words = (*HAKEEPD, "-n", "-l", "-D", "-f", str(self.configs["blue"]))
        self.blue.start()
        self.green = self.start_green()
        wait_until(lambda: all(map(self.host.holds, VIPS.values())), PATIENCE, "both are MASTER")

    def start_green(self) -> subprocess.Popen[bytes]:
        """Green, in blue's namespaces."""
        enter = ("nsenter", f"--target={self.blue.pid}", "--mount", "--root", "--net", "--uts", "--")
        words = (*enter, *HAKEEPD, "-n", "-l", "-D")
        with self.blue.log_path.open("ab") as log:
            return subprocess.Popen((*words, "-f", str(self.configs["green"])), stdout=log, stderr=log,
                                    stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)})

    def run_files(self) -> dict[str, str]:
        """The pid files and sockets in the /run of both."""
        root = Path(f"/proc/{self.blue.pid}/root/run/hakeep")
        return {path.name: path.read_text().strip() if path.is_file() else "" for path in root.iterdir()}

    def tables(self) -> set[str]:
        """The names of the nftables tables."""
        return {line.split()[-1] for line in self.host.run("nft", "list", "tables").splitlines()}

    def status(self, name: str) -> dict[str, object]:
        """What `hakeep status` says of that daemon, asked by its name."""
        done = within(self.blue, *TOOL, "status", "--json", "--instance", name)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def end_green(self, number: int) -> None:
        """A signal ends green with all that it forked."""
        self.green.send_signal(number)
        self.green.wait(PATIENCE)


@pytest.fixture
def two(scene: Scene) -> Iterator[Two]:
    """Both daemons, each MASTER of its own router."""
    made = Two(scene)
    yield made
    if made.green.poll() is None:
        made.end_green(signal.SIGTERM)


def undisturbed(two: Two, since: float) -> None:
    """Blue has missed no beat since then, kept its address, and its link is there."""
    wait_until(lambda: len(two.scene.sniffer.adverts("a", since, vrid=51)) > 5, PATIENCE, "blue goes on")
    times = [advert.at for advert in two.scene.sniffer.adverts("a", since, vrid=51)]
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) < 2 * INTERVAL
    assert not two.scene.sniffer.adverts("a", since, vrid=51, priority=0)
    assert not [1 for at, _, held in two.scene.watch.changes if at > since and not held]
    assert "vrrp.51" in links(two.host)
    assert two.status("blue")["routers"][0]["state"] == "MASTER"


def test_each_has_its_own(two: Two) -> None:
    assert links(two.host).keys() == {"vrrp.51", "vrrp.52"}
    assert len(two.tables()) >= 2
    pids = {content for name, content in two.run_files().items() if name.endswith(".pid")}
    assert {str(two.blue.pid), str(two.green.pid)} <= pids
    assert len(pids) == 4, "two supervisors, two workers"
    for name in VIPS:
        assert [router["name"] for router in two.status(name)["routers"]] == [name]


def test_one_stops_and_the_other_goes_on(two: Two) -> None:
    since = time.time()
    tables = two.tables()
    two.end_green(signal.SIGTERM)
    undisturbed(two, since)
    assert not two.host.holds(VIPS["green"])
    assert links(two.host).keys() == {"vrrp.51"}
    assert two.tables() < tables
    files = two.run_files()
    assert not [name for name in files if "green" in name and name.endswith((".pid", ".sock"))]
    two.blue.signal(signal.SIGTERM)
    wait_until(lambda: not two.blue.alive(), PATIENCE)
    assert difference(two.before, picture(two.host)) == {}


def test_one_dies_and_comes_back_without_its_vmac(two: Two) -> None:
    """It clears away what it had left behind, and only that."""
    since = time.time()
    two.configs["green"].write_text(config("green", vmac=False))
    for pid in sorted(_family(two.green.pid), reverse=True):
        os.kill(pid, signal.SIGSTOP)
    for pid in _family(two.green.pid):
        os.kill(pid, signal.SIGKILL)
    two.green.wait()
    assert "vrrp.52" in links(two.host)
    two.green = two.start_green()
    wait_until(lambda: links(two.host).keys() == {"vrrp.51"}, PATIENCE, "green cleared away what was its own")
    wait_until(lambda: two.host.holds(VIPS["green"]), PATIENCE, "green serves again")
    undisturbed(two, since)
    two.end_green(signal.SIGTERM)
    undisturbed(two, since)


def _family(pid: int) -> list[int]:
    """A process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def test_a_second_one_of_the_same_name_is_refused(two: Two) -> None:
    enter = ("nsenter", f"--target={two.blue.pid}", "--mount", "--root", "--net", "--")
    again = subprocess.run((*enter, *HAKEEPD, "-n", "-l", "-f",
                            str(two.configs["green"])), capture_output=True, text=True, timeout=30,
                           env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert again.returncode == 1
    assert f"pid {two.green.pid}" in again.stderr
    assert two.host.holds(VIPS["green"])
