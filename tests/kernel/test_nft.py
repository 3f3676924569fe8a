"""libnftables through ctypes, and the monitor, in a namespace of their own."""

from __future__ import annotations

import ctypes
import itertools
import os
import random
import re
import select
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from hakeep.kernel import nft as module
from hakeep.kernel.nft import Disturbance, Nft, NftError, NftMonitor, Support, probe
from hakeep.objects.filter import Device, Fence, FencedRouter, Filter, NoAccept, Sender, VmacReports, to_script

needs_namespaces = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="needs root and iproute2")
COUNT = itertools.count()
LIBC = ctypes.CDLL(None, use_errno=True)
LO = Device("lo", 1)
CLONE_NEWNET = 0x40000000


@contextmanager
def inside(path: str) -> Iterator[None]:
    """This thread works in another network namespace."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(path, os.O_RDONLY)
    try:
        assert LIBC.setns(there, CLONE_NEWNET) == 0
        yield
    finally:
        assert LIBC.setns(home, CLONE_NEWNET) == 0
        os.close(there)
        os.close(home)


@pytest.fixture
def namespace() -> Iterator[str]:
    name = f"hkn{os.getpid()}-{next(COUNT)}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        with inside(f"/run/netns/{name}"):
            yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.fixture
def nft(namespace: str) -> Iterator[Nft]:
    made = Nft()
    yield made
    made.close()


def router(number: int = 1, *vips: str, timeout: float = 60.0) -> FencedRouter:
    sender = Sender("lo", IPv4Address("10.0.0.1") + number // 255, number % 255 + 1)
    return FencedRouter(number, f"VI_{number}", timeout, sender, tuple(("lo", ip_address(vip)) for vip in vips))


def fence(*routers: FencedRouter, table: str = "hakeep") -> Filter:
    return Filter(table=table, fence=Fence(routers, (LO,), (LO,)))


def by_hand(*words: str, text: str = "") -> str:
    """What somebody else does with the nft command."""
    return subprocess.run(["nft", *words], input=text, check=True, capture_output=True, text=True).stdout


def tables(nft: Nft) -> set[str]:
    return set(re.findall(r"table (\w+ \w+)", nft.read("list tables")))


# ------------------------------------------------------------------------------------------------------- the library


def test_a_missing_library_is_said_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LIBRARY", "libnothing.so.1")
    with pytest.raises(NftError, match=r"libnothing\.so\.1 .*cannot be loaded"):
        Nft().run("list tables")
    support = probe()
    assert not support.fence
    assert "libnothing" in support.reason
    Nft().release("hakeep")
    Nft().run("")


@needs_namespaces
@pytest.mark.netns
def test_probe(nft: Nft) -> None:
    assert probe() == probe(nft) == Support(True, "")
    assert tables(nft) == set(), "a probe leaves nothing behind"


@needs_namespaces
@pytest.mark.netns
class OldKernel(Nft):
    """Refuses the hooks that it lacks as a kernel does."""

    def __init__(self, *lacks: str) -> None:
        super().__init__()
        self._lacks = lacks

    def check(self, script: str) -> None:
        if any(f"hook {hook} " in script for hook in self._lacks):
            raise NftError(
                "internal:0:0-0: Error: Could not process rule: Operation not supported\n\n"
                f"{script}\n^^^^^\nError: and so on"
            )
        super().check(script)


@pytest.mark.parametrize(
    ("lacks", "expected"),
    [
        (("egress",),
         "it needs a kernel >= 5.16 with netdev egress, and nftables >= 1.0.1 (Operation not supported)"),
        (("ingress", "egress"), "Operation not supported"),
    ],
)
@needs_namespaces
def test_probe_names_what_old_kernels_lack(namespace: str, lacks: tuple[str, ...], expected: str) -> None:
    assert probe(OldKernel(*lacks)) == Support(False, expected)


@needs_namespaces
def test_the_probe_of_a_hook_is_a_script(nft: Nft) -> None:
    for hook in ("ingress", "egress"):
        nft.check(module._HOOKED.format(hook=hook))
    with pytest.raises(NftError, match="unknown chain hook"):
        nft.check(module._HOOKED.format(hook="aside"))


@needs_namespaces
def test_probe_without_rights(namespace: str) -> None:
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.setgroups([])
        os.setuid(65534)
        os.write(write, repr(tuple(probe())).encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    said = os.read(read, 4096).decode()
    os.close(read)
    assert said.startswith("(False, ")
    assert "not permitted" in said


@needs_namespaces
@pytest.mark.netns
def test_errors_are_raised_and_nothing_is_printed(nft: Nft, capfd: pytest.CaptureFixture[str]) -> None:
    nft.run(to_script(None, fence(router(1, "10.0.0.9"))))
    before = nft.read("list map netdev hakeep vips4")
    with pytest.raises(NftError, match="No such file or directory"):
        nft.run(
            'delete element netdev hakeep vips4 { "lo" . 10.0.0.9 }\n'
            'delete element netdev hakeep vips4 { "lo" . 10.0.0.8 }\n'
        )
    assert nft.read("list map netdev hakeep vips4") == before, "one transaction"
    with pytest.raises(NftError, match="syntax error"):
        nft.run("gibberish")
    nft.run("list ruleset")
    assert capfd.readouterr() == ("", "")


@needs_namespaces
@pytest.mark.netns
def test_check_does_nothing(nft: Nft) -> None:
    nft.check("add table netdev x")
    assert tables(nft) == set()
    with pytest.raises(NftError):
        nft.check("delete table netdev x")
    nft.run("add table netdev x")
    assert tables(nft) == {"netdev x"}, "running works again after a check"


@needs_namespaces
@pytest.mark.netns
def test_release_deletes_ours_only(nft: Nft) -> None:
    nft.run("add table ip other\nadd table netdev hakeep_2")
    nft.release("hakeep")
    nft.run(to_script(None, replace(fence(router()), no_accept=(NoAccept(1, 4), NoAccept(1, 6)))))
    assert tables(nft) == {"ip other", "netdev hakeep_2", "netdev hakeep", "ip hakeep", "ip6 hakeep"}
    nft.release("hakeep")
    assert tables(nft) == {"ip other", "netdev hakeep_2"}


@needs_namespaces
@pytest.mark.netns
def test_two_daemons_in_one_namespace(nft: Nft) -> None:
    first, second = fence(router(1, "10.0.0.9")), fence(router(1, "10.0.0.8"), table="hakeep_b")
    nft.run(to_script(None, first))
    nft.run(to_script(None, second))
    nft.run(to_script(first, Filter()))
    assert tables(nft) == {"netdev hakeep_b"}


@needs_namespaces
@pytest.mark.netns
def test_runs_in_threads(namespace: str, nft: Nft) -> None:
    nft.run(to_script(None, fence(router())))
    failed: list[BaseException] = []

    def work(base: int) -> None:
        try:
            for n in range(100):
                nft.run(f'add element netdev hakeep vips4 {{ "lo" . 10.{base}.0.{n} : goto vip_1 }}')
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(base,)) for base in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert nft.read("list map netdev hakeep vips4").count("goto") == 400


# ------------------------------------------------------------------------------------------------------------- sizes


@needs_namespaces
@pytest.mark.netns
@pytest.mark.parametrize("count", [1, 64, 1000, 5000])
@pytest.mark.parametrize("family", [4, 6])
def test_sizes(nft: Nft, family: int, count: int) -> None:
    """libnftables 1.0.6 crashes on some maps: not on ours, filled, emptied, replaced, listed and read in again."""
    kind, start = (IPv4Address, "10.8.0.0") if family == 4 else (IPv6Address, "fd00:8::")
    vips = [str(kind(int(kind(start)) + n)) for n in range(count)]
    idle, holding, half = (fence(router(1, *some)) for some in ([], vips, vips[::2]))
    have = None
    for wanted, number in ((idle, 0), (holding, count), (half, (count + 1) // 2), (holding, count), (idle, 0)):
        nft.run(to_script(have, wanted))
        have = wanted
        assert nft.read(f"list map netdev hakeep vips{family}").count("goto vip_1") == number
    nft.run(to_script(None, holding))
    for words in (["list", "ruleset"], ["-j", "list", "ruleset"]):
        assert by_hand(*words).count("vip_1") >= count
    saved = by_hand("list", "ruleset")
    nft.release("hakeep")
    by_hand("-f", "-", text=saved)
    assert nft.read(f"list map netdev hakeep vips{family}").count("goto vip_1") == count


@needs_namespaces
@pytest.mark.netns
@pytest.mark.parametrize("count", [255, 1000])
def test_many_routers(nft: Nft, count: int) -> None:
    holding = fence(*(router(n, f"10.9.{n >> 8}.{n & 255}") for n in range(1, count + 1)))
    idle = fence(*(replace(one, vips=()) for one in holding.fence.routers))
    nft.run(to_script(None, holding))
    assert nft.read("list map netdev hakeep vips4").count("goto") == count
    assert nft.read("list map netdev hakeep senders4").count("goto") == count
    nft.run(to_script(holding, idle))
    assert nft.read("list map netdev hakeep vips4").count("goto") == 0
    nft.run(to_script(idle, holding))
    assert nft.read("list map netdev hakeep vips4").count("goto") == count
    assert nft.read("list set netdev hakeep alive").count("expires") == count


@needs_namespaces
@pytest.mark.netns
def test_more_devices_than_a_chain_takes(nft: Nft) -> None:
    batch = "".join(f"link add v{n} type veth peer name w{n}\n" for n in range(150))
    subprocess.run(["ip", "-batch", "-"], input=batch.encode(), check=True)
    devices = tuple(Device(f"{side}{n}", socket.if_nametoindex(f"{side}{n}")) for side in "vw" for n in range(150))
    nft.run(to_script(None, Filter(fence=Fence((router(),), devices, devices))))
    listed = nft.read("list table netdev hakeep")
    assert listed.count("hook ingress") == listed.count("hook egress") == 2
    for device in devices:
        assert len(re.findall(rf"\b{device.name}\b", listed)) == 2


def settled(listing: str) -> list[str]:
    """A listing without what time does to it, elements in order."""
    words = re.sub(r" timeout \w+ expires \w+", "", listing)
    words = re.sub(r"\telements = \{ 0x[^}]*\}\n", "", words)  # alive
    return sorted(re.split(r",\s+|\n", re.sub(r"elements = \{|\}", "", words)))


@needs_namespaces
@pytest.mark.netns
@pytest.mark.parametrize("seed", range(8))
def test_any_sequence_reaches_what_is_wanted(nft: Nft, seed: int) -> None:
    """As the model in tests/objects says it, with the real kernel."""
    chance = random.Random(seed)
    texts = ("10.0.0.9", "10.0.0.8", "fe80::9", "2001:db8::9")

    def some_filter() -> Filter:
        owner = {text: chance.randint(0, 3) for text in texts}
        routers = [
            router(n, *(text for text in texts if owner[text] == n), timeout=chance.choice([60, 60, 60, 30]))
            for n in range(1, chance.choice([3, 3, 3, 2]) + 1)
        ]
        refusing = [
            NoAccept(one.number, family, tuple(vip for vip in one.vips if vip[1].version == family))
            for one in routers for family in (4, 6)
        ][: chance.randint(0, 4)]
        reports = [VmacReports(f"v{n}", LO, six) for n in (1, 2) for six in (False, True) if chance.random() < 0.5]
        return replace(fence(*routers), no_accept=tuple(refusing), reports=tuple(reports))

    have = None
    for _ in range(15):
        wanted = some_filter()
        nft.run(to_script(have, wanted))
        have = wanted
        reached = settled(nft.read("list ruleset"))
        nft.run("flush ruleset\n" + to_script(None, wanted))
        assert reached == settled(nft.read("list ruleset"))


# ----------------------------------------------------------------------------------------------------------- monitor


@pytest.fixture
def monitor(nft: Nft) -> Iterator[NftMonitor]:
    made = NftMonitor("hakeep", nft)
    yield made
    made.close()


WANTED = replace(fence(router(1, "10.0.0.9")), no_accept=(NoAccept(1, 4),))


@needs_namespaces
@pytest.mark.netns
def test_a_flush_is_seen_and_put_right(nft: Nft, monitor: NftMonitor) -> None:
    nft.run(to_script(None, WANTED))
    assert monitor.receive() == [], "our own changes are no disturbance"
    by_hand("flush", "ruleset")
    assert select.select([monitor], [], [], 5)[0]
    found = monitor.receive()
    assert {(one.family, one.gone) for one in found} == {("netdev", True), ("ip", True)}
    assert all(re.fullmatch(r"nft\[\d+\]", one.who) for one in found)
    nft.run(to_script(None, WANTED))
    assert tables(nft) == {"netdev hakeep", "ip hakeep"}
    assert monitor.receive() == []


@needs_namespaces
@pytest.mark.netns
@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("delete table netdev hakeep", [("netdev", True)]),
        ("delete element netdev hakeep vips4 { lo . 10.0.0.9 }", [("netdev", False)]),
        ("add element ip hakeep vips { 10.0.0.7 }", [("ip", False)]),
        ("flush chain netdev hakeep arriving", [("netdev", False)]),
        ("add rule ip hakeep in accept", [("ip", False)]),
        ("delete table netdev hakeep\nadd table netdev hakeep", [("netdev", False)]),
        ("add table netdev hakeep2\nadd table ip other\nadd chain ip other c\nadd table inet hakeep", []),
    ],
)
def test_what_others_do(nft: Nft, monitor: NftMonitor, script: str, expected: list[tuple[str, bool]]) -> None:
    nft.run(to_script(None, WANTED))
    by_hand("-f", "-", text=script)
    assert [(one.family, one.gone) for one in monitor.receive()] == expected


@needs_namespaces
@pytest.mark.netns
def test_without_a_port_only_losses_are_told(nft: Nft, monitor: NftMonitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise our own repair would look like the next disturbance, for ever."""
    monkeypatch.setattr(Nft, "port", 0)
    nft.run(to_script(None, WANTED))
    nft.run(to_script(None, WANTED))
    nft.run(to_script(WANTED, fence(router(1))))
    assert [(one.family, one.gone) for one in monitor.receive()] == [("ip", True)]


