"""Real packets through the nftables backend: client, director and real servers in namespaces."""

from __future__ import annotations

import itertools
import socket
import struct
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio
from contract import add, adds, change, must, remove
from plant import CLIENTS, PORT, SERVERS, VIP, Plant, client, real

from hakeep.lvs.backends.nftables import Nftables
from hakeep.lvs.nat import chain
from hakeep.objects.ipvs import (
    PERSISTENT,
    TCP,
    UDP,
    Destination,
    DestinationKey,
    Service,
    ServiceKey,
    Timeouts,
    whole,
)

pytestmark = [pytest.mark.netns, pytest.mark.trio]

families = pytest.mark.parametrize("family", [4, 6])


@pytest.fixture
def plant() -> Iterator[Plant]:
    with ExitStack() as stack:
        yield Plant(stack)


@asynccontextmanager
async def working(plant: Plant) -> AsyncIterator[Nftables]:
    """The servers listen, and there is a backend."""
    backend = Nftables()
    await backend.open()
    async with trio.open_nursery() as nursery:
        await plant.serve(nursery)
        yield backend
        await backend.close()
        nursery.cancel_scope.cancel()


def virtual(family: int = 4, scheduler: str = "rr", protocol: int = TCP, port: int = PORT, timeout: int = 0,
            prefix: int = 0) -> Service:
    key = ServiceKey(family, protocol, VIP[family], port)
    return Service(key, scheduler, PERSISTENT if timeout else 0, timeout, prefix or whole(family))


def server(service: Service, name: str, weight: int = 1, port: int = PORT) -> Destination:
    return Destination(DestinationKey(service.key, real(service.key.family, name), port), weight)


def pool(service: Service, **weights: int) -> list[Service | Destination]:
    """A service and its servers, by default all of them."""
    wanted = weights or dict.fromkeys(SERVERS, 1)
    return [service, *(server(service, name, weight) for name, weight in wanted.items())]


async def until(condition: Callable[[], object], patience: float = 10.0) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        await trio.sleep(0.02)


@families
async def test_rr_is_by_turns(plant: Plant, family: int) -> None:
    async with working(plant) as backend:
        await must(backend, adds(*pool(virtual(family))))
        assert "".join([await plant.ask(family) for _ in range(9)]) == "ABCABCABC"


@families
async def test_wrr_is_by_weight(plant: Plant, family: int) -> None:
    async with working(plant) as backend:
        await must(backend, adds(*pool(virtual(family, "wrr"), A=4, B=3, C=2)))
        assert "".join([await plant.ask(family) for _ in range(18)]) == 2 * "AABABCABC"


@families
async def test_sh_is_stable(plant: Plant, family: int) -> None:
    async with working(plant) as backend:
        service = virtual(family, "sh")
        await must(backend, adds(*pool(service)))
        home = {last: await plant.ask(family, last) for last in range(2, CLIENTS)}
        assert set(home.values()) == set(SERVERS)
        assert {last: await plant.ask(family, last) for last in range(2, CLIENTS)} == home
        await must(backend, [remove(server(service, "B"))])
        later = {last: await plant.ask(family, last) for last in range(2, CLIENTS)}
        moved = [last for last in home if later[last] != home[last]]
        gone = [last for last in home if home[last] == "B"]
        assert set(gone) <= set(moved)
        assert len(moved) - len(gone) <= 4, "hardly anybody else moves"
        await must(backend, [add(server(service, "B"))])
        assert {last: await plant.ask(family, last) for last in range(2, CLIENTS)} == home


@families
async def test_persistence_holds_and_ends(plant: Plant, family: int) -> None:
    async with working(plant) as backend:
        service = virtual(family, timeout=2)
        await must(backend, adds(*pool(service)))
        assert [await plant.ask(family) for _ in range(5)] == 5 * ["A"]
        assert [await plant.ask(family, 3) for _ in range(5)] == 5 * ["B"]
        assert [await plant.ask(family) for _ in range(2)] == 2 * ["A"]
        usage = await backend.usage()
        assert [usage[server(service, name).key].persistent for name in SERVERS] == [1, 1, 0]
        word = "ip" if family == 4 else "ip6"
        remembered = f"{word} hakeep_lvs tcp-{str(VIP[family]).replace(':', '_')}-80"
        await until(lambda: str(client(family)) not in nft("list", "set", *remembered.split()))
        assert await plant.ask(family) == "C", "forgotten, and the next in turn"


