"""Trackers against the real thing, in a whole daemon: a web server that dies, a script that hangs, a file that is
written all the time, an address that does not answer.

What is watched fails and is well again, the priority follows, and no advert is late for it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import groundwork
import pytest
from hosts import wait_until
from scene import VIP, Scene
from watching import PATIENCE, PRIORITY, PULSE, Watching

pytestmark = pytest.mark.netns

WELL = PRIORITY + PULSE


# ------------------------------------------------------------------------------------------------------------ processes

NGINX = """
daemon off;
pid {folder}/pid;
error_log stderr;
worker_processes 1;
events {{}}
http {{
    access_log off;
    server {{
        listen 127.0.0.1:8080;
        root {folder};
    }}
}}
"""

SERVER = """
vrrp_track_process server {{
    process {files}/NAME
    weight 20
}}
"""


@pytest.fixture
def nginx(scene: Scene) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts it on host a, under a name that nobody else on this machine has."""
    program = groundwork.find_program("nginx")
    if not program:
        pytest.skip("nginx is not installed")
    folder, name = scene.network.files, f"hkweb{os.getpid()}"
    shutil.copy(program, folder / name)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder))
    running: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        running.append(subprocess.Popen(
            ["nsenter", f"--net={scene.network['a'].path}", "--", str(folder / name), "-p", str(folder), "-c",
             str(folder / "nginx.conf")], stderr=subprocess.DEVNULL, start_new_session=True))
        return running[-1]

    yield start
    for server in running:
        end(server)


def end(server: subprocess.Popen[bytes]) -> None:
    """SIGKILL to it and its workers."""
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def test_nginx_is_killed_and_started_again(scene: Scene, nginx: Callable[[], subprocess.Popen[bytes]]) -> None:
    """Twice. In a namespace the kernel does not tell of processes: it takes a reading of /proc, once a second."""
    things = SERVER.replace("NAME", f"hkweb{os.getpid()}")
    router = Watching(scene, things, "track_process {{\n server\n }}").start(WELL)
    for _ in range(2):
        server = nginx()
        router.has_priority(WELL + 20, 5)
        end(server)
        router.has_priority(WELL, 5)
    assert len(router.lines("Quorum gained for tracked process server")) == 2
    assert len(router.lines("Quorum lost for tracked process server (0 processes)")) == 3, "the first one at the start"
    router.the_rest_works(WELL)
    router.is_unshaken()


# -------------------------------------------------------------------------------------------------------------- scripts

HANGING = """
vrrp_script check {{
    script "{files}/check"
    interval 0.5
    timeout 1
}}
"""

HANGS = """#!/bin/sh
trap '' TERM
echo $$ >{files}/pid
while test -e {files}/hang; do sleep 0.1; done
"""


def test_a_script_that_hangs(scene: Scene) -> None:
    """It takes no notice of SIGTERM either. The instance is in FAULT until the script comes to an end again, and what
    hung is gone by then."""
    router = Watching(scene, HANGING, "track_script {{\n check\n }}")
    check, hang = router.files / "check", router.files / "hang"
    check.write_text(HANGS.format(files=router.files))
    check.chmod(0o755)
    router.start(WELL)
    hang.touch()
    began = time.monotonic()
    router.says("VRRP_Script(check) timed_out")
    wait_until(lambda: not scene.network["a"].holds(VIP), PATIENCE, "FAULT")
    assert 0.9 < time.monotonic() - began < 3
    assert "Entering FAULT STATE" in router.log()
    stuck = Path(f"/proc/{(router.files / 'pid').read_text().strip()}")
    wait_until(lambda: not stuck.exists(), 5, "SIGKILL two seconds after SIGTERM")
    hang.unlink()
    wait_until(lambda: scene.network["a"].holds(VIP), PATIENCE, "it is MASTER again")
    router.the_rest_works(WELL)
    assert len(router.lines("VRRP_Script(check) timed_out")) == 1, "it is said when it changes"
    router.is_unshaken(faults=True)


COUNTING = """
vrrp_script check {{
    script "{files}/check"
    interval 1
    fall 5
}}
"""

