"""A host with one director on it, inside User Mode Linux, and its table as ipvsadm(8) shows it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import inside
from ipvs_player import ours, theirs

from hakeep.cli import hakeep

HAKEEPD = (*inside.HAKEEPD, "-f", "/run/hakeep.conf")
KEEPALIVED = ("keepalived", "-C", "-n", "-l", "-D", "-G", "-f", "/run/hakeep.conf")


class Director(inside.Host):
    """A host whose daemon is started by these words. (It need not have one.)"""

    def __init__(self, scene: str, name: str, config: str = "", words: Sequence[str] = ()) -> None:
        super().__init__(scene, name, config)
        self.words = tuple(words)

    def start(self) -> None:
        """Starts the daemon; its output is appended to the log."""
        prefix = ("nsenter", f"--net=/run/netns/{self.namespace}", "--", "unshare", "--mount", "--", "sh", "-c",
                  f'mount --bind {self.run} /run && exec "$@"', "sh")
        with self.log.open("ab") as log:
            self.daemon = subprocess.Popen(
                (*prefix, *self.words), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=inside.ROOT)

    def send(self, number: int) -> None:
        """A signal to the daemon's first process."""
        assert self.daemon is not None
        self.daemon.send_signal(number)

    def stop(self) -> None:
        """TERM, until it has ended."""
        self.send(signal.SIGTERM)
        inside.wait_until(lambda: not self.alive(), f"{self.name} ends")

    def said(self, what: str) -> int:
        """How many times it stands in the log."""
        return self.log.read_text(errors="replace").count(what)

    def worker(self) -> int:
        """The process of the lvs worker, 0 = there is none."""
        for pid in inside.command("ip", "netns", "pids", self.namespace).split():
            try:
                if Path(f"/proc/{pid}/comm").read_text() == "hakeepd_lvs\n":
                    return int(pid)
            except OSError:
                continue
        return 0

    def ipvsadm(self, words: str) -> str:
        """What ipvsadm(8) says there."""
        with self.inside():
            return str(theirs(words)["output"])

    def table(self) -> str:
        """The table, as ipvsadm saves it."""
        return self.ipvsadm("-S -n")

    def hakeep_ipvs(self, words: str) -> str:
        """What `hakeep ipvs` says there."""
        with self.inside():
            return str(ours(words)["output"])

    def tool(self, *words: str) -> None:
        """`hakeep WORDS` there."""
        with self.inside():
            assert hakeep.main(list(words)) == 0, words
