"""The IPVS backend keeps the contract in a real kernel. tests/uml/test_ipvs.py boots one for these tests."""

from __future__ import annotations

import errno
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

import pytest
import trio
from contract import (
    BackendContract,
    Making,
    add,
    adds,
    change,
    destination,
    is_a_sentence,
    must,
    opened,
    remove,
    same,
    service,
    table,
)

from hakeep.kernel import ipvs as kernel
from hakeep.kernel import netns
from hakeep.kernel.netlink import NetlinkError
from hakeep.lvs.backends import Unavailable
from hakeep.lvs.backends import ipvs as module
from hakeep.lvs.backends.ipvs import Ipvs
from hakeep.objects.ipvs import (
    ONE_PACKET,
    PERSISTENT,
    SCHED1,
    SCHED2,
    UDP,
    Destination,
    DestinationKey,
    Encapsulation,
    Forward,
    SyncDaemon,
    Table,
    Tunnel,
)


def has_ipvs() -> bool:
    """And may we make a namespace with a table of its own?"""
    if os.geteuid() != 0:
        return False
    try:
        kernel.Ipvs().close()
    except NetlinkError:
        return False
    return True


needs_ipvs = pytest.mark.skipif(
    not has_ipvs(), reason="no root, or no IPVS in this kernel; tests/uml/test_ipvs.py boots one")


