"""The flight recorder of a real daemon: on order, on a signal, and when a worker dies."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts import ROOT, Daemon, wait_until
from scene import V3, Scene, Way

pytestmark = pytest.mark.netns

TOOL = (sys.executable, "-m", "hakeep.cli.hakeep")
PATIENCE = 10.0
PASSWORD = "hunter2!"
AUTH = f"authentication {{\n auth_type PASS\n auth_pass {PASSWORD}\n}}"

#: A hakeepd whose worker dies or hangs when it finds an order to.
BREAKABLE = """
import sys
from collections.abc import Iterator
from pathlib import Path
from hakeep.cli.hakeepd import main
from hakeep.vrrp.process import VrrpProcess

turn = VrrpProcess._turn

def turn_or_break(self, *ready):
    order = Path("/run/order")
    if order.exists():
        what = order.read_text()
        order.unlink()
        if what == "die":
            raise RuntimeError("ordered by the test")
        while what == "hang":
            pass
    turn(self, *ready)

VrrpProcess._turn = turn_or_break
sys.exit(main())
"""


def tool(daemon: Daemon, *words: str, status: int | None = 0) -> str:
    """What `hakeep WORDS` prints where the daemon lives: its network, its /run. `status` None = any."""
    enter = ("nsenter", f"--target={daemon.pid}", "--mount", "--root", "--net", "--")
    done = subprocess.run(
        (*enter, *TOOL, *words), capture_output=True, text=True, timeout=30, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert status in (None, done.returncode), done.stderr
    return done.stderr if status else done.stdout


def inside(daemon: Daemon, path: str) -> Path:
    """A path of the daemon's own /run, as seen from here."""
    return Path(f"/proc/{daemon.pid}/root{path}")


def order(daemon: Daemon, what: str) -> None:
    """Have the worker do what `BREAKABLE` knows."""
    unfinished = inside(daemon, "/run/order.new")
    unfinished.write_text(what)
    unfinished.rename(inside(daemon, "/run/order"))


def recordings(daemon: Daemon) -> list[str]:
    """The recordings that lie there, by name."""
    return sorted(path.name for path in inside(daemon, "/run/hakeep").glob("record-*"))


def worker(daemon: Daemon) -> int:
    """The pid of the vrrp worker; 0 when there is none."""
    return int(json.loads(tool(daemon, "status", "--json", status=None))["workers"].get("vrrp", 0))


@pytest.fixture
def breakable(tmp_path: Path) -> Iterator[Scene]:
    """A scene whose daemon obeys `order`."""
    script = tmp_path / "breakable.py"
    script.write_text(BREAKABLE)
    with Scene(f"{sys.executable} {script}") as scene:
        yield scene


def master(scene: Scene, way: Way = V3) -> Daemon:
    daemon = scene.run("a", way.config("a", 150))
    scene.wait_for_holder("a", PATIENCE)
    return daemon


def test_a_recording_shows_the_way_to_master(scene: Scene) -> None:
    daemon = master(scene)
    path = tool(daemon, "record").strip()
    found = inside(daemon, path).lstat()
    assert stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o600 and found.st_uid == os.geteuid()
    shown = tool(daemon, "replay", path)
    assert "Entering MASTER STATE" in shown
    assert "BACKUP -> MASTER" in shown
    assert f"flight recorder written as ordered: {path}" in daemon.log()


def test_adverts_go_on_while_it_is_written(scene: Scene) -> None:
    daemon = master(scene)
    for _ in range(3):
        tool(daemon, "record")
    wait_until(lambda: len(scene.sniffer.adverts("a")) > 5, PATIENCE)
    adverts = [frame.at for frame in scene.sniffer.adverts("a")]
    gaps = [later - earlier for earlier, later in itertools.pairwise(adverts)]
    assert max(gaps) < 0.2 + 0.1
    assert scene.holders() == {"a"}


def test_no_more_than_five_are_kept(scene: Scene) -> None:
    daemon = master(scene)
    for _ in range(7):
        tool(daemon, "record")
    written = re.findall(r"flight recorder written .*: /run/hakeep/(record-\S+)", daemon.log())
    assert len(written) >= 7
    assert recordings(daemon) == sorted(written[-5:])


def test_the_password_is_not_in_it(scene: Scene) -> None:
    way = Way(version=2, interval=1)
    own = scene.run("b", way.config("b", 200, AUTH))
    scene.wait_for_holder("b", PATIENCE)
    daemon = scene.run("a", way.config("a", 150, AUTH))
    frame = scene.next_advert("b", PATIENCE)
    assert frame, "a has heard the password"
    wait_until(lambda: len(scene.sniffer.adverts("b", frame.at)) > 1, PATIENCE)
    path = tool(daemon, "record").strip()
    text = inside(daemon, path).read_text()
    assert PASSWORD not in text and PASSWORD.encode().hex() not in text
    assert "priority 200" in tool(daemon, "replay", path)
    own.signal(signal.SIGTERM)
    scene.wait_for_holder("a", PATIENCE)
    assert "Entering MASTER STATE" in tool(daemon, "replay", tool(daemon, "record").strip())


def test_sigquit_to_the_worker_writes_it(scene: Scene) -> None:
    daemon = master(scene)
    before = worker(daemon)
    os.kill(before, signal.SIGQUIT)
    wait_until(lambda: recordings(daemon), PATIENCE, "a recording")
    (name,) = recordings(daemon)
    assert name.startswith(f"record-{before}-")
    assert "Entering MASTER STATE" in tool(daemon, "replay", f"/run/hakeep/{name}")
    assert worker(daemon) == before and scene.holders() == {"a"}


def test_a_hanging_worker_writes_it_before_it_is_killed(breakable: Scene) -> None:
    daemon = master(breakable)
    before = worker(daemon)
    order(daemon, "hang")
    wait_until(lambda: recordings(daemon), PATIENCE, "a recording")
    assert all(name.startswith(f"record-{before}-") for name in recordings(daemon))
    wait_until(lambda: worker(daemon) not in (0, before), PATIENCE, "another worker")
    breakable.wait_for_holder("a", PATIENCE)


def test_a_worker_that_dies_of_an_exception_leaves_it(breakable: Scene) -> None:
    daemon = master(breakable)
    before = worker(daemon)
    order(daemon, "die")
    wait_until(lambda: recordings(daemon), PATIENCE, "a recording")
    (name,) = recordings(daemon)
    assert name.startswith(f"record-{before}-")
    assert "Entering MASTER STATE" in tool(daemon, "replay", f"/run/hakeep/{name}")
    wait_until(lambda: f"because the worker dies: /run/hakeep/{name}" in daemon.log(), PATIENCE, "a line in the log")
    wait_until(lambda: worker(daemon) not in (0, before), PATIENCE, "another worker")
    breakable.wait_for_holder("a", PATIENCE)


def test_what_is_no_recording_is_said_in_a_sentence(scene: Scene) -> None:
    daemon = master(scene)
    path = inside(daemon, "/run/damaged")
    path.write_bytes(inside(daemon, tool(daemon, "record").strip()).read_bytes()[:-5])
    said = tool(daemon, "replay", "/run/damaged", status=1)
    assert len(said.splitlines()) == 1 and "Traceback" not in said
