"""What users see of things that are watched: in the status, its JSON, and the dumps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hosts import HAKEEPD, ROOT, Daemon, Network, wait_until
from scene import PLAN, V3

pytestmark = pytest.mark.netns

PATIENCE = 20.0
TOOL = (sys.executable, "-m", "hakeep.cli.hakeep")

WATCHED = """
vrrp_script well {{
    script "/bin/true"
    interval 1
    weight 5
}}
vrrp_script ill {{
    script "/bin/false"
    interval 1
    weight -20
}}
track_file number {{
    file {files}/number
}}
vrrp_track_process sleeper {{
    process {files}/sleeper
    quorum 2
}}
bfd_instance peer {{
    neighbor_ip 192.0.2.12
    source_ip 192.0.2.11
}}
"""

TRACK = """
    track_script {{
        well
        ill
    }}
    track_file {{
        number weight 2
    }}
    track_process {{
        sleeper weight 1
    }}
    track_bfd {{
        peer weight 1
    }}
"""


@pytest.fixture
def network() -> Iterator[Network]:
    with Network(PLAN, HAKEEPD) as network:
        yield network


def within(daemon: Daemon, *words: str) -> str:
    """What a command says where the daemon lives."""
    enter = ("nsenter", f"--target={daemon.pid}", "--mount", "--root", "--net", "--")
    return subprocess.run((*enter, *words), capture_output=True, text=True, timeout=30,
                          env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "150"}).stdout


def test_all_that_is_watched_is_shown(network: Network) -> None:
    files = network.files
    (files / "number").write_text("7\n")
    (files / "sleeper").symlink_to("/bin/sleep")
    base = V3.config("a", 100, more="track")
    config = base.replace("track", TRACK.format(), 1).replace(
        "global_defs {", "global_defs {\n script_user root\n json_version 2\n", 1)
    daemon = network.add("a", "vrrp", "hakeepd", WATCHED.format(files=files) + config)
    sleeper = subprocess.Popen((str(files / "sleeper"), "1000"))
    try:
        daemon.start()

        def settled() -> dict[str, object] | None:
            said = within(daemon, *TOOL, "status", "--json")
            found = json.loads(said) if said.startswith("{") else {}
            ran = {thing["name"]: thing["runs"] for thing in found.get("things", ())}
            known = ran.get("well", 0) > 1 and ran.get("ill", 0) > 1 and ran.get("sleeper", 0) > 0
            return found if known and found["sessions"] else None

        try:
            found = wait_until(settled, PATIENCE, "all is known")
        except TimeoutError as error:
            error.add_note(daemon.log() + within(daemon, *TOOL, "status", "-v"))
            raise
        things = {thing["name"]: thing for thing in found["things"]}
        assert {name: thing["well"] for name, thing in things.items()} == {
            "well": True, "ill": False, "number": True, "sleeper": False}
        assert things["ill"]["failures"] == things["ill"]["runs"] and things["ill"]["status"] == 1
        assert things["well"]["failures"] == 0 and things["well"]["latency"] > 0
        assert things["number"]["value"] == 7
        assert (found["sessions"][0]["name"], found["sessions"][0]["state"]) == ("peer", "Down")
        text = within(daemon, *TOOL, "status", "-v")
        for line in ("script ill", "file number", "process sleeper", "BFD SESSION", "peer"):
            assert any(each.startswith(line) for each in text.splitlines()), text
        daemon.signal(signal.SIGUSR1)
        data = dump(daemon, "data")
        assert "   Result = 1\n   Init state = unknown\n   Status = GOOD\n" in data
        assert "   Result = 0\n   Init state = unknown\n   Status = BAD\n   Last run = exited with status 1\n" in data
        assert f"   File = {files}/number\n   Status = 7\n" in data
        assert "   Current processes = 1\n   Have quorum = false\n" in data
        assert " VRRP Track BFD = peer\n   Bfd is Down\n" in data
        daemon.signal(signal.SIGRTMIN + 2)
        (process,) = json.loads(dump(daemon, "json"))["track_process"]
        assert (process["process"], process["current_processes"]) == (f"{files}/sleeper", 1)
    finally:
        sleeper.kill()
        sleeper.wait()


def dump(daemon: Daemon, kind: str) -> str:
    """The dump of this kind, once it is there."""
    return str(wait_until(lambda: within(daemon, "cat", f"/run/hakeep/hakeep.{kind}"), PATIENCE, kind))
