"""vrrp_track_process: real processes, with the news of the kernel and without."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from struct import pack

import pytest
import trio

from hakeep.config.settled_track import TrackProcess
from hakeep.kernel import proc_connector
from hakeep.kernel.netlink import Overrun
from hakeep.kernel.proc_connector import Confirmed, Executed, Exited, Forked, ProcConnector, Renamed
from hakeep.track import processes
from tests.track.stage import Parent

Start = Callable[..., subprocess.Popen[bytes]]


def the_kernel_tells() -> bool:
    """Only root in the host's first namespaces hears anything."""
    try:
        connector = ProcConnector()
    except OSError:
        return False
    try:
        subprocess.run(["true"], check=True)
        return any(isinstance(news, Confirmed) for news in connector.receive())
    finally:
        connector.close()


@pytest.fixture(params=["connector", "proc"])
def how(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "proc":
        def refuse(_: int) -> ProcConnector:
            raise OSError(93, "Protocol not supported")

        monkeypatch.setattr(processes, "ProcConnector", refuse)
        monkeypatch.setattr(processes, "LOOK", 0.1)
    elif not the_kernel_tells():
        pytest.skip("the kernel does not tell of processes here")
    return str(request.param)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a sleep(1) under a name that nobody else has."""
    program = tmp_path / f"hk{os.getpid()}"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    started = []

    def run(*arguments: str) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([str(program), *(arguments or ("1000",))]))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()


def name() -> str:
    return f"hk{os.getpid()}"


@pytest.mark.trio
async def test_processes_come_and_go(how: str, start: Start) -> None:
    before = start()
    parent = Parent(TrackProcess("p", name()), TrackProcess("two", name(), quorum=2, quorum_max=2))
    async with parent.running():
        await parent.until(lambda: parent.judgements("p") == [True] and parent.judgements("two") == [False])
        second = start()
        await parent.until(lambda: parent.judgements("two") == [False, True])
        third = start()
        await parent.until(lambda: parent.judgements("two") == [False, True, False])
        assert parent.why("two") == "3 processes"
        third.kill()
        await parent.until(lambda: parent.judgements("two") == [False, True, False, True])  # a zombie does not count
        before.kill()
        second.kill()
        await parent.until(lambda: parent.judgements("p") == [True, False])
        assert parent.why("p") == "0 processes"
    assert len(parent.logged("no news of processes")) == (how == "proc")


@pytest.mark.trio
async def test_a_child_counts_until_it_runs_something_else(how: str, tmp_path: Path) -> None:
    shell = tmp_path / f"hs{os.getpid()}"
    shutil.copy(os.path.realpath("/bin/sh"), shell)
    parent = Parent(TrackProcess("two", shell.name, quorum=2), TrackProcess("one", shell.name))
    async with parent.running():
        await parent.until(lambda: parent.judgements("one") == [False])
        process = subprocess.Popen([str(shell), "-c", "(read -r x; exec sleep 1000) & wait"], stdin=subprocess.PIPE)
        try:
            await parent.until(lambda: parent.judgements("one") == [False, True])
        finally:
            subprocess.run(["pkill", "-9", "-P", str(process.pid)], check=False)
            process.kill()
            process.wait()
        await parent.until(lambda: parent.judgements("one") == [False, True, False])


@pytest.mark.trio
async def test_parameters_and_the_whole_command(how: str, start: Start, tmp_path: Path) -> None:
    path = str(tmp_path / name())
    parent = Parent(
        TrackProcess("exact", path, ("1000",), "exact"), TrackProcess("partial", path, ("1000",), "partial"),
        TrackProcess("initial", path, ("1000",), "initial"), TrackProcess("whole", path, full_command=True))
    async with parent.running():
        await parent.until(lambda: len(parent.said("tracked")) == 4)
        first = start("1000", "5")
        await parent.until(lambda: parent.judgements("whole") == [False, True])
        await parent.until(lambda: parent.judgements("initial") == parent.judgements("partial") == [False, True])
        assert parent.judgements("exact") == [False]
        first.kill()
        await parent.until(lambda: parent.judgements("whole") == [False, True, False])
        start("10000")
        await parent.until(lambda: parent.judgements("initial") == [False, True, False, True])
        assert parent.judgements("partial") == [False, True, False]


@pytest.mark.trio
async def test_a_delay_outlasts_a_restart(how: str, start: Start) -> None:
    first = start()
    parent = Parent(TrackProcess("patient", name(), terminate_delay=1000.0), TrackProcess("soon", name(),
                                                                                         terminate_delay=0.3))
    async with parent.running():
        await parent.until(lambda: parent.judgements("patient") == [True])
        first.kill()
        await parent.until(lambda: parent.judgements("soon") == [True, False])
        start()
        await parent.until(lambda: parent.judgements("soon") == [True, False, True])
        assert parent.judgements("patient") == [True]


@pytest.mark.trio
async def test_lost_news_make_us_count_again(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as news are lost no process is seen; after that all are."""
    lost = trio.Event()

    class Deaf:
        def __init__(self, rcvbuf: int) -> None:
            self.ends = os.pipe()
            os.write(self.ends[1], b"x")
            self.confirmed = False
            sizes.append(rcvbuf)

        def fileno(self) -> int:
            return self.ends[0]

        def receive(self) -> list[object]:
            if not self.confirmed:
                self.confirmed = True
                return [Confirmed(0)]
            if lost.is_set():
                os.read(self.ends[0], 1)
                return [Overrun()]
            return []

        def close(self) -> None:
            for end in self.ends:
                os.close(end)

    sizes: list[int] = []
    monkeypatch.setattr(processes, "ProcConnector", Deaf)
    monkeypatch.setattr(processes, "AFTER_LOSS", 0.05)
    parent = Parent(TrackProcess("p", name()))
    async with parent.running():
        await parent.until(lambda: parent.judgements("p") == [False])
        start()
        lost.set()
        await parent.until(lambda: parent.judgements("p") == [False, True])
    assert sizes[1] == 2 * sizes[0]
    assert parent.logged("news of processes were lost")


def event(what: int, data: bytes) -> bytes:
    body = pack("=IIQ", what, 0, 0) + data
    return pack("=IHHII", 36 + len(body), 3, 0, 0, 0) + pack("=IIIIHH", 1, 1, 0, 0, len(body), 0) + body


@pytest.mark.parametrize(("what", "data", "expected"), [
    (0, pack("=II", 0, 0), [Confirmed(0)]),
    (1, pack("=IIII", 10, 9, 20, 20), [Forked(20, 9)]),
    (1, pack("=IIII", 10, 9, 21, 20), []),  # a thread
    (2, pack("=II", 20, 20), [Executed(20)]),
    (0x200, pack("=II16s", 20, 20, b"name"), [Renamed(20, "name")]),
    (0x200, pack("=II16s", 21, 20, b"name"), []),
    (0x80000000, pack("=IIII", 20, 20, 0, 0), [Exited(20)]),
    (0x80000000, pack("=IIII", 21, 20, 0, 0), []),
    (4, pack("=IIII", 20, 20, 0, 0), []),
])
def test_news_are_decoded(what: int, data: bytes, expected: list[object]) -> None:
    whole = event(what, data)
    assert list(proc_connector.decode(whole)) == expected
    for length in range(len(whole)):
        list(proc_connector.decode(whole[:length]))
