"""Two pairs of routers with the same configuration, one pair hakeep and one keepalived, to which the same happens."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hosts import HAKEEPD, Daemon, Network, all_pids
from topology import Topology

#: Seconds for which a new holder must stay to be believed, and an old one: scripts run once a second and may fail
#: once.
STEADY, UNMOVED = 0.6, 2.5

#: Seconds that it may take until it is so.
PATIENCE = 25.0

PRIORITIES = {"a": 150, "b": 100}

#: Run in the host by sh: keepalived hears of processes only when it starts in the initial network namespace, and goes
#: into that of the host by itself. $0 = a name for that, $1 = the initial one, $2... = command.
_FROM_OUTSIDE = """
mkdir -p /run/netns && touch "/run/netns/$0" && mount --bind /proc/self/ns/net "/run/netns/$0" || exit 1
outside="$1" && shift && exec nsenter --net="$outside" "$@"
"""


class Pair:
    """Hosts a and b that run the same implementation. In `config`, {files} stands for a folder that the test may write
    to, {host}, {other} and {priority} for what differs between the hosts."""

    def __init__(self, kind: str, plan: Topology, vips: Sequence[str], config: str) -> None:
        self.kind = kind
        self.vips = vips
        self.network = Network(plan, HAKEEPD)
        self.files = self.network.files
        self.daemons: dict[str, Daemon] = {}
        for host, other in (("a", "b"), ("b", "a")):
            text = config.format(files=self.files, host=host, other=other, priority=PRIORITIES[host])
            self.daemons[host] = self.network.add(host, "vrrp", kind, text)

    def start(self) -> Pair:
        for daemon in self.daemons.values():
            daemon.start()
        return self

    def holders(self) -> tuple[str, ...]:
        """For each address, who has it."""
        shown = {name: self.network[name].ip("-o", "-4", "addr", "show") for name in PRIORITIES}
        return tuple("".join(name for name, text in shown.items() if f" {vip}/" in text) for vip in self.vips)

    # -- what happens

    def link(self, host: str, name: str, up: bool) -> None:
        self.network.switch.ip(f"link set {host}.{name} {'up' if up else 'down'}")

    def file(self, name: str, there: bool) -> None:
        path = self.files / name
        if there:
            path.touch()
        else:
            path.unlink(missing_ok=True)

    def number(self, host: str, value: int) -> None:
        (self.files / f"number-{host}").write_text(f"{value}\n")

    def close(self) -> None:
        self.network.close()


class FromOutside(Daemon):
    """A keepalived that hears of processes; its first process stays in the initial network namespace. `name` is its
    `net_namespace`."""

    def __init__(self, inside: Daemon, name: str, files: Path) -> None:
        outside = f"/proc/{os.getpid()}/ns/net"
        super().__init__(inside.host, inside.name, ("sh", "-c", _FROM_OUTSIDE, name, outside, *inside.words), files)
        self._configuration = inside.words[inside.words.index("-f") + 1].encode()

    def processes(self) -> list[int]:
        """By the name of the configuration: it makes a mount namespace of its own as well."""
        return [pid for pid in all_pids() if self._configuration in _command_line(pid)]


def _command_line(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


Happening = Callable[[Pair], object]


def link(host: str, name: str, up: bool) -> Happening:
    return lambda pair: pair.link(host, name, up)


def fails(what: str, failed: bool = True) -> Happening:
    return lambda pair: pair.file(what, failed)


def says(host: str, value: int) -> Happening:
    return lambda pair: pair.number(host, value)


def nothing(pair: Pair) -> None:
    """Nothing happens."""


def tell(story: Sequence[tuple[str, Happening, str]], pairs: Sequence[Pair]) -> None:
    """Let it happen, one after the other: what, how, and who is to hold the addresses afterwards. A word for each
    address: "a", "b" or "ab"; one word for all of them."""
    was: tuple[str, ...] = ()
    for what, happens, word in story:
        for pair in pairs:
            happens(pair)
        words = tuple(word.split())
        holders = words * len(pairs[0].vips) if len(words) == 1 else words
        unsettled = settle(pairs, holders, UNMOVED if holders == was else STEADY)
        was = holders
        if unsettled:
            raise TimeoutError(f"after: {what}; the addresses should be with {holders}\n{story_of(unsettled)}")


def settle(pairs: Sequence[Pair], holders: tuple[str, ...], long_enough: float) -> list[Pair]:
    """Wait until each address of all pairs is with who is to have it, and has been for so many seconds. Returns those
    that are not of that mind in the end."""
    since = dict.fromkeys(pairs, time.monotonic())
    deadline = time.monotonic() + PATIENCE
    while unsettled := [pair for pair in pairs if time.monotonic() - since[pair] <= long_enough]:
        if time.monotonic() > deadline:
            break
        for pair in pairs:
            if pair.holders() != holders:
                since[pair] = time.monotonic()
        time.sleep(0.05)  # to look costs more than to wait
    return unsettled


def story_of(pairs: Sequence[Pair]) -> str:
    """Who has the addresses, and what was logged last, for the one who reads a failure."""
    lines = []
    for pair in pairs:
        lines.append(f"{pair.kind}: {pair.holders()}")
        for daemon in pair.network.daemons.values():
            lines += [f"--- log of {daemon.name} on {daemon.host.name}", *daemon.log().splitlines()[-25:]]
    return "\n".join(lines)


def hosts(numbers: Mapping[str, int], segments: Mapping[str, str]) -> dict[str, object]:
    """For a topology: hosts whose interfaces eth0, eth1... are on these segments, each with its network's prefix."""
    return {name: {"interfaces": {
        f"eth{index}": {"segment": segment, "addresses": [f"{prefix}.{n}/24"]}
        for index, (segment, prefix) in enumerate(segments.items())}} for name, n in numbers.items()}