COUNTS = """#!/bin/sh
test ! -e {files}/fail && exit 0
printf x >>{files}/failures
exit 1
"""


def test_failures_in_a_row_go_on_over_a_worker_that_dies_and_over_a_reload(scene: Scene) -> None:
    """The fifth counts, whoever saw the four before it, and whatever a reload has changed meanwhile."""
    router = Watching(scene, COUNTING, "track_script {{\n check\n }}")
    check, failures = router.files / "check", router.files / "failures"
    check.write_text(COUNTS.format(files=router.files))
    check.chmod(0o755)
    failures.touch()
    router.start(WELL)
    (router.files / "fail").touch()
    wait_until(lambda: failures.stat().st_size >= 1, PATIENCE, "one failure")
    first = router.worker()
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: router.worker() not in (0, first), PATIENCE, "another worker")
    wait_until(lambda: failures.stat().st_size >= 3, PATIENCE, "more failures")
    changed = COUNTING.replace("interval 1", "interval 0.8")
    router.reload(router.config(changed, "track_script {{\n check\n }}"), "Reload complete")
    wait_until(lambda: not scene.network["a"].holds(VIP), PATIENCE, "FAULT")
    assert 5 <= failures.stat().st_size <= 7, "the worker that died may have taken one with it, the next may have begun"
    (router.files / "fail").unlink()
    wait_until(lambda: scene.network["a"].holds(VIP), PATIENCE, "it is MASTER again")
    assert len(router.lines("VRRP_Script(check) failed")) == 1


# ---------------------------------------------------------------------------------------------------------------- files

NUMBER = """
track_file number {{
    file {files}/number
}}
"""


def test_a_file_that_is_written_a_thousand_times_a_second(scene: Scene) -> None:
    """For two seconds. The last number counts, and adverts are as regular as ever."""
    router = Watching(scene, NUMBER, "track_file {{\n number\n }}")
    number = router.files / "number"
    number.write_text("0\n")
    router.start(WELL)
    began = time.monotonic()
    for turn in range(2000):
        time.sleep(max(0.0, began + turn / 1000 - time.monotonic()))
        number.write_text(f"{turn % 50}\n")
    number.write_text("77\n")
    wrote = time.monotonic()
    router.has_priority(WELL + 77, 2)
    assert time.monotonic() - wrote < 1
    changes = len(router.lines("Changing effective priority"))
    assert changes < 20 * (wrote - began) + 10, "twenty a second are told at most"
    router.the_rest_works(WELL + 77)
    router.is_unshaken()


# ---------------------------------------------------------------------------------------------------------------- pings


def test_pings_that_are_dropped(scene: Scene) -> None:
    """By the other end's packet filter. It is weight 0: FAULT without answers, MASTER with them; then with a weight."""
    other = scene.network["b"]
    router = Watching(scene, "", "track_ping 192.0.2.12 interval 0.2 fall 3 rise 3").start(WELL)
    other.run("nft", "add table inet gate; add chain inet gate in { type filter hook input priority 0; }")
    other.run("nft", "add rule inet gate in icmp type echo-request drop")
    wait_until(lambda: not scene.network["a"].holds(VIP), PATIENCE, "FAULT")
    other.run("nft", "delete table inet gate")
    wait_until(lambda: scene.network["a"].holds(VIP), PATIENCE, "it is MASTER again")
    weighted = router.config("", "track_ping 192.0.2.12 interval 0.2 fall 3 rise 3 weight -40")
    router.reload(weighted, "Reload complete")
    router.has_priority(WELL)
    since = time.time()
    other.run("nft", "add table inet gate; add chain inet gate in { type filter hook input priority 0; }")
    other.run("nft", "add rule inet gate in icmp type echo-request drop")
    router.has_priority(WELL - 40)
    router.the_rest_works(WELL - 40)
    other.run("nft", "delete table inet gate")
    router.has_priority(WELL)
    router.began = since
    router.scene.watch.changes[:] = [change for change in router.scene.watch.changes if change[0] >= since]
    router.is_unshaken()
