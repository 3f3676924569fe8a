"""The lane to the table of marks, with the kernel's nftables: packets get their marks, and the table is kept."""

from __future__ import annotations

import itertools
import json
import os
import socket
import struct
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address

import pytest
import trio

from hakeep.kernel.nft import NftError
from hakeep.lvs.backends.nftables import Nftables
from hakeep.lvs.marks import MarkTable, Target, marks
from hakeep.lvs.process import marking as module
from hakeep.lvs.process.marking import MarkLane
from hakeep.objects.diff import Add
from hakeep.objects.ipvs import SCTP, TCP, UDP, Destination, DestinationKey, Service, ServiceKey
from hakeep.worker import ERROR, NOTICE, WARNING
from tests.lvs.backends.plant import PORT, SERVERS, VIP, Plant, inside, real
from tests.lvs.test_marks import director, group

pytestmark = pytest.mark.trio

needs_namespace = pytest.mark.netns

_COUNT = itertools.count()

#: Beside these addresses the host has others, which nobody marks.
HOSTS = {4: [f"10.9.0.{n}" for n in range(1, 5)], 6: [f"fd09::{n}" for n in range(1, 5)]}


def target(protocol: int, ip: str, port: int = 0) -> Target:
    return Target(protocol, ip_address(ip), port)


WANTED = MarkTable("hakeep_test", marks={
    target(UDP, "10.9.0.1", 53): 1000, target(UDP, "10.9.0.2"): 1001, target(UDP, "10.9.0.2", 25): 0,
    target(TCP, "10.9.0.1", 53): 1002, target(SCTP, "10.9.0.1", 53): 1003,
    target(UDP, "fd09::1", 53): 1000, target(UDP, "fd09::2"): 1001})

#: What is sent, and the mark that it must have then; 7 is that of a rule of somebody else, which comes before.
SENT = [
    (UDP, "10.9.0.1", 53, 1000), (UDP, "10.9.0.1", 54, 7), (UDP, "10.9.0.2", 1, 1001), (UDP, "10.9.0.2", 25, 0),
    (TCP, "10.9.0.1", 53, 1002), (TCP, "10.9.0.2", 53, 7), (SCTP, "10.9.0.1", 53, 1003), (UDP, "10.9.0.3", 53, 7),
    (UDP, "fd09::1", 53, 1000), (UDP, "fd09::2", 9, 1001), (UDP, "fd09::3", 53, 7),
]


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[int, str]] = []

    def __call__(self, level: int, text: str) -> None:
        self.lines.append((level, text))

    def has(self, level: int, text: str) -> bool:
        return any(each[0] == level and text in each[1] for each in self.lines)


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(10):
        while not condition():
            await trio.sleep(0.005)


@asynccontextmanager
async def working(
    wanted: MarkTable | None, log: Log, left: str = "", namespace: str | None = None,
) -> AsyncIterator[MarkLane]:
    lane = MarkLane(log, left, namespace)  # type: ignore[arg-type]
    lane.want(wanted)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lane.run)
        await until(lambda: lane.idle or log.lines)
        yield lane
        nursery.cancel_scope.cancel()


# --- packets


@pytest.fixture
def host() -> Iterator[str]:
    """The test is in a namespace that has the addresses; the name is that of a client's namespace beside it."""
    names = [f"hkm{os.getpid()}-{next(_COUNT)}-{who}" for who in ("director", "client")]
    with ExitStack() as stack:
        for name in names:
            ip(f"netns add {name}")
            stack.callback(ip, f"netns del {name}")
            ip(f"-n {name} link set lo up")
        ip(f"-n {names[0]} link add eth0 type veth peer name eth0 netns {names[1]}")
        for n, name in enumerate(names):
            ip(f"-n {name} addr add 10.9.1.{n + 1}/24 dev eth0")
            ip(f"-n {name} addr add fd09:1::{n + 1}/64 dev eth0 nodad")
            ip(f"-n {name} link set eth0 up")
        for address in (*HOSTS[4], *HOSTS[6]):
            ip(f"-n {names[0]} addr add {address} dev lo")
        ip(f"-n {names[1]} route add 10.9.0.0/24 via 10.9.1.1")
        ip(f"-n {names[1]} -6 route add fd09::/64 via fd09:1::1")
        stack.enter_context(inside(names[0]))
        nft("".join(_watch(family) for family in ("ip", "ip6")))
        yield names[1]