@families
async def test_persistence_of_whole_networks(plant: Plant, family: int) -> None:
    async with working(plant) as backend:
        prefix = 28 if family == 4 else 124
        await must(backend, adds(*pool(virtual(family, timeout=60, prefix=prefix))))
        assert {await plant.ask(family, last) for last in (2, 3, 5, 9, 14)} == {"A"}
        assert {await plant.ask(family, last) for last in (16, 17, 20)} == {"B"}


async def test_a_persistent_client_leaves_a_server_of_weight_nought(plant: Plant) -> None:
    async with working(plant) as backend:
        service = virtual(timeout=60)
        await must(backend, adds(*pool(service)))
        assert await plant.ask() == "A"
        await must(backend, [change(server(service, "A"), weight=0)])
        new = await plant.ask()
        assert new != "A"
        await must(backend, [change(server(service, "A", 0), weight=1)])
        assert [await plant.ask() for _ in range(4)] == 4 * [new], "and stays where it went"


async def test_rewriting_does_not_move_persistent_clients(plant: Plant) -> None:
    async with working(plant) as backend:
        service = virtual(timeout=60)
        await must(backend, adds(*pool(service, A=1, B=1)))
        assert [await plant.ask(last=last) for last in (2, 3)] == ["A", "B"]
        await must(backend, [change(server(service, "A"), weight=5), add(server(service, "C"))])
        await must(backend, [change(service, timeout=70)])
        assert [await plant.ask(last=last) for last in (3, 2, 3, 2)] == ["B", "A", "B", "A"]


@families
async def test_persistent_clients_come_by_turns(plant: Plant, family: int) -> None:
    async with working(plant) as backend:
        service = virtual(family, "wrr", timeout=60)
        await must(backend, adds(*pool(service, A=3, B=2, C=1)))
        assert "".join([await plant.ask(family, last) for last in range(2, 14)]) == 2 * "AABABC"
        assert "".join([await plant.ask(family, last) for last in range(2, 14)]) == 2 * "AABABC"


@families
async def test_persistence_with_a_hash(plant: Plant, family: int) -> None:
    async with working(plant) as backend:
        service = virtual(family, "sh", timeout=60)
        await must(backend, adds(*pool(service, A=1, B=1)))
        home = {last: await plant.ask(family, last) for last in range(2, 20)}
        assert set(home.values()) == {"A", "B"}
        await must(backend, [add(server(service, "C"))])
        assert {last: await plant.ask(family, last) for last in range(2, 20)} == home, "a hash would have moved some"
        assert "C" in {await plant.ask(family, last) for last in range(20, CLIENTS)}


@families
async def test_persistence_is_kept_over_a_restart(plant: Plant, family: int) -> None:
    service = virtual(family, timeout=60)
    async with working(plant) as backend:
        await must(backend, adds(*pool(service)))
        home = {last: await plant.ask(family, last) for last in range(2, 8)}
    async with working(plant) as backend:
        await must(backend, [change(server(service, "A"), weight=0)])
        away = {last: await plant.ask(family, last) for last in home}
        assert {last: where for last, where in away.items() if home[last] != "A"} == {
            last: where for last, where in home.items() if where != "A"}
    async with working(plant) as backend:
        await must(backend, [change(server(service, "A", 0), weight=1)])
        assert {last: await plant.ask(family, last) for last in home} == away, "A's number is a new one"
        usage = await backend.usage()
        remembered = [usage[server(service, name).key].persistent for name in SERVERS]
        assert remembered == [0, *(list(away.values()).count(name) for name in "BC")]


