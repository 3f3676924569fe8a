"""last_standing: when the checks of all routers have failed, the best of them serves on, and says so."""

from __future__ import annotations

import pytest
from hosts import Daemon, wait_until
from scene import V3, Scene
from test_daemon import TOOL, within

pytestmark = pytest.mark.netns

PATIENCE = 15.0
PRIORITIES = {"a": 150, "b": 100}

SCRIPT = """
vrrp_script vital {{
    script "/usr/bin/test ! -e {files}/failed-{host}"
    interval 0.2
}}
"""
MORE = """
    last_standing on
    track_script {
        vital
    }
"""


class Both:
    """Two routers, each with a script that fails while a file is there."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.files = scene.network.files
        self.daemons: dict[str, Daemon] = {}
        for host, priority in PRIORITIES.items():
            script = SCRIPT.format(files=self.files, host=host)
            self.daemons[host] = scene.run(host, script + V3.config(host, priority, MORE))

    def fail(self, *hosts: str) -> None:
        """The checks of these hosts fail, and those of no other."""
        for host in PRIORITIES:
            path = self.files / f"failed-{host}"
            if host in hosts:
                path.touch()
            else:
                path.unlink(missing_ok=True)

    def says(self, host: str, priority: int, deadline: float = PATIENCE) -> None:
        """Wait until its adverts say so."""
        wait_until(
            lambda: (seen := self.scene.sniffer.adverts(host, 0.0)) and seen[-1].priority == priority, deadline,
            f"{host} says priority {priority}")


def test_the_best_of_the_failed_ones_serves(scene: Scene) -> None:
    both = Both(scene)
    scene.wait_for_holder("a", PATIENCE)
    both.fail("a")
    scene.wait_for_holder("b", PATIENCE)
    both.fail("a", "b")
    scene.wait_for_holder("a", PATIENCE)
    both.says("a", 18)  # 1 + 149 * 30 // 253: below everybody who is well, above the other failed one
    assert "the last one standing: serving although script vital failed" in both.daemons["a"].log()
    shown = within(both.daemons["a"], *TOOL, "status").stdout
    assert "MASTER last standing" in shown
    both.fail("a")
    scene.wait_for_holder("b", PATIENCE)
    both.fail()
    scene.wait_for_holder("a", PATIENCE)
    both.says("a", 150)
