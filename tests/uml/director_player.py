"""Runs inside User Mode Linux: hakeepd as a director on IPVS, beside keepalived and with clients.

    python director_player.py FOLDER SCENE...       a JSON document for each scene into FOLDER

Nothing is judged here; that is done outside, in test_director_uml.py and test_director_packets_uml.py.
"""

from __future__ import annotations

import functools
import json
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import director_cases as cases
import director_hands
import director_lan
import director_spread
import director_web
import inside
from director_host import HAKEEPD, KEEPALIVED, Director

#: Seconds for a round of checks and a retry, and until tables that differ will not become equal any more.
ROUND, LATE = 5.0, 12.0


class Checked(Director):
    """A director, and the ports and files that its checks look for."""

    def __init__(self, name: str, config: str, words: Sequence[str]) -> None:
        super().__init__("pair", name, config, words)
        self.open: dict[tuple[int, int], socket.socket] = {}

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

    def tables(self) -> dict[str, str]:
        """What ipvsadm(8) says, and with the thresholds, which it does not save, what `hakeep ipvs` says."""
        return {"plain": self.table(), "exact": self.hakeep_ipvs("-S -n --exact")}


def differential() -> Any:
    """Both daemons with the same configuration through the same failures: their tables at each moment."""
    before, after = cases.configuration(), cases.configuration(changed=True)
    directors = {name: Checked(name, before, words)
                 for name, words in (("hakeepd", (*HAKEEPD, "-C")), ("keepalived", KEEPALIVED))}
    record: dict[str, Any] = {"moments": {}, "seconds": {}}

    def compare(moment: str, patience: float = ROUND) -> None:
        begun = time.monotonic()
        time.sleep(patience)
        while True:
            found = {name: director.tables() for name, director in directors.items()}
            same = cases.agree(moment, *(table["exact"] for table in found.values()))
            if same or time.monotonic() - begun > LATE:
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
                    director.config.write_text(after)
                    director.send(signal.SIGHUP)
            if moment == "started":
                inside.wait_until(lambda: all(d.table().count("-A ") >= len(cases.CASES) - 5
                                              for d in directors.values()), "both have a table")
            compare(moment)
        for director in directors.values():
            director.stop()
        compare("stopped", 0)
    finally:
        for director in directors.values():
            director.end()
        record["logs"] = {name: director.log.read_text(errors="replace") for name, director in directors.items()}
    return record


#: Scenes with clients and real servers: the configurations of the directors, their options, and what happens.
ON_A_LAN: dict[str, tuple[dict[str, str], tuple[str, ...], Callable[[director_lan.Lan], Iterator[Any]]]] = {
    "packets": ({"a": director_lan.packet_config()}, ("-C",), director_lan.packets),
    "spread": ({"a": director_spread.CONFIG}, ("-C",), director_spread.spread),
    "web": ({"a": director_web.CONFIG}, ("-C",), director_web.web),
    "failover": ({"a": director_lan.failover_config(150), "b": director_lan.failover_config(100)}, (),
                 director_lan.failover),
}

SCENES: dict[str, Callable[[], Any]] = {
    "differential": differential,
    "hands": director_hands.hands,
    **{name: functools.partial(director_lan.play, name, *scene) for name, scene in ON_A_LAN.items()},
}


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
