"""Trackers that cannot do their work, in a whole daemon: each time one clear line, and everything else goes on.

The adverts do not pause, the address does not move, no exception reaches the log, and a script that is well still
moves the priority.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hosts import ROOT, wait_until
from scene import Scene
from watching import PATIENCE, PRIORITY, PULSE, Watching

from hakeep.wire.bfd import REFUSALS, SINGLE_HOP, Diagnostic, Packet, State

pytestmark = pytest.mark.netns

WELL = PRIORITY + PULSE

UNUSABLE = """
vrrp_script plain {{
    script "{files}/plain"
    weight -20
}}
track_file loop {{
    file {files}/loop
}}
track_file folder {{
    file {files}/folder
}}
track_file words {{
    file {files}/words
}}
track_file absent {{
    file {files}/absent
}}
vrrp_track_process nothing {{
    process {files}/nothing
    weight 20
}}
"""
USED = """
    track_script {{
        nobody weight -20
        plain
    }}
    track_file {{
        nowhere
        loop
        folder
        words
        absent
    }}
    track_process {{
        nothing
    }}
    track_interface {{
        eth9 weight -30
    }}
"""

#: What is said of it. "{files}" is left out, it comes before.
SAID = (
    "track_script nobody is not defined; it is left out",
    "/plain is not executable: vrrp_script plain is left out: no priority and no state goes by it; it must be",
    "/absent: there is no such file: it counts as 0",
    "track_file nowhere is not defined; it is left out",
    "/loop: it cannot be read and counts as 0: too many levels of symbolic links",
    "/folder: not a regular file: it counts as 0",
    "/words: it does not begin with a number and counts as 0",
    "no news of processes from the kernel (connection refused): /proc is read every 1 s instead",
    "there is no interface eth9: it has failed until it comes",
)


def spoil(files: Path) -> None:
    """What cannot be used. Nothing is unreadable to root but what leads nowhere."""
    (files / "plain").write_text("#!/bin/sh\n")
    (files / "loop").symlink_to("loop")
    (files / "folder").mkdir()
    (files / "words").write_text("thirty\n")


def test_what_cannot_be_watched_is_said_once(scene: Scene) -> None:
    """At the start. The interface comes later, and the file gets a number."""
    router = Watching(scene, UNUSABLE, USED, "dynamic_interfaces")
    spoil(router.files)
    router.start(WELL - 30)
    for text in SAID:
        router.says(text)
    router.the_rest_works(WELL - 30)
    scene.network["a"].ip("link add eth9 type veth peer name eth8")
    scene.network["a"].ip("link set eth8 up")
    scene.network["a"].ip("link set eth9 up")
    router.has_priority(WELL)
    (router.files / "words").write_text("-5\n")
    router.has_priority(WELL - 5)
    (router.files / "words").write_text("five\n")
    router.has_priority(WELL)
    router.the_rest_works(WELL)
    for text in SAID:
        assert len(router.lines(text)) == 1 + (text.startswith("/words")), text  # it was good in between
    router.is_unshaken()


SCRIPT = """
vrrp_script own {{
    script "{files}/own"
    interval 0.2
    weight -20
}}
track_file number {{
    file {files}/number
}}
"""
OWN = """
    track_script {{
        own
    }}
    track_file {{
        number
    }}
"""


def test_what_breaks_while_it_is_in_use(scene: Scene) -> None:
    """A script loses its permission and is deleted, a file becomes a link to itself; then all is as it was."""
    router = Watching(scene, SCRIPT, OWN)
    own, number = router.files / "own", router.files / "number"

    def put_right() -> None:
        fresh = router.files / "fresh"
        fresh.write_text("#!/bin/sh\n")
        fresh.chmod(0o755)
        fresh.rename(own)

    put_right()
    number.write_text("7\n")
    router.start(WELL + 7)
    own.chmod(0o644)
    router.has_priority(WELL + 7 - 20)
    router.the_rest_works(WELL + 7 - 20)
    own.unlink()
    router.says("VRRP_Script(own) cannot run: no such file or directory")
    put_right()
    router.has_priority(WELL + 7)
    number.unlink()
    number.symlink_to("number")
    router.has_priority(WELL)
    router.the_rest_works(WELL)
    number.unlink()
    number.write_text("7\n")
    router.has_priority(WELL + 7)
    for text in ("VRRP_Script(own) cannot run: it is not executable",
                 "VRRP_Script(own) cannot run: no such file or directory",
                 "/number: it cannot be read and counts as 0: too many levels of symbolic links"):
        assert len(router.lines(text)) == 1, text
    router.is_unshaken()


ODD = """
vrrp_script loud {{
    script "{files}/loud"
    interval 0.5
    weight -1
}}
vrrp_script deaf {{
    script "{files}/deaf"
    interval 0.5
    weight -2
}}
vrrp_script parent {{
    script "{files}/parent"
    interval 0.5
    weight -4
}}
vrrp_script strange {{
    script "{files}/strange"
    interval 0.5
    weight -8
}}
track_file pipe {{
    file {files}/pipe
}}
track_file zero {{
    file {files}/zero
}}
track_file huge {{
    file {files}/huge
}}
track_file digits {{
    file {files}/digits
}}
"""
ODDLY = """
    track_script {{
        loud
        deaf
        parent
        strange
    }}
    track_file {{
        pipe
        zero
        huge
        digits
    }}
