"""What a user of the daemon relies on, on real kernels: status, reload, standby, repair, reports."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hosts import ROOT, Daemon, wait_until
from observe import packet_socket
from scapy.layers.inet import IP
from scene import V3, VIP, VIP6, VRID, Scene
from voice import GROUP, advert

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


def document(daemon: Daemon) -> dict[str, Any]:
    """What `hakeep status --json` says."""
    found: dict[str, Any] = json.loads(tool(daemon, "status", "--json"))
    return found


def status(daemon: Daemon) -> dict[str, Any]:
    """The first instance in it."""
    found: dict[str, Any] = document(daemon)["routers"][0]
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


def test_who_takes_over_says_why(scene: Scene) -> None:
    """The words that an operator reads at night, of the cases that were planned and of the one that was not."""
    one = running_master(scene)
    two = scene.run("b", V3.config("b", 100))
    assert status(one)["why"] == "no other master was heard"
    wait_until(lambda: status(two)["master"] == "192.0.2.11", PATIENCE)
    one.signal(signal.SIGTERM)
    scene.wait_for_holder("b", PATIENCE)
    assert status(two)["why"] == "192.0.2.11 resigned"
    wait_until(lambda: not one.alive(), PATIENCE)
    scene.start(one)
    scene.wait_for_holder("a", PATIENCE)
    assert status(one)["why"] == "192.0.2.12 has lower priority 100"
    assert status(two)["why"] == "192.0.2.11 has higher priority 150, ours 100"
    one.kill()
    scene.wait_for_holder("b", PATIENCE)
    assert status(two)["why"] == "192.0.2.11 fell silent"


def test_standby_outlives_the_worker_and_the_daemon(scene: Scene) -> None:
    one = running_master(scene)
    two = scene.run("b", V3.config("b", 100))
    wait_until(lambda: status(two)["master"] == "192.0.2.11", PATIENCE)
    tool(one, "standby", "web")
    scene.wait_for_holder("b", PATIENCE)
    since, worker = time.time(), document(one)["workers"]["vrrp"]
    os.kill(worker, signal.SIGKILL)
    check_it_was_born_in_standby(one, 1)
    one.signal(signal.SIGTERM)
    wait_until(lambda: not one.alive(), PATIENCE)
    scene.start(one)
    check_it_was_born_in_standby(one, 2)
    wait_until(lambda: status(one)["master"] == "192.0.2.12", PATIENCE)
    heard = time.time()
    wait_until(lambda: len(scene.sniffer.adverts("b", heard)) > 5, PATIENCE)
    assert scene.holders() == {"b"} and not scene.sniffer.adverts("a", since), "it took no part"
    tool(one, "resume", "web")
    scene.wait_for_holder("a", PATIENCE)


def check_it_was_born_in_standby(daemon: Daemon, times: int) -> None:
    """So the log says for the `times`-th time, and so does status."""
    wait_until(lambda: daemon.log().count("Entering BACKUP STATE (standby)") == times + 1, PATIENCE)
    assert daemon.log().count("standby by order, given before this start") == times
    wait_until(lambda: status(daemon)["standby"], PATIENCE)
    assert (status(daemon)["state"], status(daemon)["why"]) == ("BACKUP", "standby by order")


# --- floods


def test_a_flood_is_seen_counted_and_survived(scene: Scene) -> None:
    """Bad packets, thousands a second: the master goes on, says that there is a flood, and when it is over."""
    daemon = running_master(scene)
    whole = advert(3, 255, 0.2, "192.0.2.200", (VIP,), VRID)
    frame = whole[:14] + bytes(IP(src="192.0.2.200", dst=GROUP, ttl=254, proto=112) / whole[34:])  # not of this link
    since, over = time.time(), threading.Event()
    pouring = threading.Thread(target=pour, args=(packet_socket(scene.network["client"], "eth0"), frame, over))
    pouring.start()
    try:
        wait_until(lambda: document(daemon)["flooded"], PATIENCE, "a flood is noticed")
        assert "! a flood of bad packets" in tool(daemon, "status")
        assert document(daemon)["packets"]["discarded"] > 2000
        assert status(daemon)["counters"]["ip_ttl_err"] > 2000
        time_of = [seen.at for seen in scene.sniffer.adverts("a", since)]
        assert all(b - a < 0.6 for a, b in itertools.pairwise(time_of)), "nobody took over, nobody could have"
    finally:
        over.set()
        pouring.join()
    assert status(daemon)["state"] == "MASTER"
    wait_until(lambda: not document(daemon)["flooded"], 2 * PATIENCE, "the flood is over")
    assert document(daemon)["packets"]["floods"] == 1
    assert "flood" not in tool(daemon, "status") and "floods 1" in tool(daemon, "status", "-v")
    assert "the flood of bad packets is over" in daemon.log()


def pour(sock: socket.socket, frame: bytes, over: threading.Event) -> None:
    """That frame about 5000 times a second."""
    with sock:
        while not over.is_set():
            for _ in range(50):
                with suppress(OSError):  # its queue is full
                    sock.send(frame)
            over.wait(0.01)


def test_what_is_too_short_is_counted(scene: Scene) -> None:
    daemon = running_master(scene)
    whole = advert(3, 255, 0.2, "192.0.2.200", (VIP,), VRID)
    header = IP(src="192.0.2.200", dst=GROUP, ttl=255, proto=112)
    with packet_socket(scene.network["client"], "eth0") as sock:
        sock.send(whole[:14] + bytes(header / whole[34:39]))
    wait_until(lambda: status(daemon)["counters"]["packet_len_err"] == 1, PATIENCE)
    assert document(daemon)["packets"] == {"discarded": 1, "malformed": 0, "unknown_vrids": 0, "floods": 0}
    wait_until(lambda: "5 bytes: too short for a VRRP header" in daemon.log(), PATIENCE)


# --- from where and to whom


@pytest.mark.parametrize(("globals_", "more", "source", "group"), [
    ("", "", "192.0.2.11", "224.0.0.18"),
    ("", "mcast_src_ip 192.0.2.50", "192.0.2.50", "224.0.0.18"),
    ("", "mcast_dst_ip 224.0.0.77", "192.0.2.11", "224.0.0.77"),
    ("vrrp_mcast_group4 224.0.0.78", "", "192.0.2.11", "224.0.0.78"),
    ("vrrp_mcast_group4 224.0.0.78", "mcast_dst_ip 224.0.0.77", "192.0.2.11", "224.0.0.77"),
], ids=["default", "mcast_src_ip", "mcast_dst_ip", "vrrp_mcast_group4", "both"])  # fmt: skip
def test_source_and_group_of_adverts(scene: Scene, globals_: str, more: str, source: str, group: str) -> None:
    """As configured; the backup hears them there, and one that listens elsewhere does not."""
    scene.network["a"].ip("addr", "add", "192.0.2.50/24", "dev", "eth0")
    way = replace(V3, globals=globals_)
    scene.run("a", way.config("a", 150, more))
    scene.wait_for_holder("a", PATIENCE)
    there = "" if "src" in more else more
    two = scene.run("b", way.config("b", 100, there))
    wait_until(lambda: status(two)["master"] == source, PATIENCE)
    seen = scene.sniffer.adverts()
    assert {(frame.host, frame.source, frame.destination) for frame in seen} == {("a", source, group)}


def test_group_of_ipv6_adverts(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(VIP6)
    way = replace(V3, globals="vrrp_mcast_group6 ff02::77", vips=("fe80::100", VIP6))
    scene.run("a", way.config("a", 150))
    scene.wait_for_holder("a", PATIENCE)
    two = scene.run("b", way.config("b", 100))
    wait_until(lambda: (status(two)["master"] or "").startswith("fe80::"), PATIENCE)
    assert {(frame.host, frame.destination) for frame in scene.sniffer.adverts()} == {("a", "ff02::77")}


# --- delays


def test_no_election_until_the_host_has_been_up_for_a_while(scene: Scene) -> None:
    """It runs in a time namespace, where the host has just been booted."""
    up = int(time.clock_gettime(time.CLOCK_BOOTTIME))
    way = replace(V3, globals="vrrp_delay_after_boot 106")
    daemon = scene.network.add("a", "vrrp", "hakeepd", way.config("a", 150))
    daemon.words = ("unshare", "--time", "--boottime", str(100 - up), "--fork", "--", *daemon.words)
    begun = time.time()
    scene.start(daemon)
    wait_until(lambda: "(vrrp_delay_after_boot)" in daemon.log(), PATIENCE)
    first = scene.first_advert("a", begun, 2 * PATIENCE).at
    assert 5 <= first - begun <= 6 + way.down_interval(150) + 0.3


def test_no_delay_on_a_host_that_has_been_up_for_long_enough(scene: Scene) -> None:
    uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
    way = replace(V3, globals=f"vrrp_delay_after_boot {min(uptime, 4000):.2f}")
    begun = time.time()
    daemon = scene.run("a", way.config("a", 150))
    assert scene.first_advert("a", begun, PATIENCE).at - begun <= 4
    assert "no elections" not in daemon.log()


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


def test_two_daemons_with_one_table_do_not_fight(scene: Scene) -> None:
    """Neither has a name, and each has a /run of its own, so nothing but the table tells them of each other."""
    one = running_master(scene)
    wait_until(lambda: status(one)["fence"] == "active", PATIENCE)
    two = scene.network.add("a", "other", "hakeepd", V3.config("a", 150).replace(
        f"virtual_router_id {VRID}", "virtual_router_id 77").replace(VIP, "192.0.2.177"))
    two.start()
    wait_until(lambda: "keeps changing our nftables table" in one.log(), PATIENCE)
    wait_until(lambda: scene.network["a"].holds("192.0.2.177"), PATIENCE)
    wait_until(lambda: "contested by " in status(one)["fence"], PATIENCE)
    assert "! web: fence off: contested by " in tool(one, "status")
    # Its thread may have ended before anybody could ask which process it belonged to.
    assert re.search(rf"(hakeepd_vrrp\[{document(two)['workers']['vrrp']}\]|run from hakeep\[\d+\]) keeps", one.log())
    time.sleep(3)
    for daemon in (one, two):
        assert daemon.log().count("keeps changing our nftables table") <= 1
        assert daemon.log().count("putting it back") <= 1
    assert scene.holders() == {"a"}


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
