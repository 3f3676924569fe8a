"""hakeepd beside the real systemd: units that it tracks, and a network service that deletes what it does not know."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import groundwork
import pytest
import systemd
from hosts import Host, wait_until
from scene import V3, VIP, Scene
from test_routes import MOVES, MOVING, STATIC, STAYS, ours
from watching import PATIENCE, PRIORITY, PULSE, Watching

pytestmark = pytest.mark.netns

WELL = PRIORITY + PULSE

# ---------------------------------------------------------------------------------------------------------- track_unit

SERVICE = """[Unit]
Description=something that can be on, off or broken
[Service]
ExecStart=/bin/sh -c 'test ! -e {files}/broken && exec sleep 1000'
"""


OURS = """[Unit]
Description=hakeep
[Service]
Type=notify
Environment="PYTHONPATH={root}" STATE_DIRECTORY=/run/state
ExecStart={words}
ExecReload=/bin/kill -HUP $MAINPID
StandardOutput=append:{log}
StandardError=inherit
"""


def test_a_unit_that_is_started_stopped_restarted_and_breaks(scene: Scene) -> None:
    """hakeepd, itself a service of Type=notify, has the priority follow another one."""
    track = "track_unit web interval 0.2 weight 20\n track_unit none interval 0.2 weight 5"
    router = Watching(scene, "", track)
    files, log = router.files, router.daemon.log_path
    ours = OURS.format(root=groundwork.ROOT, words=shlex.join(router.daemon.words), log=log)
    with systemd.booted(scene.network["a"], files, hakeep=ours, web=SERVICE.format(files=files)) as machine:
        machine.run("systemctl", "start", "hakeep")  # which waits for READY=1
        assert "Startup complete" in router.log()
        router.has_priority(WELL)
        router.began = time.time()
        for _ in range(2):
            machine.run("systemctl", "start", "web")
            router.has_priority(WELL + 20, 5)
            machine.run("systemctl", "stop", "web")
            router.has_priority(WELL, 5)
        assert router.lines("unit none.service failed (not")
        machine.run("systemctl", "start", "web")
        router.has_priority(WELL + 20, 5)
        machine.run("systemctl", "restart", "web")
        (files / "broken").touch()
        machine.run("systemctl", "kill", "--signal=KILL", "web")
        router.has_priority(WELL, 5)
        assert machine.run("systemctl", "is-active", "web", check=False) == "failed\n"
        machine.run("systemctl", "restart", "web", check=False)
        assert router.lines("unit web.service failed (not active")
        (files / "broken").unlink()
        machine.run("systemctl", "restart", "web")
        machine.run("systemctl", "reload", "hakeep")
        router.says("Reload complete")
        router.has_priority(WELL + 20, 5)
        router.the_rest_works(WELL + 20)
        router.is_unshaken()
        machine.run("systemctl", "stop", "hakeep")
        assert not scene.network["a"].holds(VIP)
        assert machine.run("systemctl", "is-active", "hakeep", check=False) == "inactive\n"


# ------------------------------------------------------------------------------------------------------------ networkd

NETWORK = """[Match]
Name=eth0
[Network]
Address=192.0.2.11/24
IPv6AcceptRA=no
LinkLocalAddressing=no
"""

DROP_INS = Path(groundwork.ROOT) / "conf/coexistence/systemd-networkd"


@contextlib.contextmanager
def deletions(scene: Scene) -> Iterator[list[str]]:
    """What is deleted on host a meanwhile. The list is filled at the end."""
    found: list[str] = []
    words = ("ip", "-n", scene.network["a"].namespace, "monitor", "address", "route", "rule")
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as monitor:
        try:
            yield found
        finally:
            time.sleep(0.3)  # what is underway
            monitor.terminate()
            assert monitor.stdout is not None
            found += [line for line in monitor.stdout if line.startswith("Deleted") and "fe80" not in line]


def is_complete(host: Host) -> bool:
    return ours(host) == STAYS | MOVES and host.holds(VIP) and host.holds("198.51.100.1")


def reconfigured(scene: Scene, *, drop_ins: bool) -> list[str]:
    """What systemd-networkd deletes when it is told to make an interface anew on which host a is MASTER with all that
    it can have. Soon everything is there again."""
    host = scene.network["a"]
    host.ip("addr del 192.0.2.11/24 dev eth0")  # it is for networkd to add
    files = {"network/10-eth0.network": NETWORK}
    if drop_ins:
        files["networkd.conf.d/50-hakeep.conf"] = (DROP_INS / "50-hakeep.conf").read_text()
        files["network/10-eth0.network.d/50-hakeep.conf"] = (DROP_INS / "50-hakeep.network.conf").read_text()
    with systemd.networkd(host, scene.network.files, **files) as service:
        def made() -> bool:
            return "configured" in service.run("networkctl", "list", "eth0", check=False).split()

        wait_until(made, PATIENCE, "networkd has made the interface")
        daemon = scene.run("a", STATIC + V3.config("a", 200, MOVING))
        wait_until(lambda: is_complete(host), PATIENCE, "all is there")
        with deletions(scene) as deleted:
            service.run("networkctl", "reconfigure", "eth0")
            began = time.monotonic()
            wait_until(lambda: service.log().count("Configuring with") > 1 and made(), PATIENCE, "it has done so")
            wait_until(lambda: is_complete(host), PATIENCE, "all is there again")
            assert time.monotonic() - began < 5
    assert daemon.log().count("Entering MASTER STATE") in ((1,) if drop_ins else (1, 2)), "no address, no MASTER"
    return deleted


#: Words of what hakeepd has added.
ADDED = (VIP, "198.51.100.1", "203.0.113.0", "203.0.114.0", "default via", "lookup 101", "lookup 100")


def test_what_networkd_deletes_comes_back(scene: Scene) -> None:
    """Each address, route and rule of ours."""
    deleted = "".join(reconfigured(scene, drop_ins=False))
    assert [what for what in ADDED if what not in deleted] == []


def test_with_the_drop_ins_it_deletes_nothing_of_ours(scene: Scene) -> None:
    """Only its own address for a moment. KeepConfiguration=static would not do: our addresses have a lease."""
    deleted = reconfigured(scene, drop_ins=True)
    assert [line for line in deleted if any(what in line for what in ADDED)] == []
    assert "putting it back" not in "".join(each.log() for each in scene.network.of("a"))
