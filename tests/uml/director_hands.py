"""Other hands on the table of a director, inside User Mode Linux: leftovers, foreign services, somebody's ipvsadm(8),
a worker that is killed; and what is left at the end."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import inside
from director_host import HAKEEPD, Director

#: Somebody else's.
FOREIGN = ("-A -t 10.9.9.9:99 -s rr", "-a -t 10.9.9.9:99 -r 10.9.9.8:99 -m -w 1")

#: Of a director before ours: another scheduler, a weight that we do not want, and a server that we do not know.
LEFTOVERS = (
    "-A -t 10.1.0.1:80 -s wlc -p 77", "-a -t 10.1.0.1:80 -r 10.2.0.77:80 -m -w 1",
    "-a -t 10.1.0.1:80 -r 10.2.0.1:80 -m -w 9")

#: What somebody does to ours, with both hands.
MISCHIEF = (
    "-d -t 10.1.0.1:80 -r 10.2.0.1:80", "-e -t 10.1.0.1:80 -r 10.2.0.2:80 -m -w 50",
    "-a -t 10.1.0.1:80 -r 10.2.0.66:80 -m -w 1", "-D -t 10.1.0.2:80")

#: The third server is ill from the start: nobody listens at this port.
CONFIG = """
%s
virtual_server 10.1.0.1 80 {
    lvs_sched rr
    lvs_method NAT
    protocol TCP
    delay_loop 1
    warmup 0
    real_server 10.2.0.1 80 {
    }
    real_server 10.2.0.2 80 {
    }
    real_server 10.2.0.3 80 {
        TCP_CHECK {
            connect_ip 127.0.0.1
            connect_port 9
            connect_timeout 1
        }
    }
}
virtual_server 10.1.0.2 80 {
    lvs_sched wrr
    lvs_method DR
    protocol TCP
    real_server 10.2.0.1 80 {
        weight 5
    }
}
"""
FLUSHING = CONFIG % "global_defs {\nlvs_flush\nlvs_flush_on_stop\nlvs_timeouts tcp 700 tcpfin 60 udp 90\n}"
FLUSHING_OURS = CONFIG % "global_defs {\nlvs_flush_on_stop VS\n}"

WANTED = [
    "-A -t 10.1.0.1:80 -s rr", "-a -t 10.1.0.1:80 -r 10.2.0.1:80 -m -w 1", "-a -t 10.1.0.1:80 -r 10.2.0.2:80 -m -w 1",
    "-A -t 10.1.0.2:80 -s wrr", "-a -t 10.1.0.2:80 -r 10.2.0.1:80 -g -w 5"]


def lines(director: Director) -> list[str]:
    """The table, sorted."""
    return sorted(line.strip() for line in director.table().splitlines())


def _until_wanted(director: Director) -> None:
    inside.wait_until(lambda: set(WANTED) <= set(lines(director)) and not any(
        ".0.3:80" in line for line in lines(director)), f"ours as wanted; it is {lines(director)}")


def _make(director: Director, commands: tuple[str, ...]) -> None:
    for words in commands:
        director.ipvsadm(words)


def hands() -> Any:
    """What the table holds, step by step."""
    director = Director("hands", "a", CONFIG % "", (*HAKEEPD, "-C"))
    seen: dict[str, Any] = {}
    try:
        _make(director, FOREIGN + LEFTOVERS)
        director.start()
        _until_wanted(director)
        seen["adopted"] = lines(director)

        _make(director, MISCHIEF)
        begun = time.monotonic()
        seen["mischief"] = lines(director)
        inside.wait_until(lambda: lines(director) == seen["adopted"], "what was altered is put back")
        seen["seconds"] = time.monotonic() - begun
        director.ipvsadm("-e -t 10.9.9.9:99 -r 10.9.9.8:99 -m -w 42")
        seen["foreign"] = lines(director)

        first = director.worker()
        director.send(signal.SIGSTOP)  # so that there is a while without a worker
        os.kill(first, signal.SIGKILL)
        inside.wait_until(lambda: director.worker() != first or "Z" in _state(first), "the worker is dead")
        seen["without a worker"] = lines(director)
        _make(director, MISCHIEF)
        director.send(signal.SIGCONT)
        inside.wait_until(lambda: director.worker() not in (0, first), "another worker")
        after = []
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline and (not after or after[-1] != seen["foreign"]):
            after.append(lines(director))
        time.sleep(3)  # more than a round of checks
        seen["another worker"] = [*after, lines(director)]

        inside.send(signal.SIGKILL, [int(pid) for pid in
                                     inside.command("ip", "netns", "pids", director.namespace).split()])
        seen["all are killed"] = lines(director)
        lives = director.said("LVS start-up complete")
        director.start()
        after = []
        while director.said("LVS start-up complete") == lives or len(after) < 20:
            after.append(lines(director))
        _until_wanted(director)
        seen["a start after that"] = after
        director.stop()
        seen["stopped"] = lines(director)

        director.words += ("-I",)
        director.start()
        _until_wanted(director)
        director.stop()
        seen["left"] = lines(director)

        director.words = director.words[:-1]
        seen["timeouts"] = director.ipvsadm("-L --timeout")
        director.config.write_text(FLUSHING)
        director.start()
        inside.wait_until(lambda: lines(director) == sorted(WANTED), "a table that was flushed")
        seen["flushed"] = lines(director)
        seen["timeouts"] = [seen["timeouts"], director.ipvsadm("-L --timeout")]
        _make(director, FOREIGN)
        director.stop()
        seen["flushed at the end"] = lines(director)
        seen["timeouts"].append(director.ipvsadm("-L --timeout"))

        director.config.write_text(FLUSHING_OURS)
        _make(director, FOREIGN)
        director.start()
        _until_wanted(director)
        director.stop()
        seen["ours flushed at the end"] = lines(director)
    except Exception as error:
        seen["trouble"] = repr(error)
    finally:
        director.end()
    return {"seen": seen, "log": director.log.read_text(errors="replace")}


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"