@pytest.fixture
def own_table(namespace: str) -> None:
    """A namespace with a table of its own. Where lo is down the kernel takes no IPv4 address for unicast."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


ONE = service()
FAR = Destination(DestinationKey(ONE.key, ip_address("2001:db8::1"), 80))


@needs_ipvs
class TestContract(BackendContract):
    name = "ipvs"
    schedulers = ("rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq")
    impossible = (
        (replace(service(6, timeout=50), prefix=0), (), "persistence_granularity"),
        (ONE, (FAR,), "lvs_method TUN"),
    )

    @pytest.fixture
    def make(self, own_table: None) -> Making:
        return Ipvs


@needs_ipvs
class TestKernel:
    """What only this backend has."""

    @pytest.fixture(autouse=True)
    def own(self, own_table: None) -> None:
        """In each of these tests."""

    @pytest.mark.trio
    async def test_flags_engines_thresholds_and_tunnels(self) -> None:
        maglev = replace(service(port=81, scheduler="mh"), flags=SCHED1 | SCHED2)
        once = replace(service(4, UDP, 53), flags=ONE_PACKET)
        calls = replace(service(4, UDP, 5060, timeout=60), engine="sip")
        plain = destination(ONE, 1)
        everything = [
            ONE, maglev, once, calls,
            replace(plain, upper=100, lower=50, weight=2**31 - 1),
            replace(destination(ONE, 2), forward=Forward.ROUTE),
            replace(destination(ONE, 3), forward=Forward.TUNNEL),
            replace(destination(ONE, 4), forward=Forward.TUNNEL, tunnel=Tunnel(Encapsulation.GUE, 6080, 1)),
            replace(destination(ONE, 5), forward=Forward.TUNNEL, tunnel=Tunnel(Encapsulation.GRE, 0, 1)),
            replace(FAR, forward=Forward.TUNNEL),
        ]  # fmt: skip
        async with opened(Ipvs) as backend:
            assert backend.cannot(ONE, everything[4:]) == ""  # type: ignore[arg-type]
            await must(backend, adds(*everything))
            same(await backend.read(), table(*everything))
            await must(backend, [change(everything[5], forward=Forward.MASQ, weight=3), change(maglev, flags=0)])
            changed = [ONE, replace(maglev, flags=0), *everything[2:5],
                       replace(destination(ONE, 2), weight=3), *everything[6:]]
            same(await backend.read(), table(*changed))
            await must(backend, [change(calls, engine="", timeout=0, flags=0)])
            assert (await backend.read([calls.key])).services[calls.key] == service(4, UDP, 5060)

    @pytest.mark.trio
    async def test_a_leftover_is_set_to_what_is_wanted(self) -> None:
        """keepalived leaves such a service as it was."""
        async with opened(Ipvs) as backend:
            await must(backend, adds(ONE, destination(ONE, 1)))
            wanted = replace(ONE, scheduler="wrr", timeout=90, flags=PERSISTENT)
            await must(backend, adds(wanted, destination(ONE, 1, weight=7), destination(ONE, 2)))
            same(await backend.read(), table(wanted, destination(ONE, 1, weight=7), destination(ONE, 2)))

    @pytest.mark.trio
    async def test_a_scheduler_that_is_not_there_is_one_refusal(self) -> None:
        wrong = service(port=81, scheduler="nosuch")
        async with opened(Ipvs) as backend:
            refusals = await backend.apply(adds(wrong, destination(wrong, 1), destination(wrong, 2), ONE))
            assert [key for key, _ in refusals] == [wrong.key]
            assert is_a_sentence(refusals[0][1]) and "no scheduler nosuch (module ip_vs_nosuch)" in refusals[0][1]
            same(await backend.read(), table(ONE))
            right = replace(wrong, scheduler="rr")
            assert [key for key, _ in await backend.apply(adds(wrong, right, destination(right, 1)))] == [wrong.key]
            same(await backend.read(), table(ONE, right, destination(right, 1)))
            group = Destination(DestinationKey(ONE.key, ip_address("224.0.0.1"), 80))
            both = await backend.apply([change(ONE, scheduler="nosuch"), add(group), add(destination(ONE, 3))])
            assert [key for key, _ in both] == [ONE.key, group.key], "the service is there as it was"
            same(await backend.read([ONE.key]), table(ONE, destination(ONE, 3)))

    @pytest.mark.trio
    async def test_refusals_name_the_reason(self) -> None:
        group = Destination(DestinationKey(ONE.key, ip_address("224.0.0.1"), 80))
        narrow = replace(destination(ONE, 1), upper=5, lower=6)
        lost = destination(service(port=99), 1)
        async with opened(Ipvs) as backend:
            refusals = dict(await backend.apply(adds(ONE, group, narrow, lost)))
            assert "unicast address" in refusals[group.key]
            assert "lower connection threshold is above the upper" in refusals[narrow.key]
            assert "its service is not there" in refusals[lost.key]
            assert all(map(is_a_sentence, refusals.values()))

    @pytest.mark.trio
    async def test_what_is_twice_in_one_order_is_done_in_turn(self) -> None:
        """Second attempts do not come after what was to follow."""
        async with opened(Ipvs) as backend:
            await must(backend, adds(ONE, destination(ONE, 1)))
            await must(backend, [add(ONE), add(destination(ONE, 1, weight=3)), remove(ONE)])
            same(await backend.read(), Table())
            await must(backend, [change(ONE, scheduler="wrr"), remove(ONE), change(ONE, scheduler="lc")])
            same(await backend.read(), table(replace(ONE, scheduler="lc")))

    @pytest.mark.trio
    async def test_synchronisation_daemons(self) -> None:
        master, backup = SyncDaemon("master", "lo", 51), SyncDaemon("backup", "lo", 52, port=8849, max_length=600)
        async with opened(Ipvs) as backend, opened(Ipvs, empty=False) as other:
            with kernel.Ipvs() as ipvs:
                await backend.set_daemons([master, backup])
                shown = {each.state: each for each in ipvs.daemons()}
                assert (shown["master"].interface, shown["master"].sync_id) == ("lo", 51)
                assert (shown["backup"].sync_id, shown["backup"].port) == (52, 8849)
                await other.set_daemons([master, backup])
                await backend.set_daemons([replace(master, sync_id=53)])
                assert [(each.state, each.sync_id) for each in ipvs.daemons()] == [("master", 53)]
                with pytest.raises(Unavailable, match="there is no interface nosuch"):
                    await backend.set_daemons([SyncDaemon("backup", "nosuch")])
                await backend.set_daemons([])
                assert ipvs.daemons() == []

    @pytest.mark.trio
    async def test_daemons_that_run_as_they_should_are_not_touched(self, monkeypatch: pytest.MonkeyPatch) -> None:
        daemons = [SyncDaemon("master", "lo", 51), SyncDaemon("backup", "lo", 51, max_length=600)]
        async with opened(Ipvs) as backend:
            await backend.set_daemons(daemons)
            with monkeypatch.context() as patch:
                patch.setattr(kernel.Ipvs, "stop", None)
                patch.setattr(kernel.Ipvs, "start", None)
                await backend.set_daemons(daemons)
            await backend.set_daemons([])

    @pytest.mark.trio
    async def test_thousands_come_in_batches_and_others_have_their_turn(self) -> None:
        """37,205 real servers would take UML too long: a twentieth of them. The numbers go into the record."""
        services = [service(port=port) for port in range(1000, 1114)]
        everything = [each for one in services for each in (one, *(destination(one, last) for last in range(16)))]
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await trio.lowlevel.checkpoint()

        async with opened(Ipvs) as backend, trio.open_nursery() as nursery:
            nursery.start_soon(count)
            start = time.perf_counter()
            await must(backend, adds(*everything))
            made, batches = time.perf_counter(), turns
            found = await backend.read()
            read = time.perf_counter()
            usage = await backend.usage()
            used = time.perf_counter()
            nursery.cancel_scope.cancel()
        assert batches >= len(everything) // kernel.BATCH
        same(found, table(*everything))
        assert len(usage) == len(everything)
        print(f"{len(everything)} made in {made - start:.3f} s, read in {read - made:.3f} s, "
              f"usage in {used - read:.3f} s")

    @pytest.mark.trio
    async def test_the_table_of_another_namespace(self, namespace: str) -> None:
        there = f"{namespace}-ipvs"
        subprocess.run(["ip", "netns", "add", there], check=True)
        try:
            subprocess.run(["ip", "-n", there, "link", "set", "lo", "up"], check=True)
            async with opened(lambda: Ipvs(there)) as backend, opened(Ipvs, empty=False) as here:
                await must(backend, adds(ONE, destination(ONE, 1)))
                same(await here.read(), Table())
                with netns.visit(there):
                    shown = kernel.Ipvs()
                with shown:
                    assert [each.key for each in shown.services()] == [ONE.key]
        finally:
            subprocess.run(["ip", "netns", "del", there], check=True)

    @pytest.mark.trio
    async def test_use_after_close(self) -> None:
        backend = Ipvs()
        await backend.open()
        await backend.close()
        with pytest.raises(Unavailable, match="not open"):
            await backend.read()


# --- without IPVS


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A kernel that has no IPVS, or answers with the errno that is put into the list."""
    answers = [errno.ENOENT]

    def refuse() -> None:
        raise NetlinkError(answers[0], "x")

    monkeypatch.setattr(kernel, "Ipvs", refuse)
    monkeypatch.setattr(kernel, "load_module", lambda: "modprobe: Module ip_vs not found")
    yield answers


