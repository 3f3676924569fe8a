"""What a user of the daemon relies on, on real kernels: status, reload, standby, repair, reports."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hosts import ROOT, Daemon, wait_until
from scene import V3, VIP, Scene

pytestmark = pytest.mark.netns

TOOL = (sys.executable, "-m", "hakeep.cli.hakeep")
PATIENCE = 10.0

#: Netlink events carry no time of their own: on a busy machine two observers are this far apart, in seconds.
GRAIN = 0.02


def within(daemon: Daemon, *words: str, pid: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command where the daemon lives: its network, its /run."""
    enter = ("nsenter", f"--target={pid or daemon.pid}", "--mount", "--root", "--net", "--")
    return subprocess.run(
        (*enter, *words), capture_output=True, text=True, timeout=30, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )


def tool(daemon: Daemon, *words: str) -> str:
    done = within(daemon, *TOOL, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def status(daemon: Daemon) -> dict[str, Any]:
    """The first instance in `hakeep status --json`."""
    document = json.loads(tool(daemon, "status", "--json"))
    found: dict[str, Any] = document["routers"][0]
    return found


def running_master(scene: Scene, more: str = "", **way: Any) -> Daemon:
    daemon = scene.run("a", V3.config("a", 150, more, **way))
    scene.wait_for_holder("a", PATIENCE)
    return daemon


def reconfigure(daemon: Daemon, text: str) -> None:
    """Write another configuration and ask for a reload; returns when it was taken or refused."""
    config = Path(daemon.words[daemon.words.index("-f") + 1])
    config.write_text(text)
    before = daemon.log().count("Reloading")
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: daemon.log().count("Reloading") > before, PATIENCE)
    outcomes = ("Reload complete", "keeping the running one")
    wait_until(lambda: any(o in daemon.log().rpartition("Reloading")[2] for o in outcomes), PATIENCE, "a reload")


def moves(scene: Scene) -> list[tuple[float, str, bool]]:
    """When the address came and went; a renewed lease is neither."""
    found: list[tuple[float, str, bool]] = []
    for at, host, held in scene.watch.changes:
        if held != next((h for _, other, h in reversed(found) if other == host), False):
            found.append((at, host, held))
    return found


# --- status


def test_status_tells_what_the_kernel_has(scene: Scene) -> None:
    daemon = running_master(scene)
    wait_until(lambda: status(daemon)["fence"] == "active", PATIENCE)
    found = status(daemon)
    assert (found["name"], found["state"], found["effective_priority"]) == ("web", "MASTER", 150)
    assert found["why"] and found["bounds"]
    assert found["addresses"][0]["present"] is True
    assert found["counters"]["become_master"] == 1
    assert 0 < found["lease"] <= 1
    text = tool(daemon, "status")
    assert "MASTER" in text and VIP in text


def test_a_dead_daemon_gives_status_3(scene: Scene) -> None:
    daemon = running_master(scene)
    keeper = subprocess.Popen(["nsenter", f"--target={daemon.pid}", "--mount", "--root", "--net", "sleep", "60"])
    try:
        wait_until(lambda: Path(f"/proc/{keeper.pid}/comm").read_text() == "sleep\n", PATIENCE)
        daemon.signal(signal.SIGTERM)
        wait_until(lambda: not daemon.alive(), PATIENCE)
        done = within(daemon, *TOOL, "status", pid=keeper.pid)
        assert done.returncode == 3
        assert done.stderr.strip() and "Traceback" not in done.stderr
    finally:
        keeper.kill()
        keeper.wait()


def test_a_second_daemon_says_who_runs(scene: Scene) -> None:
    daemon = running_master(scene)
    done = within(daemon, *daemon.words)
    assert done.returncode == 1
    assert f"already running (pid {daemon.pid}" in done.stderr
    assert daemon.alive() and scene.holders() == {"a"}


# --- reload


def test_a_reload_without_change_disturbs_nothing(scene: Scene) -> None:
    one_burst = "garp_master_delay 0"
    daemon = running_master(scene, one_burst)
    wait_until(lambda: len(scene.sniffer.announcements("a")) >= 5, PATIENCE, "the burst is over")
    since = time.time()
    before = moves(scene)
    reconfigure(daemon, V3.config("a", 150, one_burst))
    wait_until(lambda: len(scene.sniffer.adverts("a", since)) > 5, PATIENCE)
    time_of = [frame.at for frame in scene.sniffer.adverts("a", since)]
    assert all(b - a < 0.35 for a, b in itertools.pairwise(time_of)), "adverts kept their beat"
    assert not scene.sniffer.adverts("a", since, priority=0)
    assert not scene.sniffer.announcements("a", since)
    assert moves(scene) == before


