"""What scripts and FIFOs are told, with real scripts that write down what they were called with."""

from __future__ import annotations

import os
import pwd
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio
import trio.testing

from hakeep.config.settled import Fifo, Global, Notify, Script, VrrpInstance
from hakeep.notify import herald
from hakeep.notify.news import News
from hakeep.notify.notifier import Notifier
from hakeep.vrrp.messages import NotifyChange, State

OURSELVES = pwd.getpwuid(os.geteuid()).pw_name
DEADLINE = 10.0


class Bench:
    """A directory with scripts, and a notifier."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.record = directory / "record"
        self.log: list[str] = []
        self.globals = Global(script_user=OURSELVES)

    def script(self, name: str, body: str = "") -> Script:
        path = self.directory / name
        path.write_text(f'#!/bin/sh\n{body}\necho "{name} $*" >> {self.record}\n')
        path.chmod(0o755)
        return Script((str(path),))

    def fifo(self, script: Script | None = None) -> Fifo:
        return Fifo(str(self.directory / "fifo"), script=script)

    def calls(self) -> list[str]:
        return self.record.read_text().splitlines() if self.record.exists() else []

    def make(self) -> Notifier:
        return Notifier(self.globals, lambda level, text: self.log.append(text))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Notifier]:
        with trio.fail_after(DEADLINE):
            async with trio.open_nursery() as nursery:
                it = self.make()
                await nursery.start(it.run)
                yield it
                nursery.cancel_scope.cancel()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(DEADLINE):
        while not condition():
            await trio.sleep(0.005)


def change(what: str, name: str = "VI_1", priority: int = 150, kind: str = "INSTANCE") -> NotifyChange:
    return NotifyChange(kind, name, what, priority)


@pytest.mark.trio
async def test_arguments_of_the_generic_script(bench: Bench) -> None:
    generic = bench.script("any")
    notify = Notify(any=Script((*generic.argv, "own words", "here")))
    async with bench.running() as it:
        it.notify(change(State.MASTER), notify)
        it.notify(change(State.FAULT, name="VG 1", priority=0, kind="GROUP"), notify)
        await it.drain(DEADLINE)
    assert sorted(bench.calls()) == [
        "any own words here GROUP VG 1 FAULT 0",
        "any own words here INSTANCE VI_1 MASTER 150",
    ]


@pytest.mark.trio
@pytest.mark.parametrize("state", ["master", "backup", "fault", "stop", "deleted"])
async def test_each_state_has_its_own_script_and_the_generic_one(bench: Bench, state: str) -> None:
    scripts = {name: bench.script(name) for name in ("master", "backup", "fault", "stop", "deleted", "any")}
    notify = Notify(**scripts, deleted_is_a_state=True)
    async with bench.running() as it:
        it.notify(change(state.upper()), notify)
        await it.drain(DEADLINE)
    assert sorted(bench.calls()) == sorted([f"{state} ", f"any INSTANCE VI_1 {state.upper()} 150"])


@pytest.mark.trio
async def test_a_router_that_a_reload_removed_is_in_fault_unless_notify_deleted_is_given(bench: Bench) -> None:
    notify = Notify(fault=bench.script("fault"), any=bench.script("any"))
    bench.globals = replace(bench.globals, notify_fifo=bench.fifo())
    async with bench.running() as it:
        reader = os.open(bench.directory / "fifo", os.O_RDONLY | os.O_NONBLOCK)
        it.notify(change(State.DELETED), notify)
        it.notify(change(State.DELETED), replace(notify, deleted_is_a_state=True))
        assert os.read(reader, 1000) == b'INSTANCE "VI_1" FAULT 150\nINSTANCE "VI_1" DELETED 150\n'
        os.close(reader)
        it.notify(change(State.DELETED), notify)
        await it.drain(DEADLINE)
    assert sorted(bench.calls()) == ["any INSTANCE VI_1 FAULT 150", "fault "]


@pytest.mark.trio
async def test_a_lower_advert_is_no_state(bench: Bench) -> None:
    """Its script runs beside those for states, is not followed by the generic one, and displaces nothing."""
    notify = Notify(
        any=bench.script("any"),
        backup=bench.script("backup", f"while ! test -e {bench.directory}/go; do sleep 0.01; done"),
        master_rx_lower_pri=bench.script("lower"),
    )
    async with bench.running() as it:
        it.notify(change(State.BACKUP), notify)
        await trio.testing.wait_all_tasks_blocked()
        it.notify(change(State.MASTER), notify)
        it.notify(change("MASTER_RX_LOWER_PRI"), notify)
        first = ["any INSTANCE VI_1 BACKUP 150", "lower "]
        await until(lambda: sorted(bench.calls()) == first)
        (bench.directory / "go").touch()
        await it.drain(DEADLINE)
    assert bench.calls()[2:] == ["backup ", "any INSTANCE VI_1 MASTER 150"]


@pytest.mark.trio
async def test_a_flapping_router_ends_with_the_script_of_its_last_state(bench: Bench) -> None:
    notify = Notify(any=bench.script("any", "sleep 0.2"))
    async with bench.running() as it:
        it.notify(change(State.BACKUP), notify)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(20):
            it.notify(change(State.MASTER), notify)
            it.notify(change(State.FAULT), notify)
        it.notify(change(State.MASTER), notify)
        await it.drain(DEADLINE)
    assert bench.calls() == ["any INSTANCE VI_1 BACKUP 150", "any INSTANCE VI_1 MASTER 150"]


@pytest.mark.trio
async def test_routers_do_not_wait_for_each_other(bench: Bench) -> None:
    wait = f"while ! test -e {bench.directory}/go; do sleep 0.01; done"
    notify = Notify(any=bench.script("any", f"test $2 = VI_1 && {wait}"))
    async with bench.running() as it:
        it.notify(change(State.MASTER), notify)
        it.notify(change(State.MASTER, name="VI_2"), notify)
        await until(lambda: bench.calls() == ["any INSTANCE VI_2 MASTER 150"])
        (bench.directory / "go").touch()
        await it.drain(DEADLINE)
    assert len(bench.calls()) == 2


@pytest.mark.trio
async def test_stopping_does_not_let_a_stuck_script_keep_the_stop_script_from_running(bench: Bench) -> None:
    notify = Notify(master=bench.script("master", "exec sleep 60"), stop=bench.script("stop"))
    async with bench.running() as it:
        it.notify(change(State.MASTER), notify)
        it.notify(change(State.STOP), notify)
        it.notify(change(State.MASTER, name="VI_2"), replace(notify, master=None))
        before = trio.current_time()
        it.notify(change(State.MASTER, name="VI_3"), notify)
        await trio.testing.wait_all_tasks_blocked()
        it.notify(change(State.STOP, name="VI_3"), notify)
        await it.drain(1.0)
        assert trio.current_time() - before < 1.5
    assert bench.calls() == ["stop ", "stop "]
    assert [line for line in bench.log if line.startswith("(VI_3)") and "has not ended" in line]


@pytest.mark.trio
async def test_what_came_before_run_is_run(bench: Bench) -> None:
    it = bench.make()
    it.notify(change(State.BACKUP), Notify(any=bench.script("any")))
    async with trio.open_nursery() as nursery:
        await nursery.start(it.run)
        await it.drain(DEADLINE)
        nursery.cancel_scope.cancel()
    assert bench.calls() == ["any INSTANCE VI_1 BACKUP 150"]


@pytest.mark.trio
async def test_update_examines_every_script_once(bench: Bench, tmp_path: Path) -> None:
    bad = Script(("/no/such/script", "x"))
    good = bench.script("good")
    instances = [
        VrrpInstance("VI_1", 1, "eth0", notify=Notify(master=bad, any=good)),
        VrrpInstance("VI_2", 2, "eth0", notify=Notify(backup=bad, fault=Script(("/etc/passwd",), user=OURSELVES))),
        VrrpInstance("VI_3", 3, "eth0", notify=Notify(any=replace(good, user="no-such-user"))),
    ]
    async with bench.running() as it:
        it.update(bench.globals, instances)
        await until(lambda: len(bench.log) == 3)
        await trio.testing.wait_all_tasks_blocked(0.1)
    assert sorted(bench.log) == sorted([
        f"'{tmp_path}/good' will not run: there is no user 'no-such-user'",
        "'/etc/passwd' will not run: it is not executable",
        "'/no/such/script' will not run: no such file or directory",
    ])
    assert bench.calls() == []


@pytest.mark.trio
@pytest.mark.skipif(os.geteuid() != 0, reason="script security is about root's scripts")
async def test_script_security_is_passed_on(bench: Bench) -> None:
    bench.globals = replace(bench.globals, enable_script_security=True)
    notify = Notify(master=bench.script("master"))  # in a directory below /tmp
    async with bench.running() as it:
        it.notify(change(State.MASTER), notify)
        await until(lambda: bench.log)
    assert bench.calls() == []
    assert "can be written by others than root" in bench.log[0]


@pytest.mark.trio
async def test_fifo_lines(bench: Bench) -> None:
    bench.globals = replace(
        bench.globals, notify_fifo=bench.fifo(), vrrp_notify_fifo=Fifo(str(bench.directory / "vrrp"))
    )
    async with bench.running() as it:
        readers = [os.open(bench.directory / name, os.O_RDONLY | os.O_NONBLOCK) for name in ("fifo", "vrrp")]
        quiet, chatty = Notify(), Notify(priority_changes=True)
        it.notify(change(State.BACKUP), quiet)
        it.notify(change("BACKUP_PRIORITY", priority=90), quiet)
        it.notify(change("BACKUP_PRIORITY", priority=80), chatty)
        it.notify(change("MASTER_RX_LOWER_PRI"), quiet)
        it.notify(change(State.BACKUP, name="VG_1", kind="GROUP", priority=0), quiet)
        for reader in readers:
            assert os.read(reader, 1000) == (
                b'INSTANCE "VI_1" BACKUP 150\n'
                b'INSTANCE "VI_1" BACKUP_PRIORITY 80\n'
                b'INSTANCE "VI_1" MASTER_RX_LOWER_PRI 150\n'
                b'GROUP "VG_1" BACKUP 0\n'
            )
            os.close(reader)
    assert not (bench.directory / "fifo").exists()
    assert not (bench.directory / "vrrp").exists()


@pytest.mark.trio
async def test_states_are_repeated_on_reload_when_asked_for(bench: Bench) -> None:
    bench.globals = replace(bench.globals, notify_fifo=bench.fifo())
    async with bench.running() as it:
        reader = os.open(bench.directory / "fifo", os.O_RDONLY | os.O_NONBLOCK)
        for what in (State.BACKUP, State.MASTER, "MASTER_RX_LOWER_PRI"):
            it.notify(change(what), Notify())
        it.notify(change(State.DELETED, name="VI_2"), Notify())
        os.read(reader, 1000)
        it.update(bench.globals, ())
        with pytest.raises(BlockingIOError):
            os.read(reader, 1000)
        it.update(replace(bench.globals, fifo_write_vrrp_states_on_reload=True), ())
        assert os.read(reader, 1000) == b'INSTANCE "VI_1" MASTER 150\n'
        os.close(reader)


@pytest.mark.trio
async def test_the_script_of_a_fifo_reads_it_and_is_restarted_on_reload(bench: Bench) -> None:
    body = f'echo "start $1 $2" >> {bench.record}; while read -r line; do echo "$line" >> {bench.record}; done < "$2"'
    script = bench.script("reader", body)
    bench.globals = replace(bench.globals, notify_fifo=bench.fifo(Script((*script.argv, "word"))))
    started = f"start word {bench.directory}/fifo"
    async with bench.running() as it:
        await until(lambda: bench.calls() == [started])
        it.notify(change(State.BACKUP), Notify())
        await it.drain(DEADLINE)
        await until(lambda: bench.calls() == [started, 'INSTANCE "VI_1" BACKUP 150'])
        it.update(bench.globals, ())
        it.update(bench.globals, ())
        await until(lambda: bench.calls().count(started) == 2)
        it.notify(change(State.MASTER), Notify())
        await until(lambda: bench.calls()[-1] == 'INSTANCE "VI_1" MASTER 150')
        assert bench.calls().count(started) == 2, "of two successors at once only the last is started"
        readers = [p for p in Path("/proc").glob("[0-9]*/cmdline") if script.argv[0].encode() in read(p)]
        assert len(readers) == 1
    assert bench.log == []


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.trio
async def test_a_reader_that_ends_is_reported(bench: Bench) -> None:
    bench.globals = replace(bench.globals, notify_fifo=bench.fifo(bench.script("reader", "exit 3")))
    async with bench.running():
        await until(lambda: bench.log)
    assert bench.log[0].endswith("has ended with status 3; it is started again at the next reload")


@pytest.mark.trio
async def test_a_reload_closes_and_opens_what_changed(bench: Bench) -> None:
    old, new = bench.fifo(), Fifo(str(bench.directory / "new"))
    bench.globals = replace(bench.globals, notify_fifo=old)
    async with bench.running() as it:
        it.update(replace(bench.globals, notify_fifo=new), ())
        assert not Path(old.path).exists()
        it.notify(change(State.MASTER), Notify())
        reader = os.open(new.path, os.O_RDONLY | os.O_NONBLOCK)
        assert os.read(reader, 100) == b'INSTANCE "VI_1" MASTER 150\n'
        os.close(reader)
        Path(new.path).unlink()
        it.update(replace(bench.globals, notify_fifo=new), ())
        assert Path(new.path).exists(), "one that somebody removed comes back"


@pytest.mark.trio
@pytest.mark.parametrize(("what", "kind", "told"), [
    (State.MASTER, "INSTANCE", "MASTER"), (State.STOP, "GROUP", "STOP"), (State.DELETED, "INSTANCE", "FAULT"),
    ("MASTER_RX_LOWER_PRI", "INSTANCE", ""), ("MASTER_PRIORITY", "INSTANCE", ""),
])
async def test_people_are_told_by_the_parent(bench: Bench, what: str, kind: str, told: str) -> None:
    heard: list[dict[str, object]] = []
    it = Notifier(Global(notify_webhook="http://127.0.0.1/"), lambda level, text: None, heard.append)
    it.notify(change(what, kind=kind), Notify(smtp_alert=True, priority_changes=True), "because")
    expected = News(kind, "VI_1", told, 150, "because", mail=True)
    assert heard == ([expected.as_order()] if told else [])


def test_nobody_is_told_who_does_not_want_to_know(bench: Bench) -> None:
    heard: list[dict[str, object]] = []
    it = Notifier(Global(smtp_server="192.0.2.25"), lambda level, text: None, heard.append)  # and no address
    it.notify(change(State.MASTER), Notify(smtp_alert=True))
    assert heard == []


@pytest.mark.trio
async def test_notify_is_quick(bench: Bench) -> None:
    """A thousand changes in the loop that sends adverts: far below a process start each (which is 140 µs at best)."""
    notify = Notify(any=bench.script("any"))
    bench.globals = replace(bench.globals, notify_fifo=bench.fifo())
    async with bench.running() as it:
        it.notify(change(State.BACKUP), notify)
        await it.drain(DEADLINE)
        best = 1.0
        for _ in range(20):
            before = trio.current_time()
            for _ in range(50):
                it.notify(change(State.MASTER), notify)
            best = min(best, (trio.current_time() - before) / 50)
        assert best < 0.0001
    assert herald.PATIENCE == 10.0