@families
async def test_a_full_memory_keeps_no_client_out(plant: Plant, family: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "CLIENTS_MAX", 2)
    async with working(plant) as backend:
        service = virtual(family, timeout=60)
        await must(backend, adds(*pool(service)))
        answers = [await plant.ask(family, last) for last in range(2, 12)]
        assert set(answers[2:]) == set(SERVERS)
        assert [await plant.ask(family, last) for last in (2, 3, 3, 2)] == [*answers[:2], answers[1], answers[0]]


@families
@pytest.mark.parametrize("how", ["weight 0", "removed", "service removed"])
async def test_connections_are_kept(plant: Plant, family: int, how: str) -> None:
    async with working(plant) as backend:
        service = virtual(family)
        await must(backend, adds(*pool(service)))
        old = await plant.connect(family)
        assert old.server == "A"
        match how:
            case "weight 0":
                await must(backend, [change(server(service, "A"), weight=0)])
            case "removed":
                await must(backend, [remove(server(service, "A"))])
            case _:
                await must(backend, [remove(service)])
        assert await old.echoes()
        if how != "service removed":
            assert {await plant.ask(family) for _ in range(6)} == {"B", "C"}
        assert await old.echoes()
        old.close()


@families
async def test_a_sorry_server_comes_and_goes(plant: Plant, family: int) -> None:
    async with working(plant) as backend:
        service = virtual(family)
        await must(backend, adds(*pool(service, A=1, B=1)))
        assert {await plant.ask(family) for _ in range(4)} == {"A", "B"}
        await must(backend, [remove(server(service, "A")), remove(server(service, "B")), add(server(service, "C"))])
        assert {await plant.ask(family) for _ in range(4)} == {"C"}
        await must(backend, [remove(server(service, "C")), add(server(service, "A")), add(server(service, "B"))])
        assert {await plant.ask(family) for _ in range(4)} == {"A", "B"}


@families
@pytest.mark.parametrize("weight", [None, 0])
async def test_without_a_server_clients_are_refused(plant: Plant, family: int, weight: int | None) -> None:
    async with working(plant) as backend:
        service = virtual(family)
        await must(backend, adds(service, *([] if weight is None else [server(service, "A", weight)])))
        listening = plant.socket("director", family)  # somebody else on the director must not answer in its place
        await listening.bind((str(VIP[family]), PORT))
        listening.listen()
        with pytest.raises(ConnectionRefusedError):
            await plant.connect(family)
        listening.close()


async def test_never_a_moment_without_a_server(plant: Plant) -> None:
    async with working(plant) as backend:
        service = virtual()
        await must(backend, adds(*pool(service, A=1)))
        swaps = 0

        async def swap() -> None:
            nonlocal swaps
            for here, there in itertools.cycle(itertools.pairwise("ABCA")):
                await must(backend, [remove(server(service, here)), add(server(service, there))])
                await must(backend, [change(service, scheduler="wrr" if swaps % 2 else "rr")])
                swaps += 1

        answers: Counter[str] = Counter()
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(swap)
                while answers.total() < 300 or swaps < 20:
                    answers[await plant.ask()] += 1
                nursery.cancel_scope.cancel()
        assert set(answers) == set(SERVERS)


@families
async def test_a_flushed_ruleset_is_repaired(plant: Plant, family: int) -> None:
    async with working(plant) as backend:
        everything = pool(virtual(family))
        await must(backend, adds(*everything))
        old = await plant.connect(family)
        nft("flush", "ruleset")
        with pytest.raises(OSError):
            await plant.connect(family)
        with trio.fail_after(5):
            await backend.changed()
        assert not (await backend.read()).services
        await must(backend, adds(*everything))
        assert "".join([await plant.ask(family) for _ in range(3)]) == "ABC"
        assert await old.echoes()
        old.close()


