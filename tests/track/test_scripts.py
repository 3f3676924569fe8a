"""vrrp_script and track_unit: real commands, also bad ones."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
import trio

from hakeep.config.settled_track import TrackUnit
from hakeep.track import commands, scripts
from hakeep.track.streak import Memory
from tests.track.stage import Parent, script, shell

pytestmark = pytest.mark.trio

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


def count(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def alive_in_group(group: int) -> list[int]:
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdecimal():
            try:
                state, _, number = (place / "stat").read_text().rpartition(")")[2].split()[:3]
            except OSError:
                continue
            if int(number) == group and state != "Z":
                found.append(int(place.name))
    return found


async def test_success_failure_and_what_is_told(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    parent = Parent(shell("s", f"test -e {flag} && exit 0; exit 7", interval=0.1))
    async with parent.running():
        await parent.until(lambda: parent.judgements("s") == [False])
        assert parent.why("s") == "exited with status 7"
        flag.touch()
        await parent.until(lambda: parent.judgements("s") == [False, True])
        await parent.until(lambda: parent.thing("s").get("status") == 0)
        shown = parent.thing("s")
        assert shown["runs"] > shown["failures"] > 0
        assert 0 < shown["latency"] < 5 and time.time() - 60 < shown["since"] <= time.time()
        await parent.until(lambda: parent.said("alive"))
    assert parent.logged("VRRP_Script(s) failed (exited with status 7)")
    assert parent.logged("Script `s` now returning 0")
    assert parent.logged("VRRP_Script(s) succeeded")


async def test_rise_fall_and_init_fail(tmp_path: Path) -> None:
    """Each run takes the next letter of the row."""
    row = tmp_path / "row"
    row.write_text("ynynn" + "y" * 1000)
    body = f"read -r first < {row}; rest=${{first#?}}; echo $rest > {row}; test ${{first%$rest}} = y"
    parent = Parent(shell("s", body, interval=0.05, timeout=5, rise=3, fall=2), script("i", "/bin/true", init_fail=True,
                                                                                      interval=0.1, rise=3))
    async with parent.running():
        await parent.until(lambda: parent.judgements("s") == [True, False, True])
        await parent.until(lambda: parent.thing("s").get("runs", 0) >= 8)
        await parent.until(lambda: parent.judgements("i") == [False, True])
    (first, *_) = [body for body in parent.said("tracked") if body["name"] == "i"]
    assert "init_fail" in first["why"]


@pytest.mark.parametrize("first", [True, False])
async def test_init_fail_is_for_what_is_new_and_not_for_a_worker_that_replaces_a_dead_one(first: bool) -> None:
    """Else a worker that dies, or a reload that changes an interval, would move addresses."""
    parent = Parent(script("i", "/bin/true", init_fail=True, interval=0.1), first=first)
    async with parent.running():
        await parent.until(lambda: parent.judgements("i") == ([False, True] if first else [True]))
        parent.reload(
            script("i", "/bin/true", init_fail=True, interval=0.2), script("n", "/bin/true", init_fail=True))
        await parent.until(lambda: parent.judgements("n") == [False, True])
        await parent.until(lambda: parent.thing("i").get("runs", 0) >= 3)
        assert False not in parent.judgements("i")[1:]


def row_of(path: Path, results: str) -> str:
    """A line of shell each of whose runs takes the next letter of a row: n fails."""
    path.write_text(results + "n" * 1000)
    return f"read -r first < {path}; rest=${{first#?}}; echo $rest > {path}; test ${{first%$rest}} = y"


async def test_the_next_worker_goes_on_in_the_middle_of_a_row(tmp_path: Path) -> None:
    """One failure after three with fall 5 is the fourth, and does not count as the first one ever."""
    row = tmp_path / "row"
    thing = shell("s", row_of(row, "ynnn"), interval=0.3, timeout=5, rise=2, fall=5)
    first = Parent(thing)
    async with first.running():
        await first.until(lambda: first.memory().get(("script", "s"), (None, 0))[1] >= 3)
    memory, left = first.memory(), len(row.read_text().strip())
    second = Parent(thing, first=False, memory=memory)
    async with second.running():
        await second.until(lambda: second.judgements("s") == [True, False])
        assert left - len(row.read_text().strip()) == 5 - memory["script", "s"].against
        await second.until(lambda: second.memory().get(("script", "s")) is not None)
        assert second.memory()["script", "s"][:2] == (False, 0)


async def test_what_has_failed_needs_its_successes_from_the_next_worker_too(tmp_path: Path) -> None:
    since = time.time() - 100
    memory = {("script", "s"): Memory(False, 1, "exited with status 7", since), ("script", "x"): Memory(True, 0, "", 0)}
    parent = Parent(shell("s", row_of(tmp_path / "row", "ynyyy"), interval=0.05, timeout=5, rise=3), memory=memory)
    async with parent.running():
        await parent.until(lambda: parent.judgements("s") == [False])
        assert parent.why("s") == "exited with status 7"
        await parent.until(lambda: parent.thing("s").get("since") == since)
        await parent.until(lambda: parent.judgements("s")[:2] == [False, True])
        await parent.until(lambda: parent.thing("s").get("runs", 0) >= 5)
        assert ["script", "x", None] in parent.said("remember")[0]["streaks"], "nobody watches it any more"


async def test_a_reload_that_changes_a_script_leaves_its_row_as_it_is(tmp_path: Path) -> None:
    """As keepalived, which goes by the name: a new command that fails has to fail `fall` times."""
    parent = Parent(script("s", "/bin/true", interval=0.05, fall=3, rise=3), script("gone", "/bin/true"))
    async with parent.running():
        await parent.until(lambda: parent.judgements("s") == [True] and parent.judgements("gone") == [True])
        runs = tmp_path / "runs"
        failing = f"printf x >> {runs}; exit 1"
        parent.reload(shell("s", failing, interval=0.1, timeout=5, fall=3, rise=3, init_fail=True))
        await parent.until(lambda: parent.judgements("s") == [True, True, False])
        assert count(runs) == 3
        parent.reload(script("s", "/bin/true", interval=0.1, rise=3), script("gone", "/bin/false"))
        await parent.until(lambda: parent.judgements("s")[3:] == [False, True])
        assert parent.judgements("gone") == [True, False], "it was away meanwhile, and begins anew"


async def test_a_script_that_hangs_is_ended_with_its_children_and_never_runs_twice(tmp_path: Path) -> None:
    started, group = tmp_path / "started", tmp_path / "group"
    body = f"printf x >> {started}; echo $$ > {group}; sleep 1000 & sleep 1000"
    parent = Parent(shell("s", body, interval=0.2, timeout=0.5))
    async with parent.running():
        await parent.until(lambda: parent.judgements("s") == [False])
        assert parent.why("s") == "timed out after 0.5 s"
        first = int(group.read_text())
        await parent.until(lambda: not alive_in_group(first))
        await parent.until(lambda: count(started) > 1)
        assert parent.logged("VRRP_Script(s) timed_out")
        assert len(parent.logged("still running")) == 1  # and not once for each start
        last = int(group.read_text())
    await parent.until(lambda: not alive_in_group(last))


async def test_a_script_that_ignores_sigterm_gets_sigkill_two_seconds_later(tmp_path: Path) -> None:
    started, group = tmp_path / "started", tmp_path / "group"
    body = f"trap '' TERM; printf x >> {started}; echo $$ > {group}; while :; do sleep 1; done"
    parent = Parent(shell("s", body, interval=0.3, timeout=0.3))
    async with parent.running():
        await parent.until(lambda: parent.judgements("s") == [False])
        told = parent.heard[-1][0]
        first = int(group.read_text())
        assert alive_in_group(first)
        await parent.until(lambda: not alive_in_group(first))
        assert 1.5 < time.monotonic() - told < 8
        assert count(started) == 1  # no second one meanwhile
        await parent.until(lambda: count(started) == 2)


async def test_what_a_script_leaves_behind_when_it_is_ended_gets_sigkill_too(tmp_path: Path) -> None:
    group = tmp_path / "group"
    body = f"(trap '' TERM; while :; do sleep 1; done) & echo $$ > {group}; sleep 1000"
    parent = Parent(shell("s", body, interval=1000, timeout=0.3))
    async with parent.running():
        await parent.until(lambda: parent.judgements("s") == [False])
        left = int(group.read_text())
        await parent.until(lambda: not is_alive(left))
        assert alive_in_group(left)
        await parent.until(lambda: not alive_in_group(left))


async def test_a_child_that_outlives_its_script_is_left_alone(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    parent = Parent(shell("s", f"sleep 1000 & echo $! > {pid}", interval=1000))
    async with parent.running():
        await parent.until(lambda: parent.judgements("s") == [True])
    child = int(pid.read_text())
    try:
        assert is_alive(child)
    finally:
        os.kill(child, signal.SIGKILL)


async def test_a_script_that_prints_a_lot_harms_nobody() -> None:
    parent = Parent(shell("s", "yes | head -c 20000000; yes | head -c 20000000 >&2; exit 3", timeout=30))
    async with parent.running():
        await parent.until(lambda: parent.judgements("s") == [False])
        assert parent.why("s") == "exited with status 3"


async def test_a_script_that_is_killed() -> None:
    parent = Parent(shell("s", "kill -9 $$"))
    async with parent.running():
        await parent.until(lambda: parent.judgements("s") == [False])
        assert parent.why("s") == "ended by SIGKILL"


async def test_what_cannot_be_executed_fails_with_one_line(tmp_path: Path) -> None:
    plain, binary = tmp_path / "plain", tmp_path / "binary"
    plain.write_text("#!/bin/sh\n")
    binary.write_bytes(b"\x7fELFnot\n")
    binary.chmod(0o755)
    parent = Parent(script("none", str(tmp_path / "none"), interval=0.05), script("plain", str(plain), interval=0.05),
                    script("binary", str(binary), interval=0.05), script("nowhere", "no-such-command", interval=0.05),
                    script("good", "/bin/true", interval=0.05))  # fmt: skip
    async with parent.running():
        for name in ("none", "plain", "binary", "nowhere"):
            await parent.until(lambda name=name: parent.judgements(name) == [False])
            await parent.until(lambda name=name: parent.thing(name).get("runs", 0) > 3)
            assert parent.why(name).startswith("cannot run: ")
            assert len(parent.logged(f"VRRP_Script({name}) cannot run")) == 1
        assert parent.judgements("good") == [True]


@as_root
async def test_who_runs_a_script(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for place in tmp_path.parents:
        if not place.name.startswith(("pytest-", "popen-")):
            break
        place.chmod(0o755)
    out = tmp_path / "out"
    body = "id -u; id -g; id -G; grep -E 'Cap(Prm|Eff|Inh)|Uid|Gid|Groups' /proc/self/status"
    parent = Parent(shell("s", f"({body}) > {out}.part; mv {out}.part {out}", user="65534", interval=1000),
                    script("root", "/bin/sh", "-c", f"id -u > {tmp_path}/root", interval=1000),
                    script("nobody", "/bin/true", user="no-such-user"))
    async with parent.running():
        await parent.until(lambda: parent.judgements("s") == [True] and parent.judgements("root") == [True])
        await parent.until(lambda: parent.judgements("nobody") == [False])
    lines = out.read_text().splitlines()
    assert lines[:2] == ["65534", "65534"] and lines[2] == "65534"
    rest = dict(line.split(":", 1) for line in lines[3:])
    assert rest["Uid"].split() == ["65534"] * 4 and rest["Gid"].split() == ["65534"] * 4
    assert all(int(rest[name], 16) == 0 for name in ("CapPrm", "CapEff", "CapInh"))
    assert (tmp_path / "root").read_text() == "0\n"
    assert "there is no user 'no-such-user'" in parent.why("nobody")


@as_root
async def test_an_unsafe_path_is_refused_to_root(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o777)
    parent = Parent(script("s", str(program)), enable_script_security=True)
    async with parent.running():
        await parent.until(lambda: parent.judgements("s") == [False])
        assert "can be written by others" in parent.why("s")


async def test_a_reload_keeps_what_stays_and_begins_anew_what_changed(tmp_path: Path) -> None:
    stays = shell("stays", f"printf x >> {tmp_path}/stays; sleep 1000", interval=1000, timeout=900)
    parent = Parent(stays, script("changes", "/bin/true", interval=0.1), script("goes", "/bin/true", interval=0.1))
    async with parent.running():
        await parent.until(lambda: count(tmp_path / "stays"))
        await parent.until(lambda: parent.judgements("changes") == [True] and parent.judgements("goes") == [True])
        parent.heard.clear()
        parent.reload(stays, script("changes", "/bin/false", interval=0.1, fall=5),
                      shell("comes", f"printf x >> {tmp_path}/comes; exit 1", interval=0.1))
        await parent.until(lambda: False in parent.judgements("changes") and parent.judgements("comes") == [False])
        assert parent.judgements("goes") == []
        await parent.until(lambda: parent.thing("comes").get("runs", 0) > 1)
        assert not parent.thing("goes")
        assert count(tmp_path / "stays") == 1 and parent.thing("stays")["running"]
        parent.reload(stays)
        await parent.until(lambda: not parent.thing("comes"))
        ran = count(tmp_path / "comes")
        await trio.sleep(0.3)
        assert count(tmp_path / "comes") <= ran + 1


async def test_a_spawner_that_is_killed_is_replaced_and_what_it_ran_is_gone(tmp_path: Path) -> None:
    group = tmp_path / "group"
    hanging = shell("hanging", f"echo $$ > {group}; sleep 1000", interval=0.2, timeout=900)
    parent = Parent(hanging, script("s", "/bin/true", interval=0.1))
    async with parent.running():
        await parent.until(lambda: parent.judgements("s") == [True] and group.exists() and group.read_text())
        await parent.until(lambda: parent.thing("hanging").get("running"))
        first = int(group.read_text())
        spawner = parent.worker.rooms[0]._commands.spawner
        os.kill(spawner, signal.SIGKILL)
        await parent.until(lambda: not alive_in_group(first))
        await parent.until(lambda: int(group.read_text() or first) != first)  # another one runs it again
        runs = parent.thing("s")["runs"]
        await parent.until(lambda: parent.thing("s")["runs"] > runs + 3)
    assert parent.logged("the spawner of track commands died")


async def test_a_spawner_that_hangs_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is stopped, which is how it looks when a program lies on a file server that is gone."""
    monkeypatch.setattr(commands, "PATIENCE", 0.5)
    parent = Parent(script("s", "/bin/true", interval=0.1), script("t", "/bin/true", interval=0.1))
    async with parent.running():
        await parent.until(lambda: parent.judgements("s") == [True] and parent.judgements("t") == [True])
        spawner = parent.worker.rooms[0]._commands.spawner
        os.kill(spawner, signal.SIGSTOP)
        await parent.until(lambda: parent.logged("the spawner of track commands hangs"))
        await parent.until(lambda: parent.worker.rooms[0]._commands.spawner not in (None, spawner))
        assert not is_alive(spawner)
        barred = {name for name in "st" if "does not start" in parent.thing(name).get("last", "")}
        free = ({"s", "t"} - barred).pop()
        assert len(barred) == 1
        runs = parent.thing(free)["runs"]
        await parent.until(lambda: parent.thing(free)["runs"] > runs + 5 and parent.thing(free)["status"] == 0)


