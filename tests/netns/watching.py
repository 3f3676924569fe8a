"""A router whose priority is moved by things that are watched, for tests of what goes wrong with them.

It is alone and MASTER, and its adverts tell its priority. Whatever happens to what it watches, it keeps its address and
goes on with its adverts; one script that is well and can be made to fail shows that the rest works.
"""

from __future__ import annotations

import itertools
import signal
import time
from pathlib import Path

from hosts import Daemon, wait_until
from scene import V3, Scene

PATIENCE = 20.0

#: What an address owes to those who use it: no more than this between two adverts, in seconds.
LONGEST_PAUSE = 1.5 * V3.interval

#: The priority without anything, and what the script that is well adds.
PRIORITY, PULSE = 100, 10

CONFIG = """
global_defs {{
    script_user root
    {more}
}}
vrrp_script pulse {{
    script "/usr/bin/test -e {files}/pulse"
    interval 0.2
    weight {pulse}
}}
{things}
vrrp_instance web {{
    version 3
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int {interval:g}
    virtual_ipaddress {{
        192.0.2.100/24
    }}
    track_script {{
        pulse
    }}
    {tracks}
}}
"""


class Watching:
    """The router, on host a. `things` are definitions, `tracks` what of them the instance goes by; {files} stands for
    a folder that the test may write to."""

    def __init__(self, scene: Scene, things: str = "", tracks: str = "", more: str = "") -> None:
        self.scene = scene
        self.files = scene.network.files
        self.pulse = self.files / "pulse"
        self.pulse.touch()
        self.began = 0.0
        self.daemon: Daemon = scene.network.add("a", "vrrp", "hakeepd", self.config(things, tracks, more))

    def config(self, things: str = "", tracks: str = "", more: str = "") -> str:
        """The text of a configuration."""
        return CONFIG.format(
            things=things.format(files=self.files), tracks=tracks.format(files=self.files), more=more,
            files=self.files, pulse=PULSE, priority=PRIORITY, interval=V3.interval)

    def start(self, priority: int) -> Watching:
        """Until it is MASTER with this priority. From then on it must not waver."""
        self.scene.start(self.daemon)
        self.has_priority(priority)
        self.began = time.time()
        return self

    def reload(self, text: str, outcome: str) -> None:
        """Have it read another configuration, until it says what comes of that."""
        before = self.log().count(outcome)
        Path(self.daemon.words[self.daemon.words.index("-f") + 1]).write_text(text)
        self.daemon.signal(signal.SIGHUP)
        wait_until(lambda: self.log().count(outcome) > before, PATIENCE, outcome)

    # -- what it shows

    def log(self) -> str:
        return self.daemon.log()

    def says(self, text: str) -> None:
        """Until the log has it."""
        wait_until(lambda: text in self.log(), PATIENCE, f"the log says {text!r}")

    def lines(self, text: str) -> list[str]:
        """The lines of the log that have it."""
        return [line for line in self.log().splitlines() if text in line]

    def has_priority(self, priority: int, deadline: float = PATIENCE) -> None:
        """Until its adverts say so."""
        def said() -> int:
            adverts = self.scene.sniffer.adverts("a")
            return adverts[-1].priority if adverts else 0

        wait_until(lambda: said() == priority, deadline, f"priority {priority}")

    def worker(self, name: str = "hakeepd_track") -> int:
        """The pid of a worker, 0 when there is none."""
        for pid in self.daemon.processes():
            comm = Path(f"/proc/{pid}/comm")
            if pid != self.daemon.pid and comm.exists() and comm.read_text() == f"{name}\n":
                return pid
        return 0

    # -- what must be so in every case

    def the_rest_works(self, priority: int) -> None:
        """The script that is well still moves the priority, which is this one now."""
        self.pulse.unlink()
        self.has_priority(priority - PULSE)
        self.pulse.touch()
        self.has_priority(priority)

    def is_unshaken(self, *, faults: bool = False) -> None:
        """No advert was late since it began, the address stayed, and no exception came to light. With `faults` it had
        to give the address up."""
        adverts = [advert.at for advert in self.scene.sniffer.adverts("a", self.began)]
        assert len(adverts) >= 2
        pause = max(later - earlier for earlier, later in itertools.pairwise(adverts))
        assert faults or pause < LONGEST_PAUSE, f"{pause * 1000:.0f} ms between two adverts"
        assert faults or all(held for _, _, held in self.scene.watch.changes)
        for shame in ("Traceback", "Error(", "failed, trying again", "cannot watch all", "makes no sense"):
            assert shame not in self.log()