def test_a_changed_priority_is_said_at_once_and_nothing_else_changes(scene: Scene) -> None:
    daemon = running_master(scene)
    before = moves(scene)
    reconfigure(daemon, V3.config("a", 120))
    scene.first_advert("a", time.time() - 2, PATIENCE, priority=120)
    assert moves(scene) == before
    assert status(daemon)["state"] == "MASTER"


def test_addresses_come_and_go_with_a_reload(scene: Scene) -> None:
    daemon = running_master(scene)
    other = "192.0.2.101"
    reconfigure(daemon, V3.config("a", 150).replace(VIP, f"{VIP}\n{other}"))
    wait_until(lambda: scene.network["a"].holds(other), PATIENCE)
    assert scene.network["a"].holds(VIP)
    reconfigure(daemon, V3.config("a", 150).replace(VIP, other))
    wait_until(lambda: not scene.network["a"].holds(VIP), PATIENCE)
    assert scene.network["a"].holds(other)
    assert not scene.sniffer.adverts("a", priority=0), "it was MASTER all the time"


def test_a_broken_configuration_is_refused_and_nothing_is_lost(scene: Scene) -> None:
    daemon = running_master(scene)
    reconfigure(daemon, V3.config("a", 150).replace("eth0", "nosuch0"))
    assert "nosuch0" in daemon.log()
    assert status(daemon)["state"] == "MASTER"
    assert scene.holders() == {"a"}


def test_what_is_not_built_yet_is_refused_by_name(scene: Scene) -> None:
    config = V3.config("a", 150, more="track_interface {\n eth0\n }")
    daemon = scene.network.add("a", "vrrp", "hakeepd", config)
    daemon.start()
    wait_until(lambda: not daemon.alive(), PATIENCE)
    assert "track_interface" in daemon.log()
    assert "--ignore-unsupported" in daemon.log()


# --- orders


def test_standby_hands_over_without_a_gap_and_resume_takes_back(scene: Scene) -> None:
    one = running_master(scene)
    two = scene.run("b", V3.config("b", 100))
    wait_until(lambda: status(two)["master"] == "192.0.2.11", PATIENCE)
    since = time.time()
    tool(one, "standby", "web")
    scene.wait_for_holder("b", PATIENCE)
    assert len(scene.sniffer.adverts("a", since, priority=0)) == 1
    assert status(one)["standby"] is True
    assert gap(scene, since, time.time()) < GRAIN
    tool(one, "resume", "web")
    scene.wait_for_holder("a", PATIENCE)


def gap(scene: Scene, since: float, until: float) -> float:
    """How long nobody had the address."""
    spells = sorted((i.start, i.end) for host in "ab" for i in scene.watch.held(host, until))
    covered, nobody = since, 0.0
    for start, end in spells:
        nobody += max(0.0, start - covered)
        covered = max(covered, end)
    return nobody + max(0.0, until - covered)


def test_standby_alone_serves_again_and_says_so(scene: Scene) -> None:
    daemon = running_master(scene)
    tool(daemon, "standby", "--all")
    wait_until(lambda: "no other router is heard" in daemon.log(), PATIENCE)
    scene.wait_for_holder("a", PATIENCE)
    assert scene.next_advert("a", PATIENCE).priority == 1, "anybody else may take it"


# --- repair


def test_an_address_deleted_by_hand_is_put_back_and_announced(scene: Scene) -> None:
    running_master(scene)
    since = time.time()
    scene.network["a"].ip("addr", "del", f"{VIP}/32", "dev", "eth0")
    wait_until(lambda: scene.network["a"].holds(VIP), PATIENCE)
    wait_until(lambda: scene.sniffer.announcements("a", since), PATIENCE)
    assert not scene.sniffer.adverts("a", since, priority=0)
    (gone, _, _), (back, _, _) = moves(scene)[-2:]
    assert back - gone < 0.2, "back at once"


def test_who_keeps_deleting_is_named_and_not_fought_for_ever(scene: Scene) -> None:
    daemon = running_master(scene)

    def delete() -> bool:
        scene.network["a"].run("ip", "addr", "del", f"{VIP}/32", "dev", "eth0", check=False)
        return "contested" in daemon.log()

    wait_until(delete, PATIENCE)
    assert "netlink port" in daemon.log()
    wait_until(lambda: status(daemon)["contested"], PATIENCE)


def test_somebody_elses_address_is_used_and_left(scene: Scene) -> None:
    host = scene.network["a"]
    host.ip("addr", "add", f"{VIP}/32", "dev", "eth0")
    daemon = scene.run("a", V3.config("a", 150))
    scene.next_advert("a", PATIENCE)
    assert "not from us" in daemon.log()
    daemon.stop()
    assert f"{VIP}/32 scope global eth0" in host.ip("-o", "addr", "show", "dev", "eth0"), "no lifetime, not deleted"