async def test_the_worker_goes_with_its_scripts(tmp_path: Path) -> None:
    group = tmp_path / "group"
    parent = Parent(shell("s", f"echo $$ > {group}; sleep 1000 & sleep 1000", interval=0.2, timeout=900))
    async with parent.running():
        await parent.until(lambda: group.exists() and group.read_text())
    number = int(group.read_text())
    await parent.until(lambda: not alive_in_group(number))


async def test_many_scripts_are_spread_and_all_run(tmp_path: Path) -> None:
    many = [shell(f"s{number}", f"printf x >> {tmp_path}/{number}", interval=1.0) for number in range(100)]
    parent = Parent(*many)
    async with parent.running():
        await parent.until(lambda: all(parent.judgements(each.name) == [True] for each in many))
        await parent.until(lambda: all(parent.thing(each.name).get("runs", 0) >= 2 for each in many))
    assert all(count(tmp_path / str(number)) >= 2 for number in range(100))


@pytest.mark.parametrize(("status", "well", "why"), [
    (0, True, "active"), (3, False, "not active, or not known"), (4, False, "there is no such unit"),
    (1, False, "systemctl exited with status 1"),
])
async def test_a_unit_is_asked_after(
    status: int, well: bool, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a systemctl of ours, called as the real one would be."""
    program = tmp_path / "systemctl"
    program.write_text(f"#!/bin/sh\necho \"$@\" > {tmp_path}/called\nexit {status}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(scripts, "SYSTEMD", tmp_path)
    parent = Parent(TrackUnit("u", "nginx.service"))
    async with parent.running():
        await parent.until(lambda: parent.judgements("u") == [well])
        assert parent.why("u") == why
    assert (tmp_path / "called").read_text() == "is-active --quiet -- nginx.service\n"


async def test_without_systemd_no_unit_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "SYSTEMD", tmp_path / "none")
    parent = Parent(TrackUnit("u", "nginx.service"))
    async with parent.running():
        await parent.until(lambda: parent.judgements("u") == [False])
        assert "not started by systemd" in parent.why("u")
