"""The daemon's command line, its refusals and its files, on a real kernel."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hosts import Daemon, wait_until
from scene import V3, VIP, Scene
from test_daemon import PATIENCE, status, within

pytestmark = pytest.mark.netns

#: The daemon's /run is its own: the network namespace $1 gets the name $0 there.
NETNS = """
mkdir /run/netns && touch "/run/netns/$0" && mount --no-canonicalize --bind "$1" "/run/netns/$0" && shift && exec "$@"
"""

KEY = "auth_hmac {{\n key 1 file:{path}\n active_key 1\n }}"


def daemon_on_a(scene: Scene, config: str, *more: str) -> Daemon:
    """A daemon that is not started yet, with more words on its command line."""
    daemon = scene.network.add("a", "vrrp", "hakeepd", config)
    daemon.words += more
    return daemon


def started(scene: Scene, config: str, *more: str) -> Daemon:
    """A daemon on host a that is MASTER."""
    daemon = daemon_on_a(scene, config, *more)
    scene.start(daemon)
    scene.wait_for_holder("a", PATIENCE)
    wait_until(lambda: "Startup complete" in daemon.log() or "-n" not in daemon.words, PATIENCE)
    return daemon


def ended(daemon: Daemon) -> int:
    """Start one that does not stay; its exit status."""
    daemon.start()
    wait_until(lambda: not daemon.alive(), 20, "it ends")
    assert daemon._process is not None
    return daemon._process.returncode


def worker_of(daemon: Daemon) -> int:
    return next(pid for pid in daemon.processes() if Path(f"/proc/{pid}/comm").read_text() == "hakeepd_vrrp\n")


def signed(scene: Scene) -> tuple[str, Path]:
    """A configuration with a key in a file."""
    path = scene.network.files / "hmac.key"
    path.write_bytes(b"k" * 40)
    return V3.config("a", 150, KEY.format(path=path)), path


# --- nothing runs unsigned that was to be signed


def test_an_unreadable_key_at_start(scene: Scene) -> None:
    config, path = signed(scene)
    path.unlink()
    daemon = daemon_on_a(scene, config)
    assert ended(daemon) == 2
    log = daemon.log()
    assert f"the key file {path} cannot be read" in log and "not starting" in log
    assert "there is no key 1" not in log, "it is there, but of no use"
    assert not scene.sniffer.adverts("a")


@pytest.mark.parametrize("content", [None, b"short"])
def test_an_unusable_key_at_a_reload(scene: Scene, content: bytes | None) -> None:
    config, path = signed(scene)
    daemon = started(scene, config)
    (scene.network.files / "peer.key").write_bytes(path.read_bytes())
    peer = scene.run("b", V3.config("b", 100, KEY.format(path=scene.network.files / "peer.key")))
    wait_until(lambda: status(peer)["master"] == "192.0.2.11", PATIENCE)
    path.unlink()
    if content:
        path.write_bytes(content)
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: "not taken: keeping the running one" in daemon.log(), PATIENCE)
    assert "Reload complete" not in daemon.log() and "not running" not in daemon.log()
    since = time.time()
    wait_until(lambda: len(scene.sniffer.adverts("a", since)) > 10, PATIENCE, "more than the peer's patience")
    assert status(peer)["master"] == "192.0.2.11", "it is still signed"
    assert scene.holders() == {"a"}


# --- options


def test_without_respawn_a_dead_worker_ends_all(scene: Scene) -> None:
    daemon = started(scene, V3.config("a", 150), "-R")
    os.kill(worker_of(daemon), signal.SIGKILL)
    wait_until(lambda: not daemon.alive(), PATIENCE)
    assert daemon._process is not None and daemon._process.returncode == 1
    assert "released 1 address: it is not to be respawned" in daemon.log()
    assert daemon.log().count("Startup complete") == 1
    assert scene.holders() == set() and daemon.processes() == []


def test_a_network_namespace_by_name(scene: Scene) -> None:
    """It is entered from another one, before interfaces are judged."""
    daemon = daemon_on_a(scene, V3.config("a", 150), "-s", scene.network["a"].namespace)
    daemon.host = scene.network["client"]  # started there; it has an eth0 too
    with Path(scene.network["a"].path).open("rb") as handle:
        there = f"/proc/{os.getpid()}/fd/{handle.fileno()}"
        daemon.words = ("sh", "-c", NETNS, scene.network["a"].namespace, there, *daemon.words)
        daemon.start()
        scene.wait_for_holder("a", PATIENCE)
    assert not scene.network["client"].holds(VIP)
    scene.next_advert("a", PATIENCE)
    daemon.signal(signal.SIGTERM)
    wait_until(lambda: not daemon.alive(), PATIENCE)
    assert scene.holders() == set()


def test_a_network_namespace_that_is_not_there(scene: Scene) -> None:
    daemon = daemon_on_a(scene, V3.config("a", 150), "-s", "nons")
    assert ended(daemon) == 1
    assert "there is no network namespace nons" in daemon.log()
    assert "Errno" not in daemon.log()


def test_the_configuration_is_logged_when_asked_for(scene: Scene) -> None:
    daemon = started(scene, V3.config("a", 150), "-d")
    before = daemon.log().partition("Startup complete")[0]
    assert "VRRP Instance = web" in before and "Virtual Router ID = 51" in before


def test_files_where_keepalived_has_them(scene: Scene) -> None:
    config = "instance blue\n" + replace(V3, globals="data_use_instance").config("a", 150)
    daemon = daemon_on_a(scene, config)
    cut = daemon.words.index("-p")
    daemon.words = (*daemon.words[:cut], "--compat-paths")
    scene.start(daemon)
    scene.wait_for_holder("a", PATIENCE)
    wait_until(lambda: "Startup complete" in daemon.log(), PATIENCE)
    assert within(daemon, "cat", "/run/keepalived/keepalived_blue.pid").stdout == f"{daemon.pid}\n"
    assert within(daemon, "cat", "/run/keepalived/vrrp_blue.pid").stdout == f"{worker_of(daemon)}\n"
    daemon.signal(signal.SIGUSR2)
    dump = "/tmp/keepalived.stats._blue"
    try:
        wait_until(lambda: "VRRP Instance: web" in within(daemon, "cat", dump).stdout, PATIENCE, dump)
    finally:
        Path(dump).unlink(missing_ok=True)
    daemon.signal(signal.SIGTERM)
    wait_until(lambda: not daemon.alive(), PATIENCE)


def test_into_the_background(scene: Scene) -> None:
    """Who started it gets its prompt back when it is settled that it will run, and the pid file has the survivor."""
    daemon = daemon_on_a(scene, V3.config("a", 150), "-G")
    keeper = "sh", "-c", '"$@"; echo "status $?"; exec sleep 1000', "sh"  # the first process is what all is known by
    daemon.words = (*keeper, *(word for word in daemon.words if word != "-n"))
    daemon.start()
    wait_until(lambda: "status 0" in daemon.log(), PATIENCE, "the prompt")
    scene.wait_for_holder("a", PATIENCE)
    pid = int(within(daemon, "cat", "/run/parent.pid").stdout)
    assert pid in daemon.processes() and pid != daemon.pid
    assert os.getsid(pid) not in (pid, os.getsid(daemon.pid)), "no terminal can be had by accident"
    null = Path("/dev/null").stat().st_rdev
    assert {Path(f"/proc/{pid}/fd/{fd}").stat().st_rdev for fd in (0, 1, 2)} == {null}
    assert Path(f"/proc/{pid}/cwd").samefile(f"/proc/{pid}/root")
    assert status(daemon)["state"] == "MASTER"
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: pid not in daemon.processes(), PATIENCE)
    assert scene.holders() == set()


def test_without_privileges(scene: Scene) -> None:
    daemon = daemon_on_a(scene, V3.config("a", 150))
    daemon.words = ("setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", *daemon.words)
    assert ended(daemon) == 4
    assert "not permitted: CAP_NET_RAW is missing" in daemon.log() and "Traceback" not in daemon.log()


def test_a_startup_delay_is_told(scene: Scene) -> None:
    since = time.time()
    daemon = started(scene, replace(V3, globals="vrrp_startup_delay 2").config("a", 150))
    assert "no elections for 2 s (vrrp_startup_delay)" in daemon.log()
    assert scene.first_advert("a", since, PATIENCE).at - since > 2


# --- pid files


def test_a_pid_file_that_cannot_be_written(scene: Scene) -> None:
    daemon = daemon_on_a(scene, V3.config("a", 150), "-p", "/run/nonexistent/x.pid")
    assert ended(daemon) == 1
    assert "cannot set up /run/nonexistent/x.pid: No such file or directory" in daemon.log()


def test_the_workers_pid_file_is_not_worth_the_service(scene: Scene) -> None:
    daemon = started(scene, V3.config("a", 150), "-r", "/proc/vrrp.pid")
    assert "no pid file of the vrrp worker: cannot write /proc/vrrp.pid: No such file or directory" in daemon.log()
    scene.next_advert("a", PATIENCE)


# --- what goes on


def test_a_respawned_worker_is_master_since_it_became_one(scene: Scene) -> None:
    daemon = started(scene, V3.config("a", 150))
    before = status(daemon)["since"]
    os.kill(worker_of(daemon), signal.SIGKILL)
    wait_until(lambda: daemon.log().count("Startup complete") == 2, PATIENCE)
    assert "resumed" in status(daemon)["why"]
    assert abs(status(daemon)["since"] - before) < 0.01


#: Takes the place of syslogd: listens at $1, writes what comes to $2.
SYSLOG = """
import socket, sys
ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
ear.bind(sys.argv[1])
with open(sys.argv[2], "ab", buffering=0) as file:
    while True:
        file.write(ear.recv(8192) + b"\\n")