def _watch(family: str) -> str:
    """Counts packets with each mark where IPVS looks at them; before, somebody else marks them all."""
    hooks = (("input", -150, 98), ("output", -150, -98))
    text = ""
    for hook, early, late in hooks:
        rules = "\n".join(f'meta l4proto {{ tcp, udp, sctp }} meta mark {mark} counter comment "{mark}"'
                          for mark in (0, 7, 1000, 1001, 1002, 1003))
        text += (f"add table {family} watch\n"
                 f"table {family} watch {{ chain {hook}_early {{ type filter hook {hook} priority {early}; "
                 f"meta mark set 7; }}\nchain {hook} {{ type filter hook {hook} priority {late};\n{rules}\n}}\n}}\n")
    return text


def ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True)


def nft(script: str) -> str:
    return subprocess.run(["nft", "-f", "-"], input=script, text=True, check=True, capture_output=True).stdout


def counted(family: str, chain: str) -> dict[int, int]:
    """How many packets with which mark have come there."""
    words = ["nft", "-j", "list", "chain", family, "watch", chain]
    rules = [each["rule"] for each in json.loads(subprocess.check_output(words))["nftables"] if "rule" in each]
    return {int(rule["comment"]): expression["counter"]["packets"] for rule in rules
            for expression in rule["expr"] if "counter" in expression}