async def test_a_table_of_an_earlier_version_is_replaced_at_once(plant: Plant) -> None:
    """`older.nft` was written by a hakeep that had a chain for each real server."""
    nft("-f", str(Path(__file__).with_name("older.nft")))
    service = virtual()
    answers: Counter[str] = Counter()
    async with working(plant) as backend:
        first = await plant.connect()
        assert first.server == "A"
        assert not (await backend.read()).services
        await backend.set_timeouts(Timeouts(tcp=777))
        assert "-to-" in nft("list", "ruleset"), "clients still need it"

        async def ask() -> None:
            while True:
                answers[await plant.ask()] += 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await until(lambda: answers["A"] > 10)
            await must(backend, adds(*pool(service, C=1)))
            await until(lambda: answers["C"] > 10)
            nursery.cancel_scope.cancel()
        assert set(answers) == {"A", "C"}
        assert await first.echoes()
        listed = nft("list", "ruleset")
        assert "-to-" not in listed and "203.0.113.80-99" not in listed
        assert (await backend.set_timeouts(Timeouts())).tcp == 777
        first.close()


@families
async def test_datagrams(plant: Plant, family: int) -> None:
    async with working(plant) as backend:
        service = virtual(family, protocol=UDP)
        await must(backend, adds(*pool(service)))
        answers = []
        for _ in range(6):
            with plant.socket("client", family, socket.SOCK_DGRAM) as asking, trio.fail_after(5):
                await asking.bind((str(client(family)), 0))
                for _ in range(3):
                    await asking.sendto(b"?", (str(VIP[family]), PORT))
                    said, source = await asking.recvfrom(100)
                    assert source[:2] == (str(VIP[family]), PORT)
                    answers.append(said.decode().split())
        assert [who for who, _ in answers] == [who for who in "ABCABC" for _ in range(3)]
        assert {whence for _, whence in answers} == {str(client(family))}


class Resolver:
    """A client that always sends from the same port, and never pauses."""

    def __init__(self, plant: Plant, family: int, last: int = 2) -> None:
        self._to = (str(VIP[family]), PORT)
        self._from = (str(client(family, last)), 0)
        self._socket = plant.socket("client", family, socket.SOCK_DGRAM)

    async def ask(self, patience: float = 5.0) -> str:
        """Who answers; "" when nobody does. A neighbour may have to be asked for twice, a second apart."""
        if self._from:
            await self._socket.bind(self._from)
            self._from = ()
        await self._socket.sendto(b"?", self._to)
        with trio.move_on_after(patience):
            try:
                return (await self._socket.recv(100)).decode().split()[0]
            except ConnectionRefusedError:
                pass
        return ""

    async def until(self, *servers: str) -> str:
        """Ask until one of these answers. The kernel is told to forget after it was told of the change."""
        with trio.fail_after(10):
            while (answer := await self.ask(patience=0.5)) not in servers:
                await trio.sleep(0.01)
        return answer

    def close(self) -> None:
        self._socket.close()


@families
async def test_datagrams_of_one_flow_leave_a_removed_server(plant: Plant, family: int) -> None:
    async with working(plant) as backend:
        service = virtual(family, protocol=UDP)
        one, two = Resolver(plant, family, 2), Resolver(plant, family, 3)
        assert await one.ask(patience=0.5) == "", "there is no service yet"
        await must(backend, adds(*pool(service)))
        assert await one.until("A"), "what the kernel remembers from before is no hindrance"
        assert await two.ask() == "B"
        await must(backend, [change(server(service, "A"), weight=0)])
        assert [await one.ask(), await two.ask()] == ["A", "B"], "weight 0 keeps what there is"
        await must(backend, [remove(server(service, "A", 0))])
        assert await one.until("B", "C")
        assert await two.ask() == "B"
        for each in (one, two):
            each.close()


class Caller:
    """A client that always connects from the same port."""

    def __init__(self, plant: Plant, family: int) -> None:
        self._plant, self._family, self._port = plant, family, 40321

    async def call(self) -> str:
        """Who answers; raises OSError when nobody does. The connection is torn off."""
        made = self._plant.socket("client", self._family)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with made:
            await made.bind((str(client(self._family)), self._port))
            await made.connect((str(VIP[self._family]), PORT))
            return (await made.recv(100)).decode().split()[0]


