"""Watching a worker, and keeping its sockets: without processes, on a clock of the test's own."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pytest

from hakeep import succession
from hakeep.guard import Guard
from hakeep.options import Options
from hakeep.succession import Sockets, Succession, Worker
from hakeep.worker import Line, SharedPage

PID = 999_999_999


class Watch:
    """A succession with a worker that has started at 100 s. Advertises every second, lease of 2 s: patience is 2 s,
    and after 4 s it is killed."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.said: list[str] = []
        self.signals: list[int] = []
        self.releases = 0
        self.alive: list[float] = []
        self.now = 100.0
        page = SharedPage()
        page.set_stakes(1.0, 2)
        page.beat(100.0)
        self.page = page
        self.ours, self.theirs = socket.socketpair()
        paths = {each.name: tmp_path for each in fields(Options) if each.type == "Path"}
        options = Options(config="", dump_stem="", **paths)
        in_force = SimpleNamespace(facts=SimpleNamespace(globals=SimpleNamespace(child_wait_time=1.0)))
        self.succession = Succession(
            options, in_force, Guard(page), lambda level, text: self.said.append(text),  # type: ignore[arg-type]
            SimpleNamespace(alive=self.alive.append), watch=lambda *_: None, unwatch=lambda _: None,  # type: ignore[arg-type]
            hear=lambda _: None, leave=lambda: None, standby=dict, tracked=tuple, give_up=lambda _: None,
        )
        self.succession.worker = Worker(PID, Line(self.ours, trusting=False), 100.0, started=True)
        monkeypatch.setattr(succession.os, "kill", lambda pid, number: self.signals.append(number))
        monkeypatch.setattr(succession.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(succession, "release", self.release)

    def release(self, keys: object) -> int:
        self.releases += 1
        return 1

    def until(self, now: float, step: float = 0.5) -> None:
        """Turn every half second until then."""
        while self.now < now:
            self.now += step
            self.succession.turn(self.now, late=False)


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    made = Watch(tmp_path, monkeypatch)
    yield made
    made.ours.close()
    made.theirs.close()


def test_a_fresh_worker_is_let_be_and_the_service_manager_told(watch: Watch) -> None:
    watch.until(102.0)
    assert watch.alive and not watch.said and not watch.signals


def test_a_worker_that_hangs_is_released_once_and_killed_once(watch: Watch) -> None:
    watch.until(103.5)
    assert watch.releases == 1 and watch.signals == [signal.SIGQUIT], "it is asked for its recording"
    watch.until(120.0)
    assert watch.releases == 1
    assert watch.signals == [signal.SIGQUIT, signal.SIGKILL]
    assert len([text for text in watch.said if "killing it" in text]) == 1


def test_one_look_is_not_enough(watch: Watch) -> None:
    """Readers wake us at any moment: two looks within a millisecond are one."""
    watch.now = 102.2
    for _ in range(5):
        watch.now += 0.001
        watch.succession.turn(watch.now, late=False)
    assert watch.releases == 0
    watch.page.beat(102.3)
    watch.until(104.0)
    assert watch.releases == 0


def test_when_we_were_late_ourselves_the_worker_has_all_its_time_anew(watch: Watch) -> None:
    watch.now = 200.0
    watch.succession.turn(200.0, late=True)
    watch.until(202.0)
    assert not watch.said and not watch.signals and not watch.releases
    assert not watch.alive, "but nobody says that it is well"
    watch.until(203.5)
    assert watch.releases == 1
    assert "has not moved for" in watch.said[0] and float(watch.said[0].split(" for ")[1].split()[0]) > 100
    watch.until(206.0)
    assert watch.signals == [signal.SIGQUIT, signal.SIGKILL]


def test_a_refused_release_is_tried_again(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(keys: object) -> int:
        raise OSError("no")

    monkeypatch.setattr(succession, "release", refuse)
    watch.until(103.5)
    monkeypatch.setattr(succession, "release", watch.release)
    watch.until(104.0)
    assert watch.releases == 1


def test_a_worker_that_never_starts_is_killed_once(watch: Watch) -> None:
    assert watch.succession.worker is not None
    watch.succession.worker.started = False
    watch.until(100.0 + succession.START_MAX)
    assert watch.signals == []
    watch.until(110.0 + succession.START_MAX)
    assert watch.signals == [signal.SIGKILL]
    assert watch.releases == 0, "the one before it has left that to another clock"


def test_a_worker_that_does_not_stop_is_killed_once(watch: Watch) -> None:
    watch.succession.stop()
    watch.until(110.0)
    assert watch.signals == [signal.SIGKILL]
    assert len(watch.said) == 1 and "does not stop" in watch.said[0]


def test_a_pause_of_ours_is_no_time_to_stop_in(watch: Watch) -> None:
    watch.succession.stop()
    watch.now = 150.0
    watch.succession.turn(150.0, late=True)
    watch.until(151.5)
    assert watch.signals == []
    watch.until(153.0)
    assert watch.signals == [signal.SIGKILL]


# --- sockets


def fds(count: int) -> list[int]:
    return [os.dup(0) for _ in range(count)]


def is_open(fd: int) -> bool:
    return Path(f"/proc/self/fd/{fd}").exists()


def test_sockets_come_in_parts_and_replace_the_ones_before() -> None:
    sockets = Sockets()
    old, first, second = fds(1), fds(2), fds(1)
    sockets.add(["a"], old, last=True)
    sockets.add(["a", "b"], first, last=False)
    assert sockets.held == {"a": old[0]}, "not before all are there"
    sockets.add(["c"], second, last=True)
    assert sockets.held == {"a": first[0], "b": first[1], "c": second[0]}
    assert not is_open(old[0])
    sockets.add([], [], last=True)
    assert sockets.held == {} and not any(is_open(fd) for fd in first + second)


def test_a_worker_that_dies_between_the_parts() -> None:
    sockets = Sockets()
    old, new = fds(2), fds(2)
    sockets.add(["a", "b"], old, last=True)
    sockets.add(["a", "c"], new, last=False)
    sockets.make_do()
    assert sockets.held == {"a": new[0], "b": old[1], "c": new[1]}
    assert not is_open(old[0])
    sockets.add([], [], last=True)
    assert not any(is_open(fd) for fd in (*new, old[1]))


def test_descriptors_without_a_name_are_closed() -> None:
    sockets = Sockets()
    some = fds(2)
    sockets.add(["a"], some, last=True)
    assert is_open(some[0]) and not is_open(some[1])
    sockets.add([], [], last=True)


def test_what_is_released_is_counted_in_words(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    for count, words in ((1, "released 1 address: why"), (2, "released 2 addresses: why")):
        monkeypatch.setattr(succession, "release", lambda keys, count=count: count)
        watch.succession.release("why")
        assert watch.said[-1] == words