"""


def make_odd(files: Path) -> None:
    """Scripts that print 10 MB, ignore SIGTERM, leave a process behind that holds what they hold, and are for an
    interpreter that there is not; a pipe that nobody writes to, a file without end, a big one and a big number."""
    for name, text in (
        ("loud", "#!/bin/sh\nhead -c 10000000 /dev/zero\nhead -c 10000000 /dev/zero >&2"),
        ("deaf", "#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1; done"),
        ("parent", "#!/bin/sh\ntest -e $0.child || setsid sleep 600 &\ntouch $0.child"),
        ("strange", "#!/nowhere/sh\n"),
    ):
        (files / name).write_text(f"{text}\n")
        (files / name).chmod(0o755)
    os.mkfifo(files / "pipe")
    (files / "zero").symlink_to("/dev/zero")
    (files / "huge").write_text("3\n")
    os.truncate(files / "huge", 1 << 30)
    (files / "digits").write_text("1" * 5000)


def test_odd_scripts_and_files(scene: Scene) -> None:
    """Each time a line, and nobody waits. Of the script that ignores SIGTERM nothing is left at the end."""
    router = Watching(scene, ODD, ODDLY)
    make_odd(router.files)
    router.start(WELL + 3 - 2 - 8)
    for text in ("VRRP_Script(loud) succeeded", "VRRP_Script(deaf) timed_out", "VRRP_Script(parent) succeeded",
                 "VRRP_Script(strange) cannot run: ", "/pipe: not a regular file: it counts as 0",
                 "/zero: not a regular file: it counts as 0", "/digits: its number needs more than 32 bits"):
        router.says(text)
    router.the_rest_works(WELL + 3 - 2 - 8)
    router.is_unshaken()
    router.daemon.stop()
    assert not [pid for pid in router.daemon.processes() if command_line(pid).count(b"/deaf")]


def command_line(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def test_a_reload_that_cannot_be_used_changes_nothing(scene: Scene) -> None:
    """Without dynamic_interfaces an interface that is not there is a mistake, as in keepalived. A script that is not
    there is none."""
    router = Watching(scene).start(WELL)
    missing = "track_interface {{\n eth9 weight -30\n }}"
    router.reload(router.config("", missing), "there is no interface eth9")
    router.the_rest_works(WELL)
    router.reload(router.config("", "track_script {{\n nobody weight -20\n }}"), "track_script nobody is not defined")
    router.the_rest_works(WELL)
    router.is_unshaken()
    assert len(router.lines("there is no interface eth9")) == 1


# ------------------------------------------------------------------------------------------------------ the worker dies


def test_a_track_worker_that_is_killed_is_replaced(scene: Scene) -> None:
    """And nothing of it is left behind."""
    router = Watching(scene, SCRIPT, OWN)
    (router.files / "own").write_text("#!/bin/sh\nexec test -e ${0%/*}/fine\n")
    (router.files / "own").chmod(0o755)
    (router.files / "number").write_text("7\n")
    router.start(WELL + 7 - 20)
    first = router.worker()
    os.kill(first, signal.SIGKILL)
    successor = wait_until(lambda: router.worker() not in (0, first) and router.worker(), PATIENCE, "another one")
    router.says("the track worker was killed by signal 9: starting another one; what it said last counts meanwhile")
    router.the_rest_works(WELL + 7 - 20)
    (router.files / "fine").touch()
    router.has_priority(WELL + 7)
    assert router.worker() == successor and not Path(f"/proc/{first}").exists()
    spawners = [pid for pid in router.daemon.processes() if is_spawner(pid)]
    assert len(spawners) == 1, "that of the first one has gone with it"
    priorities = {advert.priority for advert in scene.sniffer.adverts("a", router.began)}
    assert priorities == {WELL + 7 - 20, PRIORITY + 7 - 20, WELL + 7}, "what was known went on to count"
    assert len(router.lines("the track worker was killed")) == 1
    router.is_unshaken()


def test_a_track_worker_that_stands_still_is_replaced(scene: Scene) -> None:
    """It is given 20 seconds; meanwhile and afterwards all is as it said last."""
    router = Watching(scene).start(WELL)
    first = router.worker()
    os.kill(first, signal.SIGSTOP)
    wait_until(lambda: router.worker() not in (0, first), 40, "another one")
    assert {advert.priority for advert in scene.sniffer.adverts("a", router.began)} == {WELL}
    router.the_rest_works(WELL)
    assert len(router.lines("the track worker has not moved for")) == 1
    assert len(router.lines("the track worker was killed by signal 9")) == 1
    router.is_unshaken()


def is_spawner(pid: int) -> bool:
    return b"hakeep.track.spawner" in command_line(pid)


# ---------------------------------------------------------------------------------------------------------------- BFD

SESSION = """
bfd_instance peer {{
    neighbor_ip 192.0.2.12
    min_rx 100
    min_tx 100
    multiplier 20
}}
"""
NEIGHBOR = "bfd_instance peer {\n neighbor_ip 192.0.2.11\n min_rx 100\n min_tx 100\n multiplier 20\n}\n"


def session(router: Watching) -> dict[str, object]:
    """The session, as `hakeep status` shows it."""
    enter = ("nsenter", f"--target={router.daemon.pid}", "--mount", "--root", "--net", "--")
    words = (sys.executable, "-m", "hakeep.cli.hakeep", "status", "--json")
    done = subprocess.run((*enter, *words), capture_output=True, text=True, timeout=30,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    (found,) = json.loads(done.stdout)["sessions"]
    return dict(found)


def malformed(number: int) -> dict[str, bytes]:
    """A packet of each kind that is to be refused. Were it taken, the session with this number would go down."""
    down = Packet(State.DOWN, 3, 7, number, 1.0, 1.0, Diagnostic.ADMIN_DOWN)
    raw = down.encode()

    def flags(bits: int) -> bytes:
        return bytes([raw[0], raw[1] | bits]) + raw[2:]

    return {
        "length": raw[:20], "version": b"\x60" + raw[1:], "multiplier": raw[:2] + b"\0" + raw[3:],
        "multipoint": flags(0x01), "authentication": flags(0x04), "my_discriminator": raw[:4] + bytes(4) + raw[8:],
        "your_discriminator": down._replace(state=State.UP, your_discriminator=0).encode(),
        "poll_and_final": flags(0x30), "diagnostic": bytes([raw[0] | 0x1F]) + raw[1:],
        "unknown_session": down._replace(your_discriminator=number ^ 0x5555).encode(),
    }  # fmt: skip


def test_a_neighbor_that_sends_what_is_no_bfd(scene: Scene) -> None:
    """Every kind of it, a hundred times each, and the good ones with a TTL of 254. The session stays as it is."""
    scene.network.add("b", "bfd", "hakeepd", NEIGHBOR).start()
    router = Watching(scene, SESSION, "track_bfd {{\n peer weight 20\n }}").start(WELL + 20)
    number = session(router)["discriminator"]
    assert isinstance(number, int)
    packets = malformed(number)
    assert set(REFUSALS) < set(packets)
    with scene.network["b"].inside():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sender:
        sender.bind(("192.0.2.12", 60000))
        for ttl, data in [*((255, data) for data in packets.values()), (254, Packet(
                State.DOWN, 3, 7, number, 1.0, 1.0, Diagnostic.ADMIN_DOWN).encode())]:
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, struct.pack("i", ttl))
            for _ in range(100):
                sender.sendto(data, ("192.0.2.11", SINGLE_HOP))
    dropped = "BFD packet from 192.0.2.12 dropped: "
    wait_until(lambda: len(router.lines(dropped)) == len(packets) + 1, PATIENCE, "each kind is spoken of once")
    router.the_rest_works(WELL + 20)
    shown = session(router)
    assert (shown["state"], shown["downs"]) == ("Up", 0)
    assert len(router.lines(dropped)) == len(packets) + 1
    router.is_unshaken()
