"""Routes and rules of a whole daemon: they move with the master, stay as long as they should, and come back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from hosts import ROOT, Daemon, Host, wait_until
from scene import V3, VIP, Scene

pytestmark = pytest.mark.netns

STATIC = """
static_ipaddress { 198.51.100.1/24 dev eth0 }
static_routes { 203.0.113.0/24 via 198.51.100.254 dev eth0 }
static_rules { from 198.51.100.0/24 table 100 preference 1000 }
"""
MOVING = f"""
    virtual_routes {{
        203.0.114.0/24 via 192.0.2.254 dev eth0 src {VIP}
        default via 192.0.2.254 dev eth0 table 101
    }}
    virtual_rules {{ from {VIP} table 101 preference 1001 }}
"""
STAYS = {"203.0.113.0/24", "1000:"}
MOVES = {"203.0.114.0/24", "default", "1001:"}


def config(host: str, priority: int, more: str = MOVING, static: str = STATIC) -> str:
    return static + V3.config(host, priority, more)


def ours(host: Host) -> set[str]:
    """What of keepalived's protocol is there: destinations of routes, preferences of rules."""
    lines = host.ip("route show table all").splitlines() + host.ip("rule show").splitlines()
    return {line.split()[0] for line in lines if "keepalived" in line}


def wait_for(host: Host, wanted: set[str], seconds: float = 15) -> None:
    try:
        wait_until(lambda: ours(host) == wanted, seconds, f"{host.name} has {wanted}")
    except AssertionError as late:
        raise AssertionError(f"{late}, it has {ours(host)}") from late


def run(scene: Scene, host: str, priority: int) -> Daemon:
    return scene.run(host, config(host, priority))


def status(daemon: Daemon, *words: str) -> str:
    """What `hakeep status` says where the daemon lives."""
    enter = ("nsenter", f"--target={daemon.pid}", "--mount", "--root", "--net", "--")
    done = subprocess.run(
        (*enter, sys.executable, "-m", "hakeep.cli.hakeep", "status", *words), capture_output=True, text=True,
        timeout=30, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_refused_route_is_in_status_until_the_kernel_takes_it(scene: Scene) -> None:
    a = scene.network["a"]
    more = "virtual_routes { 203.0.114.0/24 via 10.77.0.254 dev eth0 }"
    daemon = scene.run("a", config("a", 200, more))
    wait_until(lambda: "203.0.114.0/24" in status(daemon), 15, "status has a line for the route")
    (line,) = [line for line in status(daemon).splitlines() if "203.0.114.0/24" in line]
    assert line.startswith("! ") and ": not set (" in line
    document = json.loads(status(daemon, "--json"))
    assert [thing["present"] for thing in document["static"]] == [True, True, True]
    assert document["routers"][0]["routes"][0]["why"]
    a.ip("addr add 10.77.0.1/24 dev eth0")
    wait_for(a, STAYS | {"203.0.114.0/24"}, 20)
    wait_until(lambda: "203.0.114.0/24" not in status(daemon), 5, "status has no line any more")
    assert "203.0.114.0/24" in status(daemon, "-v")


def test_they_move_with_the_master_and_what_is_static_stays(scene: Scene) -> None:
    a, b = scene.network["a"], scene.network["b"]
    first = run(scene, "a", 200)
    wait_for(a, STAYS | MOVES)
    second = run(scene, "b", 100)
    wait_for(b, STAYS)
    first.stop()
    wait_for(b, STAYS | MOVES)
    wait_for(a, set())
    assert "198.51.100.1" not in a.ip("addr show") and "198.51.100.1" in b.ip("addr show")
    second.stop()
    wait_for(b, set())


def test_networkd_deletes_and_they_come_back(scene: Scene) -> None:
    """What systemd-networkd does when it (re)starts: it removes routes and rules that it does not know, one by one."""
    a = scene.network["a"]
    run(scene, "a", 200)
    wait_for(a, STAYS | MOVES)
    for _ in range(2):
        a.ip("route flush table all proto keepalived")
        a.ip("rule del preference 1001")
        a.ip("rule del preference 1000")
        began = time.monotonic()
        wait_for(a, STAYS | MOVES, 5)
        assert time.monotonic() - began < 2
    assert scene.holders() == {"a"}, "it stays MASTER"


def test_killed_and_started_again_it_leaves_nothing_behind(scene: Scene) -> None:
    a, b = scene.network["a"], scene.network["b"]
    first = run(scene, "a", 200)
    wait_for(a, STAYS | MOVES)
    first.kill()
    run(scene, "b", 210)
    wait_for(b, STAYS | MOVES)
    scene.start(first)
    wait_for(a, STAYS)


def test_a_reload_takes_and_brings(scene: Scene) -> None:
    a = scene.network["a"]
    daemon = run(scene, "a", 200)
    wait_for(a, STAYS | MOVES)
    text = config("a", 200, MOVING.replace("203.0.114", "203.0.115"), static="")
    (scene.network.files / "a-vrrp.conf").write_text(text)
    daemon.signal(signal.SIGHUP)
    wait_for(a, (MOVES - {"203.0.114.0/24"}) | {"203.0.115.0/24"})
    assert "198.51.100.1" not in a.ip("addr show")
    assert scene.holders() == {"a"}