"""

#: A /dev of the daemon's own, made in $0, with a log in it.
DEV = """
mkdir "$0/dev" && cd "$0/dev" && ln -s "$0/log" log &&
for name in null random urandom; do touch $name && mount --bind /dev/$name $name || exit; done &&
cd / && mount --rbind "$0/dev" /dev && exec "$@"
"""


def test_nobody_reads_syslog_and_adverts_go_on(scene: Scene) -> None:
    files = scene.network.files
    (files / "syslog.py").write_text(SYSLOG)
    got = files / "syslog.txt"
    reader = subprocess.Popen([sys.executable, str(files / "syslog.py"), str(files / "log"), str(got)])
    try:
        wait_until(got.exists, PATIENCE)
        daemon = daemon_on_a(scene, V3.config("a", 150))
        daemon.words = ("sh", "-c", DEV, str(files), *(word for word in daemon.words if word != "-l"))
        scene.start(daemon)
        wait_until(lambda: b"Entering MASTER STATE" in got.read_bytes(), PATIENCE)
        reader.send_signal(signal.SIGSTOP)
        fill(files / "log")
        since = time.time()
        for _ in range(3):  # each reload has something to say
            daemon.signal(signal.SIGHUP)
            seen = len(scene.sniffer.adverts("a", since))
            wait_until(lambda seen=seen: len(scene.sniffer.adverts("a", since)) > seen + 5, PATIENCE)
        times = [advert.at for advert in scene.sniffer.adverts("a", since)]
        assert max(b - a for a, b in itertools.pairwise(times)) < 0.35, "adverts kept their beat"
        assert status(daemon)["state"] == "MASTER"
        reader.send_signal(signal.SIGCONT)
        wait_until(lambda: heard_of_a_loss(daemon, got), PATIENCE, "the loss is told")
    finally:
        reader.kill()
        reader.wait()


def fill(path: Path) -> None:
    """Until the socket takes no more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as mouth:
        mouth.connect(str(path))
        with pytest.raises(BlockingIOError):
            while True:
                mouth.send(b"x")


def heard_of_a_loss(daemon: Daemon, got: Path) -> bool:
    daemon.signal(signal.SIGHUP)
    time.sleep(0.1)  # not a reload at every look
    return b"log lines were lost, nobody read them" in got.read_bytes()
