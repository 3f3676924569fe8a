"""The lab's command line: topologies that stay up until they are taken down.

A topology lives in a world of its own (see world.py), whose first process is written down in a state file. Every other
command joins that world; `down` ends it, and the kernel clears everything away.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

import topology
import world
from hosts import HAKEEPD, Network, wait_until
from observe import Sniffer

#: In the world: where the lab keeps configurations, logs and pids.
FILES = Path("/run/lab")
HAKEEPD_IS = FILES / "hakeepd"


def state_file(name: str) -> Path:
    """Where the first process of a topology's world is written down."""
    folder = Path("/run") if os.geteuid() == 0 else Path(os.environ.get("XDG_RUNTIME_DIR", f"/tmp/lab-{os.getuid()}"))
    return folder / "hakeep-lab" / name


def first_process(name: str) -> int:
    """The first process of the topology's world; 0 when it is not up."""
    with contextlib.suppress(OSError, ValueError):
        pid, born = state_file(name).read_text().split()
        if _born(int(pid)) == born:
            return int(pid)
    return 0


def _born(pid: int) -> str:
    """A process's start time: with the pid it names a process for good."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def up(name: str, hakeepd: list[str]) -> None:
    """Builds a topology and starts its daemons. Returns when all is there."""
    topology.load(name)  # a mistake in it is better told here than in the background
    if first_process(name):
        raise SystemExit(f"{name} is up already")
    if reason := world.refusal():
        raise SystemExit(f"The lab cannot run: {reason}. Try it as root.")
    ready, tell = os.pipe()
    if os.fork() == 0:
        os.close(ready)
        _stand(name, hakeepd, tell)
    os.close(tell)
    with os.fdopen(ready) as report:  # others hold the pipe as well: its end would never come
        error = report.readline()
    if error != "up\n":
        raise SystemExit(error)
    print(f"{name} is up. Hosts: {', '.join(plan.name for plan in topology.load(name).hosts)}")


def _stand(name: str, hakeepd: list[str], tell: int) -> NoReturn:
    """In the background: the world and the network in it, until SIGTERM."""
    state = state_file(name)  # found now: once there is a world, an ordinary user is called root in it

    def write_down(first: int) -> None:
        state.parent.mkdir(parents=True, exist_ok=True)
        state.write_text(f"{first} {_born(first)}")
        os.close(tell)

    os.setsid()
    nowhere = os.open("/dev/null", os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nowhere, descriptor)
    try:
        world.enter(write_down)
        FILES.mkdir()
        HAKEEPD_IS.write_text(shlex.join(hakeepd))
        Network(topology.load(name), hakeepd, prefix="", files=FILES).start_all()
    except Exception as error:
        os.write(tell, f"{name} cannot be built: {error!r}\n".encode())
        os._exit(1)
    os.write(tell, b"up\n")
    os.close(tell)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead need no care
    while True:
        signal.pause()


def down(name: str) -> None:
    """Ends a topology's world and waits until it has gone."""
    first = joined(name)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not first_process(name), 10, f"{name} down")
    state_file(name).unlink(missing_ok=True)


def joined(name: str) -> int:
    """The first process of a topology that must be up."""
    return first_process(name) or _exit(f"{name} is not up: ./netns-lab/lab up {name}")


def _exit(text: str) -> NoReturn:
    raise SystemExit(text)


def list_all() -> None:
    """Prints what topologies there are, and which are up."""
    for name in topology.names():
        print(f"{name:18} {'up  ' if first_process(name) else 'down'}  {topology.load(name).about}")


def inside(arguments: argparse.Namespace) -> None:
    """In the topology's world: kill, start, log, capture."""
    hakeepd = shlex.split(HAKEEPD_IS.read_text())
    network = Network(topology.load(arguments.topology), hakeepd, prefix="", files=FILES, standing=True)
    if arguments.command == "capture":
        _capture(network, arguments.host)
        return
    chosen = [d for d in network.of(arguments.host) if arguments.name in (None, d.name)]
    if not chosen:
        raise SystemExit(f"nothing of that name runs on {arguments.host}")
    for daemon in chosen:
        if arguments.command == "kill":
            daemon.kill()
        elif arguments.command == "log":
            print(daemon.log(), end="")
        elif daemon.alive():
            raise SystemExit(f"{daemon.name} runs already on {arguments.host}")
        else:
            daemon.start()


def _capture(network: Network, host: str | None) -> None:
    shown = 0
    with Sniffer(network) as sniffer, contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        while True:
            for frame in sniffer.frames[shown:]:
                shown += 1
                if host in (None, frame.host):
                    moment = time.strftime("%H:%M:%S", time.localtime(frame.at)) + f"{frame.at % 1:.4f}"[1:]
                    print(f"{moment}  {frame.host:8} {frame}", flush=True)
            time.sleep(0.05)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="lab", description="Hosts, wires and daemons in network namespaces.")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (("list", "the topologies, and which of them are up"),
                       ("up", "build a topology and start its daemons"),
                       ("down", "kill its daemons and remove it"),
                       ("exec", "run a command on a host (a shell when none is given)"),
                       ("capture", "show adverts and announcements as they come (^C ends)"),
                       ("kill", "kill -9 all daemons of a host, or one of them"),
                       ("start", "start them again"),
                       ("log", "what they have written")):
        one = commands.add_parser(name, help=text, description=text)
        if name == "list":
            continue
        one.add_argument("topology")
        if name == "up":
            one.add_argument("--daemon", default=shlex.join(HAKEEPD), metavar="COMMAND",
                             help="what plays hakeepd, for example keepalived")
        if name in ("exec", "kill", "start", "log"):
            one.add_argument("host")
        if name in ("kill", "start", "log"):
            one.add_argument("name", nargs="?", metavar="DAEMON", help="its name in topology.yaml")
        if name == "capture":
            one.add_argument("host", nargs="?")
        if name == "exec":
            one.add_argument("words", nargs=argparse.REMAINDER, metavar="CMD")
    return made


def main() -> None:
    arguments = parser().parse_args()
    try:
        if arguments.command == "list":
            list_all()
            return
        plan = topology.load(arguments.topology)
    except topology.BadTopology as error:
        raise SystemExit(str(error)) from None
    if getattr(arguments, "host", None) not in (None, *(host.name for host in plan.hosts)):
        raise SystemExit(f"{arguments.topology} has no host {arguments.host!r}")
    if arguments.command == "up":
        up(arguments.topology, shlex.split(arguments.daemon))
    elif arguments.command == "down":
        down(arguments.topology)
    elif FILES.exists():
        inside(arguments)
    else:
        join(arguments)


def join(arguments: argparse.Namespace) -> NoReturn:
    """Does it again in the topology's world."""
    words = [sys.executable, *sys.argv]
    if arguments.command == "exec":
        shell = [os.environ.get("SHELL", "/bin/sh")]
        words = ["nsenter", f"--net=/run/netns/{arguments.host}", "--", *(arguments.words or shell)]
    enter = world.joining(joined(arguments.topology))
    os.execvp(enter[0], [*enter, *words])


if __name__ == "__main__":
    main()
