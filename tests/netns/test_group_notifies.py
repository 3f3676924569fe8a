"""What scripts and FIFOs hear of a sync group and its members, beside keepalived with the same configuration.

A host with two links and a virtual router on each, which are a sync group; a stronger router comes and goes on one of
the links.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import topology
from hosts import HAKEEPD, Network, wait_until

pytestmark = pytest.mark.netns

PATIENCE = 25.0

VIPS = ("192.0.2.100", "198.51.100.100")
NUMBERS = {"a": 11, "b": 12}

PLAN = topology.parse("told", {
    "segments": ["lan", "wan"],
    "hosts": {name: {"interfaces": {
        "eth0": {"segment": "lan", "addresses": [f"192.0.2.{n}/24"]},
        "eth1": {"segment": "wan", "addresses": [f"198.51.100.{n}/24"]},
    }} for name, n in NUMBERS.items()},
}, Path())

INSTANCE = """
vrrp_instance V{n} {{
    version 3
    interface eth{n}
    virtual_router_id 5{n}
    priority {priority}
    advert_int 0.2
    virtual_ipaddress {{
        {vip}/24
    }}
    {more}
}}
"""

CONFIG = """
global_defs {{
    script_user root
    vrrp_notify_fifo {folder}/fifo
}}
vrrp_sync_group G {{
    group {{
        V0
        V1
    }}
    notify {folder}/told
    notify_master "{folder}/told group master"
    notify_backup "{folder}/told group backup"
    notify_fault "{folder}/told group fault"
    notify_stop "{folder}/told group stop"
}}
"""

#: Appends a line to a file, in one write.
SCRIPT = """#!/bin/sh
echo "$*" >> {folder}/words
"""


class Told:
    """A router under test, of one implementation, with its FIFO and its scripts."""

    def __init__(self, kind: str) -> None:
        self.network = Network(PLAN, HAKEEPD)
        folder = self.folder = self.network.files
        script = folder / "told"
        script.write_text(SCRIPT.format(folder=folder))
        script.chmod(0o755)
        os.mkfifo(folder / "fifo", 0o600)
        self.reader = os.open(folder / "fifo", os.O_RDWR | os.O_NONBLOCK)
        members = [INSTANCE.format(n=n, priority=100, vip=vip, more=f"notify {script}") for n, vip in enumerate(VIPS)]
        self.daemon = self.network.add("a", "vrrp", kind, "".join(members) + CONFIG.format(folder=folder))
        better = INSTANCE.format(n=0, priority=200, vip=VIPS[0], more="")
        self.rival = self.network.add("b", "vrrp", "hakeepd", better)
        self.lines: list[str] = []

    def hears(self, last: str) -> list[str]:
        """The lines since the last call, up to this one."""
        def heard() -> bool:
            try:
                self.lines += os.read(self.reader, 4096).decode().splitlines()
            except BlockingIOError:
                pass
            return last in self.lines

        wait_until(heard, PATIENCE, f"{last}; heard {self.lines}\n{self.daemon.log()}")
        end = self.lines.index(last) + 1
        lines, self.lines = self.lines[:end], self.lines[end:]
        return lines

    def happenings(self) -> Iterator[list[str]]:
        """What is heard of everything that happens."""
        self.daemon.start()
        yield self.hears('GROUP "G" MASTER 0')
        self.network.switch.ip("link set a.eth1 down")
        yield self.hears('GROUP "G" FAULT 0')
        self.network.switch.ip("link set a.eth1 up")
        yield self.hears('GROUP "G" MASTER 0')
        self.rival.start()
        yield self.hears('GROUP "G" BACKUP 0')
        self.rival.stop()
        yield self.hears('GROUP "G" MASTER 0')
        self.daemon.signal(signal.SIGTERM)
        yield self.hears('GROUP "G" STOP 0')

    def runs(self, state: str) -> None:
        """Wait until the scripts of the members, and both of the group, have run for this state, and it is the last."""
        path = self.folder / "words"

        def last() -> list[str]:
            words = path.read_text().splitlines() if path.exists() else []
            subjects = ("INSTANCE V0 ", "INSTANCE V1 ", "GROUP G ", "group ")
            return [next((word for word in reversed(words) if word.startswith(each)), "") for each in subjects]

        wanted = [f"INSTANCE V0 {state} 100", f"INSTANCE V1 {state} 100", f"GROUP G {state} 0",
                  f"group {state.lower()}"]
        wait_until(lambda: last() == wanted, PATIENCE, f"the scripts are told of {state}\n{self.daemon.log()}")

    def close(self) -> None:
        os.close(self.reader)
        self.network.close()


@pytest.fixture
def told(request: pytest.FixtureRequest) -> Iterator[list[Told]]:
    """Routers of these implementations."""
    made: list[Told] = []
    try:
        made += [Told(kind) for kind in request.param]
        yield made
    finally:
        for each in made:
            each.close()


#: In each happening the states that all come to, and the member that is first where it is the cause: the members come
#: before the group, whose priority is 0.
EXPECTED = [
    (("BACKUP", "MASTER"), ""), (("FAULT",), "V1"), (("BACKUP", "MASTER"), ""), (("BACKUP",), "V0"),
    (("MASTER",), ""), (("STOP",), ""),
]


def members_sorted(lines: list[str]) -> list[str]:
    """Lines with the members of each three in the order of their names."""
    triples = (lines[at : at + 3] for at in range(0, len(lines), 3))
    return [line for first, second, group in triples for line in (*sorted((first, second)), group)]


def line(name: str, state: str) -> str:
    return f'GROUP "{name}" {state} 0' if name == "G" else f'INSTANCE "{name}" {state} 100'


@pytest.mark.parametrize("told", [["hakeepd"]], indirect=True)
def test_members_are_told_of_before_their_group(told: list[Told]) -> None:
    (router,) = told
    for lines, (states, first) in zip(router.happenings(), EXPECTED, strict=True):
        assert members_sorted(lines) == [line(name, state) for state in states for name in ("V0", "V1", "G")]
        assert lines[0].startswith(f'INSTANCE "{first}')
        router.runs(states[-1])


@pytest.mark.interop
@pytest.mark.usefixtures("keepalived")
@pytest.mark.parametrize("told", [["hakeepd", "keepalived"]], indirect=True)
def test_keepalived_writes_the_same_lines(told: list[Told]) -> None:
    """But for two things: at its start keepalived tells of the group first, for it knows the state then already. And
    where both members move in the same moment, the one that tells first is the one whose timer was first."""
    ours, theirs = (list(each.happenings()) for each in told)
    assert theirs[0].pop(0) == line("G", "BACKUP")
    theirs[0].insert(2, line("G", "BACKUP"))
    assert list(map(members_sorted, ours)) == list(map(members_sorted, theirs))
    causes = [number for number, (_, first) in enumerate(EXPECTED) if first]
    assert [ours[number][0] for number in causes] == [theirs[number][0] for number in causes]