@needs_namespaces
@pytest.mark.netns
def test_lost_notifications_are_told(nft: Nft, monitor: NftMonitor) -> None:
    nft.run(to_script(None, WANTED))
    monitor._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    monitor.receive()
    for n in range(200):
        nft.run(f"add table ip other{n}")
    assert Disturbance("", True) in monitor.receive()
    monitor._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)
    by_hand("delete", "table", "netdev", "hakeep")
    assert [(one.family, one.gone) for one in monitor.receive()] == [("netdev", True)]


@needs_namespaces
@pytest.mark.netns
def test_packets_are_no_disturbance(nft: Nft, monitor: NftMonitor) -> None:
    """What adverts do to `alive`, and what time does, is not notified."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    one = FencedRouter(1, "VI", 0.05, Sender("lo", IPv4Address("127.0.0.1"), 1))
    wanted = Filter(fence=Fence((one,), (), (LO,)))
    nft.run(to_script(None, wanted))
    monitor.receive()
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, 112) as sock:
        sock.sendto(b"\x21\x01\x64\x00\x00\x01\x00\x00", ("127.0.0.1", 0))
        sock.sendto(b"\x21\x01\x64\x00\x00\x01\x00\x00", ("127.0.0.1", 0))
    assert "expires" in nft.read("list set netdev hakeep alive")
    deadline = time.monotonic() + 5
    while "expires" in nft.read("list set netdev hakeep alive"):
        assert time.monotonic() < deadline
        select.select([], [], [], 0.01)
    assert monitor.receive() == []


def test_a_kernel_without_nftables_does_not_end_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """libnftables would: it exits where it gets no socket."""

    def refuse(*_: object) -> None:
        raise OSError(93, "Protocol not supported")

    one = Nft()
    monkeypatch.setattr(module.socket, "socket", refuse)
    with pytest.raises(NftError, match="this kernel has no nftables"):
        one.check("list tables")
