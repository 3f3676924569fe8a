"""A reload on a running pair of processes: what the supervisor takes from it, and the way back from one that kills."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hosts import Daemon, wait_until
from scene import V3, VIP, Scene

pytestmark = pytest.mark.netns

PATIENCE = 10.0
BACK = "going back to the one before"

#: hakeepd with a worker that does not survive a configuration with priority 66. {moment} says when it dies.
FRAGILE = """
import sys, time
from hakeep.cli import hakeepd
from hakeep.vrrp import process
from hakeep.vrrp.process.orders import Orders
from hakeep.vrrp.process.upward import Upward

class Killed(Exception): pass

def fatal(settings):
    return any(instance.priority == 66 for instance in settings.vrrp)

def before():
    whole = Orders._reload
    def breaking(orders, settings):
        if fatal(settings):
            raise Killed("before")
        whole(orders, settings)
    Orders._reload = breaking

def halfway():
    whole = Upward.hand_up_sockets
    def breaking(upward):
        if fatal(upward._engine.settings):
            raise Killed("halfway")
        whole(upward)
    Upward.hand_up_sockets = breaking

def soon_after():
    turn = process.VrrpProcess._turn
    since = []
    def breaking(worker, *more):
        if fatal(worker.settings):
            since.append(time.monotonic())
            if time.monotonic() - since[0] > 0.4:
                raise Killed("soon after")
        turn(worker, *more)
    process.VrrpProcess._turn = breaking

{moment}
sys.exit(hakeepd.main())
"""

MOMENTS = {"before": "before()", "halfway": "halfway()", "after": "soon_after()"}


@pytest.fixture
def told(make_scene: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Where the service manager listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        ear.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield ear


def words(ear: socket.socket) -> list[str]:
    """What the service manager was told, the first word of each message."""
    found = []
    while True:
        try:
            found.append(ear.recv(4096).decode().partition("=")[0])
        except BlockingIOError:
            return found


def start(scene: Scene, config: str, program: str = "") -> Daemon:
    """A daemon on host a that is MASTER; with `program` as hakeepd."""
    daemon = scene.network.add("a", "vrrp", "hakeepd", config)
    if program:
        path = scene.network.files / "hakeepd.py"
        path.write_text(program)
        daemon.words = (sys.executable, str(path), *daemon.words[len(scene.network.hakeepd) :])
    scene.start(daemon)
    scene.wait_for_holder("a", PATIENCE)
    wait_until(lambda: "Startup complete" in daemon.log(), PATIENCE)
    return daemon


def rewrite(daemon: Daemon, text: str) -> None:
    Path(daemon.words[daemon.words.index("-f") + 1]).write_text(text)


def reload(daemon: Daemon, text: str, outcome: str = "Reload complete") -> None:
    """Another configuration; returns when the log tells of the outcome."""
    rewrite(daemon, text)
    before = daemon.log().count(outcome)
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: daemon.log().count(outcome) > before, PATIENCE, outcome)


def two(first: str, second: str, priority: int) -> str:
    """Two instances in that order, the same but for the names' places in the file."""
    numbers = {"web": (51, VIP), "mail": (52, "192.0.2.101")}
    return "".join(f"""
vrrp_instance {name} {{
    version 3
    interface eth0
    virtual_router_id {numbers[name][0]}
    priority {priority}
    advert_int 0.2
    virtual_ipaddress {{
        {numbers[name][1]}
    }}
}}
""" for name in (first, second))


# --- a configuration that kills the worker


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_configuration_that_kills_the_worker_is_given_up(scene: Scene, told: socket.socket, moment: str) -> None:
    daemon = start(scene, two("web", "mail", 150), FRAGILE.replace("{moment}", MOMENTS[moment]))
    wait_until(lambda: scene.network["a"].holds("192.0.2.101"), PATIENCE)
    changes = len(scene.watch.changes)
    since = time.time()
    reload(daemon, two("mail", "web", 66), BACK)
    wait_until(lambda: daemon.log().rpartition(BACK)[2].count("Startup complete"), PATIENCE, "it starts again")
    settled = time.time()
    assert scene.first_advert("a", settled, PATIENCE).priority == 150
    wait_until(lambda: len(scene.sniffer.adverts("a", settled)) > 20, PATIENCE)
    assert {advert.priority for advert in scene.sniffer.adverts("a", settled)} == {150}
    assert scene.sniffer.adverts("a", since, priority=0) == []
    assert [held for _, _, held in scene.watch.changes[changes:] if not held] == [], "an address was lost"
    assert scene.network["a"].holds(VIP) and scene.network["a"].holds("192.0.2.101")
    assert "exited with status 70" in daemon.log().rpartition(BACK)[0].splitlines()[-1], "it is said what happened"
    heard = words(told)
    assert heard[:2] == ["READY", "RELOADING"] and heard[-1] == "READY"
    assert daemon.log().count("Entering BACKUP STATE") == 2, "no router had to begin anew"
    reload(daemon, two("mail", "web", 140))
    assert scene.first_advert("a", time.time(), PATIENCE).priority == 140, "and the next one is taken as ever"


