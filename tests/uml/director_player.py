"""Runs inside User Mode Linux: hakeepd as a director on IPVS, beside keepalived and with clients.

    python director_player.py FOLDER SCENE...       a JSON document for each scene into FOLDER

Nothing is judged here; that is done outside, in test_director_uml.py.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import director_cases as cases
import inside
from ipvs_player import ours, theirs

#: Seconds for a round of checks and a retry, and until tables that differ will not become equal any more.
ROUND, LATE = 5.0, 12.0

HAKEEPD = (*inside.HAKEEPD, "-C", "-f", "/run/hakeep.conf")
KEEPALIVED = ("keepalived", "-C", "-n", "-l", "-D", "-G", "-f", "/run/hakeep.conf")


class Director(inside.Host):
    """A host with one of the two daemons, and the ports that their checks connect to."""

    def __init__(self, scene: str, name: str, config: str, words: Sequence[str]) -> None:
        super().__init__(scene, name, config)
        self.words = tuple(words)
        self.open: dict[tuple[int, int], socket.socket] = {}
        with self.inside():
            theirs("-C")

    def start(self) -> None:
        prefix = ("nsenter", f"--net=/run/netns/{self.namespace}", "--", "unshare", "--mount", "--", "sh", "-c",
                  f'mount --bind {self.run} /run && exec "$@"', "sh")
        with self.log.open("ab") as log:
            self.daemon = subprocess.Popen(
                (*prefix, *self.words), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=inside.ROOT)

    def reload(self, config: str) -> None:
        self.config.write_text(config)
        assert self.daemon is not None
        self.daemon.send_signal(signal.SIGHUP)

    def ill(self, servers: Iterable[int]) -> None:
        """These real servers of each case are ill, the others are well."""
        wanted = {1, 2, 3, 4} - set(servers)
        with self.inside():
            for case in range(len(cases.CASES)):
                for server in (1, 2, 3, 4):
                    port = cases.port(case, server)
                    if server in wanted and (case, server) not in self.open:
                        self.open[case, server] = socket.create_server(("127.0.0.1", port), backlog=1000)
                    elif server not in wanted and (case, server) in self.open:
                        self.open.pop((case, server)).close()
                    file = self.run / f"{case + 1}-{server}"
                    file.touch() if server in wanted else file.unlink(missing_ok=True)

    def table(self) -> dict[str, str]:
        """What ipvsadm(8) says, and with the thresholds, which it does not save, what `hakeep ipvs` says."""
        with self.inside():
            return {"plain": theirs("-S -n")["output"], "exact": ours("-S -n --exact")["output"]}


def differential() -> Any:
    """Both daemons with the same configuration through the same failures: their tables at each moment."""
    files = Path("/run")
    before, after = cases.configuration(files), cases.configuration(files, changed=True)
    directors = {name: Director("pair", name, before, words)
                 for name, words in (("hakeepd", HAKEEPD), ("keepalived", KEEPALIVED))}
    record: dict[str, Any] = {"moments": {}, "seconds": {}}

    def compare(moment: str, patience: float = ROUND) -> None:
        begun = time.monotonic()
        time.sleep(patience)
        while True:
            found = {name: director.table() for name, director in directors.items()}
            late = time.monotonic() - begun > LATE
            if late or len({tuple(sorted(table["exact"].splitlines())) for table in found.values()}) == 1:
                break
            time.sleep(0.5)
        record["moments"][moment] = found
        record["seconds"][moment] = time.monotonic() - begun

    try:
        for moment, ill in cases.MOMENTS.items():
            for director in directors.values():
                director.ill(ill)
                if moment == "started":
                    director.start()
                elif moment == "changed":
                    director.reload(after)
            if moment == "started":
                inside.wait_until(lambda: all(d.table()["plain"].count("-A ") >= len(cases.CASES) - 5
                                              for d in directors.values()), "both have a table")
            compare(moment)
        for director in directors.values():
            assert director.daemon is not None
            director.daemon.terminate()
        for director in directors.values():
            inside.wait_until(lambda director=director: not director.alive(), f"{director.name} ends")
        compare("stopped", 0)
    finally:
        for director in directors.values():
            director.end()
        record["logs"] = {name: director.log.read_text(errors="replace") for name, director in directors.items()}
        Path("/run/results/pair.json").write_text(json.dumps(record))
    return record


SCENES: dict[str, Callable[[], Any]] = {each.__name__: each for each in (differential,)}


def main(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        start = time.monotonic()
        try:
            record = {"result": SCENES[name]()}
        except BaseException:
            record = {"error": traceback.format_exc()}
        record["seconds"] = time.monotonic() - start
        (folder / f"{name}.json").write_text(json.dumps(record))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