def test_the_fence_is_put_back_after_a_flush(scene: Scene) -> None:
    daemon = running_master(scene)
    host = scene.network["a"]
    wait_until(lambda: VIP in host.run("nft", "list", "ruleset"), PATIENCE)
    host.run("nft", "flush", "ruleset")
    wait_until(lambda: VIP in host.run("nft", "list", "ruleset"), PATIENCE, "the fence is back")
    wait_until(lambda: "putting it back" in daemon.log(), PATIENCE)


def test_a_link_that_goes_and_comes_back(scene: Scene) -> None:
    daemon = running_master(scene)
    scene.network.switch.ip("link", "set", "a.eth0", "down")
    wait_until(lambda: status(daemon)["state"] == "FAULT", PATIENCE)
    assert "interface eth0 down" in status(daemon)["why"]
    wait_until(lambda: not scene.holders(), PATIENCE)
    scene.network.switch.ip("link", "set", "a.eth0", "up")
    scene.wait_for_holder("a", PATIENCE)


def test_nothing_is_left_after_a_stop(scene: Scene) -> None:
    host = scene.network["a"]
    before = [host.ip("-o", "addr", "show").split("valid_lft")[0], host.ip("-6", "route", "show")]
    sysctl = host.run("cat", "/proc/sys/net/ipv4/conf/eth0/promote_secondaries")
    daemon = running_master(scene)
    daemon.signal(signal.SIGTERM)
    wait_until(lambda: not daemon.alive(), PATIENCE)
    assert scene.holders() == set()
    assert "hakeep" not in host.run("nft", "list", "ruleset")
    assert host.run("cat", "/proc/sys/net/ipv4/conf/eth0/promote_secondaries") == sysctl
    assert [host.ip("-o", "addr", "show").split("valid_lft")[0], host.ip("-6", "route", "show")] == before


# --- reports and scripts


def test_dumps_on_signals(scene: Scene) -> None:
    daemon = running_master(scene)
    for number, name, part in (
        (signal.SIGUSR1, "hakeep.data", "web"),
        (signal.SIGUSR2, "hakeep.stats", "VRRP Instance: web"),
        (signal.SIGRTMIN + 2, "hakeep.json", '"iname":"web"'),
    ):
        daemon.signal(number)
        path = f"/run/hakeep/{name}"
        wait_until(lambda path=path, part=part: part in within(daemon, "cat", path).stdout, PATIENCE, path)
    json.loads(within(daemon, "cat", "/run/hakeep/hakeep.json").stdout)


def test_scripts_and_fifos_hear_of_each_state(scene: Scene) -> None:
    folder = scene.network.files
    script = folder / "notify.sh"
    script.write_text(f"#!/bin/sh\necho $* $(ip -o addr show | grep -c {VIP}/) >> {folder}/told\n")
    script.chmod(0o755)
    config = V3.config("a", 150, more=f"notify {script}").replace(
        "global_defs {", f"global_defs {{\n script_user root\n vrrp_notify_fifo {folder}/fifo"
    )
    os.mkfifo(folder / "fifo", 0o600)
    reader = os.open(folder / "fifo", os.O_RDWR | os.O_NONBLOCK)
    daemon = scene.run("a", config)
    told = folder / "told"
    wait_until(lambda: told.exists() and "MASTER" in told.read_text(), PATIENCE)
    daemon.signal(signal.SIGTERM)
    wait_until(lambda: not daemon.alive(), PATIENCE)
    lines = os.read(reader, 4096).decode().splitlines()
    os.close(reader)
    assert lines == ['INSTANCE "web" BACKUP 150', 'INSTANCE "web" MASTER 150', 'INSTANCE "web" STOP 150']
    words = [line.split() for line in told.read_text().splitlines()]
    assert [w[:4] for w in words][-2:] == [["INSTANCE", "web", "MASTER", "150"], ["INSTANCE", "web", "STOP", "150"]]
    assert [w[4] for w in words][-2:] == ["1", "0"], "MASTER is told when the address is there, STOP when it is gone"


def test_nobody_reads_the_log_and_adverts_go_on(scene: Scene) -> None:
    reader, writer = os.pipe()
    daemon = scene.network.add("a", "vrrp", "hakeepd", V3.config("a", 150))
    daemon.words = ("sh", "-c", f'exec "$@" 2>/proc/{os.getpid()}/fd/{writer}', "sh", *daemon.words)
    os.set_blocking(writer, False)
    while True:  # the pipe is full before it begins
        try:
            os.write(writer, b"x" * 4096)
        except BlockingIOError:
            break
    daemon.start()
    scene.first_advert("a", 0, PATIENCE)
    first = time.time()
    wait_until(lambda: len(scene.sniffer.adverts("a", first)) > 10, PATIENCE)
    os.close(reader)
    os.close(writer)
