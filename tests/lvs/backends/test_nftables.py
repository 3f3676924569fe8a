"""The nftables backend keeps the contract in a real kernel, and stands what others do to its table."""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
import trio
import trio.testing
from contract import (
    BackendContract,
    Making,
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

from hakeep.kernel import nft as kernel
from hakeep.kernel.nft import Nft, NftError
from hakeep.lvs.backends import Unavailable
from hakeep.lvs.backends import nftables as module
from hakeep.lvs.backends.nftables import Nftables
from hakeep.objects.ipvs import ONE_PACKET, Destination, DestinationKey, Forward, SyncDaemon, Table, Timeouts

pytestmark = pytest.mark.netns

ONE = service()


def other(**words: object) -> tuple[Destination, ...]:
    return (replace(destination(ONE), **words),)  # type: ignore[arg-type]


class TestContract(BackendContract):
    name = "nftables"
    keeps_order = False
    knows_connections = False
    impossible = (
        (service(scheduler="wlc"), (), "lvs_sched"),
        (service(scheduler="mh"), (), "lvs_sched"),
        (replace(ONE, flags=ONE_PACKET), (), "ops"),
        (replace(ONE, engine="sip"), (), "persistence_engine"),
        (ONE, other(forward=Forward.ROUTE), "lvs_method DR"),
        (ONE, other(forward=Forward.TUNNEL), "lvs_method TUN"),
        (ONE, other(upper=10), "uthreshold"),
        (ONE, other(lower=10), "lthreshold"),
        (ONE, (Destination(DestinationKey(ONE.key, ip_address("2001:db8::1"), 80)),), "lvs_method TUN"),
    )

    @pytest.fixture
    def make(self, namespace: str) -> Making:
        return Nftables


@pytest.fixture
def make(namespace: str) -> Making:
    return Nftables


def nft(*words: str) -> str:
    """What somebody else does with the nft command."""
    return subprocess.run(["nft", *words], check=True, capture_output=True, text=True).stdout


def ruleset() -> list[str]:
    """All that there is, without the order in which it was made."""
    return sorted(nft("list", "ruleset").splitlines())


async def notices(backend: Nftables) -> None:
    with trio.fail_after(5):
        await backend.changed()


EVERYTHING = [
    ONE, destination(ONE, 1), destination(ONE, 2, weight=0),
    service(6, timeout=50), destination(service(6, timeout=50), 1), destination(service(6, timeout=50), 2, weight=7),
]


@pytest.mark.trio
@pytest.mark.parametrize(
    "damage",
    [
        "flush ruleset",
        "delete table ip hakeep_lvs",
        "flush table ip hakeep_lvs",
        "flush chain ip hakeep_lvs dispatch",
        "flush chain ip hakeep_lvs prerouting",
        "delete chain ip hakeep_lvs prerouting",
        "flush chain ip hakeep_lvs tcp-192.0.2.80-80",
        "flush chain ip hakeep_lvs opening",
        "insert rule ip hakeep_lvs tcp-192.0.2.80-80 drop",
        "add rule ip hakeep_lvs tcp-192.0.2.80-80 dnat to 198.51.100.2",
        "flush set ip hakeep_lvs servers",
        "delete set ip hakeep_lvs servers",
        "delete element ip hakeep_lvs servers { tcp . 192.0.2.80 . 80 . 198.51.100.1 . 80 }",
        "add element ip hakeep_lvs servers { tcp . 192.0.2.80 . 80 . 198.51.100.3 . 80 comment \"weight=1\" }",
        "delete element ip hakeep_lvs services { tcp . 192.0.2.80 . 80 }",
    ],
)
async def test_damage_is_noticed_and_repaired(make: Making, damage: str) -> None:
    async with opened(make) as backend:
        await must(backend, adds(*EVERYTHING))
        before = ruleset()
        nft(*damage.split())
        assert ruleset() != before
        await notices(backend)  # type: ignore[arg-type]
        found = await backend.read()
        assert ONE.key not in found.services
        missing = [each for each in EVERYTHING if each.key not in found.services | found.destinations]
        await must(backend, adds(*missing))
        assert ruleset() == before
        same(await backend.read(), table(*EVERYTHING))
        assert backend.culprit.startswith("nft[")  # type: ignore[attr-defined]
        async with opened(make, empty=False) as fresh:
            same(await fresh.read(), table(*EVERYTHING))


@pytest.mark.trio
async def test_what_is_ours_or_of_other_tables_is_no_news(make: Making) -> None:
    async with opened(make) as backend:
        await must(backend, adds(*EVERYTHING))
        await backend.read()
        nft("add", "table", "ip", "elsewhere")
        nft("add", "chain", "ip", "elsewhere", "hakeep_lvs")
        await must(backend, [change(ONE, scheduler="wrr")])
        with trio.move_on_after(0.2) as patience:
            await backend.changed()
        assert patience.cancelled_caught


@pytest.mark.trio
@pytest.mark.parametrize("waiting", [True, False])
async def test_who_notices_first_does_not_keep_it_to_himself(make: Making, waiting: bool) -> None:
    """Counting and changing look at the table as well; the worker must hear of it all the same."""
    async with opened(make) as backend:
        for notice in (backend.usage, lambda: backend.apply(adds(ONE))):
            await must(backend, adds(*EVERYTHING))
            same(await backend.read(), table(*EVERYTHING))
            async with trio.open_nursery() as nursery:
                if waiting:
                    nursery.start_soon(notices, backend)
                    await trio.testing.wait_all_tasks_blocked()
                nft("flush", "ruleset")
                await notice()
                if not waiting:
                    await notices(backend)  # type: ignore[arg-type]
            await backend.flush()


@pytest.mark.trio
async def test_who_waits_for_changes_is_told_that_it_was_closed(make: Making) -> None:
    backend = make()
    await backend.open()
    await backend.read()

    async def wait() -> None:
        with trio.fail_after(5), pytest.raises(Unavailable, match="not open"):
            await backend.changed()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        await backend.close()


@pytest.mark.trio
async def test_a_quiet_table_is_not_read_again(make: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    listing = Nft.listing
    monkeypatch.setattr(Nft, "listing", lambda self, command, **words: (
        asked.append(command), listing(self, command, **words))[1])
    async with opened(make) as backend:
        await must(backend, adds(*EVERYTHING))
        asked.clear()
        same(await backend.read(), table(*EVERYTHING))
        await must(backend, [])
        assert asked == []


@pytest.mark.trio
async def test_a_batch_is_one_transaction(make: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts: list[str] = []
    run = Nft.run
    monkeypatch.setattr(Nft, "run", lambda self, script: (scripts.append(script), run(self, script))[1])
    async with opened(make) as backend:
        scripts.clear()
        await must(backend, [*adds(*EVERYTHING), change(ONE, scheduler="wrr"), remove(EVERYTHING[3])])
        assert len(scripts) == 1
        await must(backend, [change(ONE, scheduler="wrr"), remove(EVERYTHING[3])])
        assert len(scripts) == 1, "nothing to do, nothing written"


@pytest.mark.trio
async def test_somebody_flushes_while_we_write(
    make: Making, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Nft.run
    flushes = 1

    def flush_first(self: Nft, script: str) -> None:
        nonlocal flushes
        if flushes:
            flushes -= 1
            # By name: this is a thread of trio's, which may have come from the namespace of an earlier test.
            subprocess.run(["ip", "netns", "exec", namespace, "nft", "flush", "ruleset"], check=True)
        run(self, script)

    async with opened(make) as backend:
        await must(backend, adds(*EVERYTHING))
        more = service(port=81)
        monkeypatch.setattr(Nft, "run", flush_first)
        await must(backend, adds(more, destination(more)))
        same(await backend.read(), table(more, destination(more)))


@pytest.mark.trio
@pytest.mark.parametrize("family", [4, 6])
async def test_the_widest_granularity(make: Making, family: int) -> None:
    """All clients of the world are one."""
    async with opened(make) as backend:
        one = replace(service(family, timeout=50), prefix=0)
        await must(backend, adds(one, destination(one, 1), destination(one, 2)))
        same(await backend.read(), table(one, destination(one, 1), destination(one, 2)))


@pytest.mark.trio
async def test_a_real_server_twice(make: Making) -> None:
    """Two that get their packets at the same place share a counter; when one goes the other takes it over."""
    async with opened(make) as backend:
        one = service(port=80)
        named, plain = destination(one, 1, port=80), destination(one, 1, port=0)
        await must(backend, adds(one, named, plain))
        same(await backend.read(), table(one, named, plain))
        await must(backend, [remove(named)])
        same(await backend.read(), table(one, plain))
        await must(backend, [*adds(named), remove(plain)])
        same(await backend.read(), table(one, named))
        await must(backend, [remove(one)])
        assert "192.0.2.80" not in nft("list", "ruleset")


@pytest.mark.trio
async def test_a_service_that_the_kernel_refuses_does_not_keep_the_others_out(
    make: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Nft.run

    def refuse(self: Nft, script: str) -> None:
        if "tcp-192.0.2.80-81" in script:
            raise NftError("/dev/stdin:1:1-2: Error: Could not process rule: No space left on device\nadd rule")
        run(self, script)

    monkeypatch.setattr(Nft, "run", refuse)
    bad = service(port=81)
    async with opened(make) as backend:
        refused = await backend.apply(adds(ONE, bad, destination(bad, 1), destination(ONE, 1)))
        assert refused == [(bad.key, "nftables refuses it (No space left on device)"),
                           (destination(bad, 1).key, "nftables refuses it (No space left on device)")]
        same(await backend.read(), table(ONE, destination(ONE, 1)))
        monkeypatch.setattr(Nft, "run", run)
        await must(backend, adds(bad, destination(bad, 1)))
        same(await backend.read(), table(ONE, destination(ONE, 1), bad, destination(bad, 1)))


@pytest.mark.trio
async def test_when_nothing_goes_it_is_unavailable(make: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Nft, script: str) -> None:
        raise NftError("Error: Operation not permitted")

    async with opened(make) as backend:
        monkeypatch.setattr(Nft, "run", refuse)
        with pytest.raises(Unavailable, match="Operation not permitted"):
            await backend.apply(adds(ONE, service(port=81)))
        monkeypatch.undo()
        same(await backend.read(), Table())


@pytest.mark.trio
async def test_without_the_library_it_is_unavailable(monkeypatch: pytest.MonkeyPatch, namespace: str) -> None:
    monkeypatch.setattr(kernel, "_LIBRARY", "libnothing.so.1")
    with pytest.raises(Unavailable) as raised:
        await Nftables().open()
    assert is_a_sentence(str(raised.value))
    assert "libnothing" in str(raised.value)


@pytest.mark.trio
async def test_a_kernel_without_ipv6_does_ipv4(make: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = module.probe
    monkeypatch.setattr(module, "probe", lambda family: probe(family) if family == 4 else "add table nothing like\n")
    async with opened(make) as backend:
        assert backend.cannot(ONE, [destination(ONE)]) == ""
        six = service(6)
        assert "IPv6" in backend.cannot(six, []) or "2001:db8::80" in backend.cannot(six, [])
        assert [key for key, _ in await backend.apply(adds(ONE, six))] == [six.key]
        same(await backend.read(), table(ONE))


@pytest.mark.trio
async def test_timeouts_are_put_back_with_the_table(make: Making) -> None:
    async with opened(make) as backend:
        await backend.set_timeouts(Timeouts(100, 20, 30))
        await must(backend, adds(ONE))
        nft("flush", "ruleset")
        await notices(backend)  # type: ignore[arg-type]
        await must(backend, adds(ONE))
        assert await backend.set_timeouts(Timeouts()) == Timeouts(100, 20, 30)


@pytest.mark.trio
async def test_timeouts_of_a_worker_before_us_are_put_back_as_well(make: Making) -> None:
    async with opened(make) as backend:
        await backend.set_timeouts(Timeouts(100, 20, 30))
        await must(backend, adds(ONE))
    async with opened(make, empty=False) as backend:
        await backend.set_timeouts(Timeouts(100, 20, 30))
        nft("flush", "ruleset")
        await notices(backend)  # type: ignore[arg-type]
        await must(backend, adds(ONE))
        assert await backend.set_timeouts(Timeouts()) == Timeouts(100, 20, 30)


@pytest.mark.trio
async def test_a_change_writes_about_its_service_only(make: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a change takes does not depend on the real servers of others, nor have these anything that libnftables would
    read before each change: nothing of them has a name."""
    scripts: list[str] = []
    run = Nft.run
    monkeypatch.setattr(Nft, "run", lambda self, script: (scripts.append(script), run(self, script))[1])
    async with opened(make) as backend:
        services = [service(port=port, timeout=50 * (port % 2)) for port in range(80, 90)]
        await must(backend, adds(*services, *(destination(one, last) for one in services for last in range(1, 6))))
        names = [each for each in Nft().listing("list table ip hakeep_lvs") if not each.keys() & {"rule", "table"}]
        frame = [each for each in names if "tcp-192.0.2.80" not in str(each)]
        assert len(names) - len(frame) == len(services) + sum(one.timeout > 0 for one in services)
        for one in services[:2]:
            scripts.clear()
            await must(backend, [remove(destination(one, 3))])
            (script,) = scripts
            for line in script.splitlines():
                assert f"tcp-192.0.2.80-{one.key.port}" in line or f"192.0.2.80 . {one.key.port} " in line


@pytest.mark.trio
async def test_daemons_need_ipvs(make: Making) -> None:
    async with opened(make) as backend:
        with pytest.raises(Unavailable, match="lvs_sync_daemon needs IPVS"):
            await backend.set_daemons([SyncDaemon("master", "eth0")])


@pytest.mark.trio
async def test_nothing_is_left_when_all_is_removed(make: Making) -> None:
    async with opened(make) as backend:
        await must(backend, adds(*EVERYTHING))
        frame = nft("list", "table", "ip", "hakeep_lvs").count("\n")
        await must(backend, [remove(each) for each in reversed(EVERYTHING)])
        left = nft("list", "table", "ip", "hakeep_lvs")
        assert left.count("\n") < frame
        assert "192.0.2.80" not in nft("list", "ruleset") and "2001" not in nft("list", "ruleset")


@pytest.mark.trio
async def test_its_own_batches_are_no_lost_news(make: Making) -> None:
    """All of 1000 services with 20 real servers each, by what a twentieth of them takes."""
    rows = []
    for number in range(50):
        one = service(scheduler="wrr", timeout=60)
        one = replace(one, key=one.key._replace(ip=ip_address(f"10.1.0.{number + 1}")))
        key = DestinationKey(one.key, ip_address("10.2.0.0"), 80)
        rows += adds(one, *(Destination(key._replace(ip=key.ip + last)) for last in range(1, 21)))
    backend = Nftables()
    await backend.open()
    try:
        assert not await backend.apply(rows)
        assert backend._monitor is not None
        news = backend._monitor._socket
        inode = str(os.fstat(news.fileno()).st_ino)
        lines = [line.split() for line in Path("/proc/self/net/netlink").read_text().splitlines()]
        waiting = next(int(line[4]) for line in lines if line[-1] == inode)
        assert 0 < 20 * waiting < news.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    finally:
        await backend.close()