def test_a_worker_that_dies_long_after_a_reload_keeps_its_configuration(scene: Scene) -> None:
    daemon = start(scene, V3.config("a", 150))
    reload(daemon, V3.config("a", 140))
    wait_until(lambda: scene.sniffer.adverts("a", priority=140), PATIENCE)
    worker = next(pid for pid in daemon.processes() if pid != daemon.pid and is_worker(pid))
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: daemon.log().count("Startup complete") == 2, PATIENCE)
    assert scene.first_advert("a", time.time(), PATIENCE).priority == 140, "one death is no verdict"
    assert BACK not in daemon.log()


def is_worker(pid: int) -> bool:
    return Path(f"/proc/{pid}/comm").read_text() == "hakeepd_vrrp\n"


# --- what the supervisor itself takes from a reload


def test_the_supervisor_goes_by_the_new_configuration(scene: Scene) -> None:
    files = scene.network.files
    for name in ("old", "new"):
        (files / f"{name}.sh").write_text(f"#!/bin/sh\nid -un > {files}/{name}.done\n")
        (files / f"{name}.sh").chmod(0o755)
    (files / "new.done").touch()
    (files / "new.done").chmod(0o666)
    config = V3.config("a", 150)
    daemon = start(scene, config.replace(
        "global_defs {", f"global_defs {{\n shutdown_script {files}/old.sh\n script_user root"))
    reload(daemon, config.replace(
        "global_defs {", f"global_defs {{\n shutdown_script {files}/new.sh\n script_user nobody"))
    daemon.signal(signal.SIGTERM)
    wait_until(lambda: not daemon.alive(), PATIENCE)
    assert (files / "new.done").read_text() == "nobody\n"
    assert not (files / "old.done").exists()


def test_a_refused_configuration_leaves_the_supervisor_alone(scene: Scene) -> None:
    files = scene.network.files
    (files / "old.sh").write_text(f"#!/bin/sh\ntouch {files}/old.done\n")
    (files / "old.sh").chmod(0o755)
    config = V3.config("a", 150).replace(
        "global_defs {", f"global_defs {{\n shutdown_script {files}/old.sh\n script_user root")
    daemon = start(scene, config)
    reload(daemon, config.replace("old.sh", "new.sh").replace("eth0", "nosuch0"), "keeping the running one")
    daemon.signal(signal.SIGTERM)
    wait_until(lambda: not daemon.alive(), PATIENCE)
    assert (files / "old.done").exists()


def test_names_of_files_stay_until_a_restart(scene: Scene) -> None:
    daemon = start(scene, V3.config("a", 150))
    reload(daemon, "instance other\n" + V3.config("a", 140))
    assert "instance changes only at a restart" in daemon.log()
    assert scene.first_advert("a", time.time(), PATIENCE).priority == 140


def test_a_file_says_when_to_reload(scene: Scene) -> None:
    when = scene.network.files / "when"
    config = V3.config("a", 150).replace("global_defs {", f"global_defs {{\n reload_time_file {when}")
    daemon = start(scene, config)
    rewrite(daemon, config.replace("priority 150", "priority 140"))
    at = datetime.now() + timedelta(seconds=3)
    when.write_text(f"{at:%Y-%m-%d %H:%M:%S}\n")
    wait_until(lambda: "will be read again at" in daemon.log(), PATIENCE)
    advert = scene.first_advert("a", 0, PATIENCE, priority=140)
    assert advert.at >= at.replace(microsecond=0).timestamp()
    assert not when.exists(), "used up"
    beats = [frame.at for frame in scene.sniffer.adverts("a")]
    assert all(later - earlier < 0.35 for earlier, later in itertools.pairwise(beats))