@families
async def test_who_calls_a_dead_server_gets_another_one_when_it_is_removed(plant: Plant, family: int) -> None:
    async with working(plant) as backend:
        service = virtual(family)
        await must(backend, adds(*pool(service, A=1, B=1)))
        subprocess.run(["ip", "netns", "exec", plant.spaces["A"], "nft", "-f", "-"], check=True, text=True, input="""
            table inet dead { chain in { type filter hook input priority 0; tcp dport 80 drop; }; }""")
        answers: list[str] = []

        async def call() -> None:
            answers.append(await Caller(plant, family).call())

        with trio.fail_after(10):  # a SYN is repeated after a second, then after two, four, eight
            async with trio.open_nursery() as nursery:
                nursery.start_soon(call)
                await until(lambda: "SYN_SENT" in tracked(family))
                await must(backend, [remove(server(service, "A"))])
        assert answers == ["B"]


@families
async def test_who_calls_again_from_the_same_port_does_not_get_the_removed_server(plant: Plant, family: int) -> None:
    async with working(plant) as backend:
        service, caller = virtual(family), Caller(plant, family)
        sick = server(service, "A", port=PORT + 7)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tear_off, plant, family, PORT + 7)
            await must(backend, adds(service, sick, server(service, "B")))
            for _ in range(3):  # the kernel remembers, although it would be B's turn
                with trio.fail_after(5), pytest.raises(ConnectionResetError):
                    await caller.call()
            assert "CLOSE" in tracked(family)
            old = await plant.connect(family, 3)
            assert old.server == "B"
            await must(backend, [remove(sick)])
            await until(lambda: "CLOSE" not in tracked(family), patience=4)  # after 10 s it would go by itself
            with trio.fail_after(5):
                assert await caller.call() == "B"
            assert await old.echoes()
            old.close()
            nursery.cancel_scope.cancel()


async def tear_off(plant: Plant, family: int, port: int) -> None:
    """A sick server: whatever it accepts it tears off."""
    with plant.socket("A", family) as listening:
        await listening.bind((str(real(family, "A")), port))
        listening.listen()
        while True:
            accepted, _ = await listening.accept()
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            accepted.close()


def tracked(family: int) -> set[str]:
    """The states of connections to the VIP."""
    vip = f"dst={VIP[family] if family == 4 else VIP[family].exploded} "
    lines = Path("/proc/thread-self/net/nf_conntrack").read_text().splitlines()
    return {line.split()[5] for line in lines if vip in line and " tcp " in line}


@families
async def test_marks(plant: Plant, family: int) -> None:
    async with working(plant) as backend:
        table = "ip" if family == 4 else "ip6"
        nft("add", "table", table, "marking")
        nft("add", "chain", table, "marking", "in", "{ type filter hook prerouting priority -150; }")
        nft("add", "rule", table, "marking", "in", "tcp", "dport", "{ 80, 81 }", "meta", "mark", "set", "7")
        service = Service(ServiceKey(family, 0, None, 0, 7), "rr", prefix=whole(family))
        await must(backend, adds(service, *(server(service, name, port=0) for name in SERVERS)))
        assert "".join([await plant.ask(family, port=PORT + turn % 2) for turn in range(6)]) == "ABCABC"
        await must(backend, [remove(server(service, name, port=0)) for name in "AB"])
        await must(backend, adds(server(service, "A", port=PORT)))
        assert {await plant.ask(family, port=PORT + 1) for _ in range(4)} == {"A", "C"}
        usage = await backend.usage()
        assert usage[service.key].counts.connections == 10
        assert usage[server(service, "A", port=PORT).key].counts.in_packets >= 2


