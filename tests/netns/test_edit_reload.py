"""`hakeep edit` and `hakeep reload` against a running daemon: it takes what was installed, and says so."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hosts import Daemon, wait_until
from scene import V3, Scene

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "cli"))

from terminal import TOOL, Terminal  # noqa: E402

pytestmark = pytest.mark.netns

PATIENCE = 10.0


@pytest.fixture
def daemon(scene: Scene) -> Daemon:
    """MASTER on host a, with priority 150."""
    it = scene.run("a", V3.config("a", 150))
    scene.wait_for_holder("a", PATIENCE)
    wait_until(lambda: "Startup complete" in it.log(), PATIENCE)
    return it


def config(daemon: Daemon) -> Path:
    return Path(daemon.words[daemon.words.index("-f") + 1])


def within(daemon: Daemon, *words: str) -> tuple[str, ...]:
    """The words of a command that runs where the daemon runs."""
    return ("/usr/bin/nsenter", f"--root=/proc/{daemon.pid}/root", "-t", str(daemon.pid), "--mount", "--net", "--wd=.",
            *words)


@pytest.fixture
def edit(daemon: Daemon, tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Edits by a command, of "$1"; answers a question. The exit status and what was shown."""

    def run(script: str, *words: str, answer: str = "") -> tuple[int, str]:
        editor = config(daemon).parent / "editor"
        editor.write_text(f"#!/bin/sh\n{script}\n")
        editor.chmod(0o755)
        command = within(daemon, *TOOL, "edit", *words)
        with Terminal(*command, environment={"EDITOR": str(editor)}, folder=ROOT) as terminal:
            if answer:
                terminal.until("? ")
                terminal.type(f"{answer}\n")
            return terminal.end()

    return run


def reload(daemon: Daemon) -> tuple[int, str]:
    done = subprocess.run(within(daemon, *TOOL, "reload"), cwd=ROOT, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_the_daemon_takes_what_was_edited(scene: Scene, daemon: Daemon, edit: Callable[..., tuple[int, str]]) -> None:
    status, shown = edit("sed -i s/150/140/ \"$1\"")  # without FILE: what the daemon uses
    assert status == 0, shown
    assert f"{config(daemon)} is installed" in shown
    assert "Changed: " in shown and "the new configuration is in force" in shown
    assert scene.next_advert("a", PATIENCE).priority == 140
    assert (config(daemon).parent / f"{config(daemon).name}~1").read_text() == V3.config("a", 150)
    status, shown = edit("printf '# words\\n' >> \"$1\"")
    assert status == 0 and "means what it meant before" in shown


def test_an_included_file_is_judged_with_what_includes_it(
    scene: Scene, daemon: Daemon, edit: Callable[..., tuple[int, str]]
) -> None:
    part = config(daemon).parent / "part.inc"
    part.write_text("priority 150\n")
    config(daemon).write_text(V3.config("a", 150).replace("priority 150", f"include {part}"))
    status, shown = edit("echo priority 130 > \"$1\"", str(part))
    assert status == 0 and "the new configuration is in force" in shown, shown
    assert scene.next_advert("a", PATIENCE).priority == 130


def test_a_file_that_the_daemon_does_not_use_reloads_nothing(
    daemon: Daemon, edit: Callable[..., tuple[int, str]]
) -> None:
    other = config(daemon).parent / "other.conf"
    other.write_text(V3.config("a", 150))
    status, shown = edit("sed -i s/150/140/ \"$1\"", str(other))
    assert status == 0 and f"hakeepd uses {config(daemon)}, not this file" in shown
    assert "Reloading" not in daemon.log()


def test_reload_says_what_became_of_it(scene: Scene, daemon: Daemon) -> None:
    assert reload(daemon) == (0, "reloaded: the configuration means what it meant before\n")
    config(daemon).write_text(V3.config("a", 120))
    status, shown = reload(daemon)
    assert status == 0 and shown.endswith("reloaded: the new configuration is in force\n")
    assert scene.next_advert("a", PATIENCE).priority == 120
    config(daemon).write_text(V3.config("a", 110).replace("eth0", "nosuch0"))
    status, shown = reload(daemon)
    assert status == 1
    assert "nosuch0" in shown and "refuses the configuration and goes on" in shown
    assert scene.next_advert("a", PATIENCE).priority == 120


def test_what_is_installed_anyway_is_taken_too(
    scene: Scene, daemon: Daemon, edit: Callable[..., tuple[int, str]]
) -> None:
    status, shown = edit("sed -i 's|priority 150|weigth 3|' \"$1\"", answer="i")
    assert "is installed" in shown
    assert status == 0 and "the new configuration is in force" in shown, "it runs with an error, as was wanted"
    assert scene.next_advert("a", PATIENCE).priority == 100, "the default"