def send(protocol: int, address: str, port: int) -> None:
    """One packet; nobody answers, and nobody waits for that."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    if protocol == SCTP:
        with socket.socket(family, socket.SOCK_RAW, SCTP) as raw:
            raw.sendto(struct.pack("!HHII", 1024, port, 0, 0), (address, 0))
        return
    with socket.socket(family, socket.SOCK_STREAM if protocol == TCP else socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        if protocol == TCP:
            sock.connect_ex((address, port))
        else:
            sock.sendto(b"x", (address, port))


@needs_namespace
async def test_packets_for_a_group_have_its_mark_where_ipvs_looks(host: str) -> None:
    log = Log()
    async with working(WANTED, log):
        for protocol, address, port, mark in SENT:
            family = "ip6" if ":" in address else "ip"
            before = counted(family, "input")
            with inside(host):
                send(protocol, address, port)

            def seen(family: str = family, mark: int = mark, before: Mapping[int, int] = before) -> bool:
                return counted(family, "input")[mark] > before[mark]

            await until(seen)
        total = sum(sum(counted(family, "input").values()) for family in ("ip", "ip6"))
        assert total == len(SENT), "no packet was counted for two marks"
    assert log.lines == []


@needs_namespace
async def test_the_host_s_own_clients_are_marked_too(host: str) -> None:
    async with working(WANTED, Log()):
        for protocol, address, port, mark in SENT[:4]:
            before = counted("ip", "output")
            send(protocol, address, port)
            assert counted("ip", "output")[mark] == before[mark] + 1


@pytest.fixture
def plant() -> Iterator[Plant]:
    with ExitStack() as stack:
        yield Plant(stack)


@needs_namespace
@pytest.mark.parametrize("family", [4, 6])
async def test_nat_by_nftables_serves_a_group_by_its_mark(plant: Plant, family: int) -> None:
    shop = group("shop", 1000, (TCP, str(VIP[family]), PORT))
    service = Service(ServiceKey(family, 0, None, 0, 1000), "rr")
    servers = [Destination(DestinationKey(service.key, real(family, name), 0)) for name in SERVERS]
    backend, log = Nftables(), Log()
    await backend.open()
    async with working(marks(director(shop), backend.name), log), trio.open_nursery() as nursery:
        await plant.serve(nursery)
        assert await backend.apply([Add(each.key, each) for each in (service, *servers)]) == []
        assert "".join([await plant.ask(family) for _ in range(6)]) == "ABCABC"
        await backend.close()
        nursery.cancel_scope.cancel()


# --- the table


def tables() -> dict[str, str]:
    """All tables but the one that watches, by family and name."""
    said = json.loads(subprocess.check_output(["nft", "-j", "list", "tables"]))["nftables"]
    names = [f"{each['table']['family']} {each['table']['name']}" for each in said if "table" in each]
    return {name: subprocess.check_output(["nft", "list", "table", *name.split()], text=True)
            for name in names if not name.endswith(" watch")}


@needs_namespace
async def test_what_others_destroy_is_put_back(host: str) -> None:
    log = Log()
    async with working(WANTED, log) as lane:
        whole = tables()
        assert sorted(whole) == ["ip hakeep_test", "ip6 hakeep_test"]
        for mischief in ("flush ruleset\n", "delete table ip6 hakeep_test\n",
                         "delete element ip hakeep_test services { udp . 10.9.0.1 . 53 }\n"):
            nft(mischief)
            await until(lambda: tables() == whole)
            await until(lambda: lane.idle)
        assert [level for level, _ in log.lines] == [WARNING] * 3
        assert log.has(WARNING, "nft[")


@needs_namespace
async def test_who_destroys_it_again_and_again_has_to_be_told_of(host: str) -> None:
    log = Log()
    async with working(WANTED, log) as lane:
        for _ in range(3):
            nft("flush ruleset\n")
            await until(lambda: tables() and lane.idle)
        nft("flush ruleset\n")
        await until(lambda: log.has(ERROR, "keeps changing"))
        assert not tables()
        lane.want(replace(WANTED, counters=True))  # news are carried out, in a quarrel too
        await until(lambda: lane.idle and tables())


@needs_namespace
async def test_it_goes_at_the_end_and_when_nobody_wants_it(host: str) -> None:
    async with working(WANTED, Log()) as lane:
        lane.want(None)
        await until(lambda: lane.idle)
        assert not tables()
        lane.want(WANTED)
        await until(lambda: lane.idle)
        await lane.release()
        assert not tables()
        lane.want(WANTED)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert not tables()


@needs_namespace
@pytest.mark.parametrize("wanted", [None, WANTED, replace(WANTED, name="another")])
async def test_what_a_worker_before_us_left_is_replaced_or_removed(host: str, wanted: MarkTable | None) -> None:
    nft("table ip hakeep_test { map services { type mark : mark; }; chain x { accept; }; }\n"
        "table ip6 hakeep_test { }\ntable ip other { }\n")
    log = Log()
    async with working(wanted, log, left="hakeep_test"):
        pass
    made = set() if wanted is None else {f"{family} {wanted.name}" for family in ("ip", "ip6")}
    assert tables().keys() == made | {"ip other"} and log.lines == []
    assert not any("chain x" in text for text in tables().values())


@needs_namespace
async def test_another_name_or_family_or_element_is_taken_up(host: str) -> None:
    only = {key: mark for key, mark in WANTED.marks.items() if key.ip.version == 4}
    steps = [replace(WANTED, name="another"), replace(WANTED, name="another", marks=only), replace(WANTED, marks=only),
             replace(WANTED, counters=True), WANTED]
    async with working(WANTED, Log()) as lane:
        for wanted in steps:
            lane.want(wanted)
            await until(lambda: lane.idle)
            found = tables()
            assert found.keys() == {f"{family} {wanted.name}" for family in (
                ("ip", "ip6") if wanted.marks is not only else ("ip",))}
            assert all(("counter" in text) == wanted.counters for text in found.values())


class Silent:
    """Stands for a monitor that has nothing to tell."""

    def __init__(self) -> None:
        self._socket = socket.socketpair()[0]
        self.fileno, self.close = self._socket.fileno, self._socket.close

    def receive(self) -> list[object]:
        return []


async def test_a_refusal_is_told_once_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    log, tries = Log(), []

    def refuse(script: str) -> None:
        tries.append(script)
        if len(tries) < 3:
            raise NftError("Error: Could not process rule: Operation not permitted")

    monkeypatch.setattr(module, "RETRY", 0.01)
    monkeypatch.setattr(module, "NftMonitor", lambda *_: Silent())
    monkeypatch.setattr(module.Nft, "run", lambda _, script: refuse(script))
    monkeypatch.setattr(module.Nft, "check", lambda _, script: None)
    async with working(WANTED, log) as lane:
        await until(lambda: lane.idle)
    assert [level for level, _ in log.lines] == [ERROR, NOTICE] and "Operation not permitted" in log.lines[0][1]
    assert tries[0] == tries[1] == tries[2]


@needs_namespace
async def test_marks_are_set_where_ipvs_is(host: str) -> None:
    log = Log()
    table = ["nft", "list", "table", "ip", WANTED.name]

    def there() -> bool:
        return subprocess.run(["ip", "netns", "exec", host, *table], capture_output=True).returncode == 0

    async with working(WANTED, log, namespace=host) as lane:
        assert there()
        assert subprocess.run(table, capture_output=True).returncode != 0
        subprocess.run(["ip", "netns", "exec", host, "nft", "flush", "ruleset"], check=True)
        await until(lambda: log.has(4, "putting it back"))
        await until(there)
        await lane.release()
        assert not there()