@families
async def test_all_ports_of_an_address_and_one_of_its_own(plant: Plant, family: int) -> None:
    async with working(plant) as backend:
        every, single = virtual(family, port=0, timeout=60), virtual(family, port=PORT + 1)
        await must(backend, adds(every, *(server(every, name, port=0) for name in "AB"),
                                 single, server(single, "C", port=PORT)))
        assert {await plant.ask(family, port=PORT) for _ in range(4)} == {"A"}
        assert {await plant.ask(family, port=PORT + 1) for _ in range(4)} == {"C"}
        await must(backend, [remove(single)])
        assert {await plant.ask(family, port=PORT + turn % 2) for turn in range(4)} == {"A"}


@families
async def test_the_director_itself_is_a_client(plant: Plant, family: int) -> None:
    async with working(plant) as backend:
        await must(backend, adds(*pool(virtual(family))))
        connection = await plant.connect(family, where="director")
        assert connection.server == "A"
        assert await connection.echoes()
        connection.close()


@families
async def test_what_is_counted(plant: Plant, family: int) -> None:
    async with working(plant) as backend:
        service = virtual(family, "wrr")
        await must(backend, adds(*pool(service, A=2, B=1)))
        await backend.usage()
        connections = [await plant.connect(family) for _ in range(6)]
        for connection in connections:
            assert await connection.echoes()
        usage = await backend.usage()
        counted = {name: usage[server(service, name, weight).key].counts for name, weight in (("A", 2), ("B", 1))}
        assert [counted[name].connections for name in "AB"] == [4, 2]
        total = usage[service.key].counts
        assert total.connections == 6
        for field in ("in_packets", "out_packets", "in_bytes", "out_bytes"):
            assert getattr(total, field) == sum(getattr(each, field) for each in counted.values())
        with trio.fail_after(10):
            while not (rated := (await backend.usage())[service.key].counts).connection_rate:
                await trio.sleep(0.1)
        assert 0 < rated.connection_rate <= 6 and 0 < rated.in_byte_rate <= rated.in_bytes
        # SYN, its ACK, what was said, and the ACK of its echo; back: SYN ACK, the name, ACK or echo
        header = 20 if family == 4 else 40
        assert total.in_packets >= 6 * 3 and total.out_packets >= 6 * 3
        assert total.in_bytes >= total.in_packets * (header + 20) + 6 * len("still there?")
        await must(backend, [change(server(service, "A", 2), weight=0)])
        after = await backend.usage()
        assert after[service.key].counts.connections == 6, "rewriting forgets nothing"
        assert after[service.key].counts.in_packets >= total.in_packets
        for step in (remove(server(service, "A", 0)), add(server(service, "A", 2))):
            await must(backend, [step])
            again = (await backend.usage())[service.key].counts
            assert again.connections == 6 and again.in_packets >= total.in_packets, "nor does a server that goes"
            assert again.in_packet_rate <= again.in_packets
        for connection in connections:
            connection.close()


async def test_timeouts_are_those_of_services_only(plant: Plant) -> None:
    async with working(plant) as backend:
        service = virtual()
        await must(backend, adds(*pool(service, A=1)))
        usual = await backend.set_timeouts(Timeouts(tcp=777, udp=33))
        assert usual.tcp > 1000
        connection = await plant.connect()
        assert await connection.echoes()
        await until(lambda: left() and 700 < left()[0] <= 777)  # it is less while something is not acknowledged
        connection.close()


def left() -> list[int]:
    """Seconds that connections to the VIP have left."""
    tracked = [line.split() for line in Path("/proc/thread-self/net/nf_conntrack").read_text().splitlines()]
    return [int(words[4]) for words in tracked if f"dst={VIP[4]}" in words and "ESTABLISHED" in words]


async def test_another_table_is_another_world(plant: Plant) -> None:
    async with working(plant) as backend:
        await must(backend, adds(*pool(virtual())))
        other = Nftables("somebody_else")
        await other.open()
        assert not (await other.read()).services
        await other.flush()
        assert await plant.ask() == "A"
        await must(backend, [change(replace(virtual()), scheduler="wrr")])
        assert not (await other.read()).services
        await other.close()


def nft(*words: str) -> str:
    return subprocess.run(["nft", *words], check=True, capture_output=True, text=True).stdout