@pytest.mark.trio
async def test_without_the_module_it_says_so(refusing: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.os, "geteuid", lambda: 0)
    with pytest.raises(Unavailable) as raised:
        await Ipvs().open()
    assert str(raised.value) == ("the kernel has no IPVS (modprobe: Module ip_vs not found): its module ip_vs must be "
                                 "there and loaded, as by `modprobe ip_vs`")


@pytest.mark.trio
async def test_nobody_but_root_loads_modules(refusing: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(kernel, "load_module", None)
    with pytest.raises(Unavailable, match="the kernel has no IPVS: its module"):
        await Ipvs().open()


@pytest.mark.trio
async def test_without_the_namespace_it_says_so(refusing: list[int]) -> None:
    with pytest.raises(Unavailable) as raised:
        await Ipvs("hk-none").open()
    assert str(raised.value) == (
        "net_namespace_ipvs: there is no network namespace hk-none ('ip netns add hk-none' makes it)")


@pytest.mark.trio
async def test_without_the_right_it_says_so(refusing: list[int]) -> None:
    refusing[0] = errno.EPERM
    with pytest.raises(Unavailable, match="IPVS cannot be used: it needs the capability CAP_NET_ADMIN"):
        await Ipvs().open()


def test_an_old_kernel_has_no_new_tunnels(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would make ipip tunnels of them."""
    def on(release: str, tunnel: Tunnel) -> str:
        monkeypatch.setattr(module.os, "uname", lambda: type("uname", (), {"release": release}))
        return Ipvs().cannot(ONE, [replace(destination(ONE), forward=Forward.TUNNEL, tunnel=tunnel)])

    assert on("4.19.0-1", Tunnel(Encapsulation.GUE, 6080)) == (
        "lvs_method TUN type gue needs Linux 5.2, and this is 4.19.0-1")
    assert "type gre needs Linux 5.3" in on("5.2.1", Tunnel(Encapsulation.GRE))
    assert "checksums of lvs_method TUN need Linux 5.3" in on("5.2.1", Tunnel(Encapsulation.GUE, 6080, 1))
    for release, tunnel in (("3.10.0", Tunnel()), ("5.2.1", Tunnel(Encapsulation.GUE, 1)),
                            ("5.10.0", Tunnel(Encapsulation.GRE, 0, 1)), ("6.1", Tunnel(Encapsulation.GUE, 1, 2))):
        assert on(release, tunnel) == ""


@pytest.mark.trio
async def test_nothing_tells_of_changes(autojump_clock: trio.abc.Clock) -> None:
    with trio.move_on_after(3600) as patience:
        await Ipvs().changed()
    assert patience.cancelled_caught
