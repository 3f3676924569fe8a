"""Pid files, errands, standby orders, the control socket: the supervisor's tools, each by itself."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hakeep.control import Connection, ControlSocket, InUse
from hakeep.errands import NICE, Errands
from hakeep.pidfile import AlreadyRunning, PidFile
from hakeep.report import protocol
from hakeep.sdnotify import ServiceManager
from hakeep.standby import Orders

# --- pid files


def test_a_pid_file_names_its_process_and_goes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "x.pid"
    file = PidFile(path)
    assert path.read_text() == f"{os.getpid()}\n"
    assert path.stat().st_mode & 0o777 == 0o644
    file.write(7)
    assert path.read_text() == "7\n"
    file.remove()
    assert not path.exists()


def test_directories_are_not_made_for_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        PidFile(tmp_path / "sub" / "x.pid")
    assert not (tmp_path / "sub").exists()


def test_a_second_daemon_is_told_who_runs(tmp_path: Path) -> None:
    path = tmp_path / "x.pid"
    first = PidFile(path, 4711)
    with pytest.raises(AlreadyRunning, match="already running \\(pid 4711"):
        PidFile(path)
    first.remove()
    PidFile(path).remove()


def test_a_stale_pid_file_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "x.pid"
    path.write_text("99999999\n")
    PidFile(path, 5).remove()


def test_links_are_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("data")
    (tmp_path / "x.pid").symlink_to(target)
    with pytest.raises(OSError):
        PidFile(tmp_path / "x.pid")
    assert target.read_text() == "data"


# --- errands


class Loop:
    """As much of a poll loop as errands need."""

    def __init__(self) -> None:
        self.readers: dict[int, Callable[[], None]] = {}
        self.said: list[str] = []
        self.errands = Errands(self.readers.__setitem__, self.readers.pop, lambda level, text: self.said.append(text))

    def until(self, done: Callable[[], bool], seconds: float = 10.0) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline
            for fd in select.select(list(self.readers), [], [], 0.1)[0]:
                self.readers[fd]()
        while True:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    break
            except ChildProcessError:
                break


def test_an_errand_brings_back_what_it_found() -> None:
    loop, got = Loop(), []
    loop.errands.send("work", lambda: b"x" * 1_000_000, got.append, ())
    assert len(loop.errands) == 1
    loop.until(lambda: bool(got))
    assert got == [b"x" * 1_000_000]
    assert len(loop.errands) == 0


def test_an_errand_that_fails_says_why_in_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    loop, got = Loop(), []

    def fail() -> bytes:
        raise RuntimeError("no luck")

    loop.errands._log = lambda level, text: os.write(2, text.encode())  # the child's log
    loop.errands.send("reading", fail, got.append, ())
    loop.until(lambda: bool(got))
    assert got == [b""]
    assert "reading: RuntimeError: no luck" in capfd.readouterr().err


def test_an_errand_that_hangs_is_ended() -> None:
    loop, got = Loop(), []
    loop.errands.send("hang", lambda: time.sleep(60) or b"", got.append, ())
    loop.errands.end_overdue(time.monotonic() + 3600)
    loop.until(lambda: bool(got))
    assert got == [b""]


def test_an_errand_gives_way_to_adverts_and_checks() -> None:
    loop, got = Loop(), []
    loop.errands.send("ask", lambda: str(os.nice(0)).encode(), got.append, ())
    loop.until(lambda: bool(got))
    assert int(got[0]) == min(19, os.nice(0) + NICE)


def test_an_errand_does_not_keep_the_parents_signals() -> None:
    loop, got = Loop(), []
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        loop.errands.send(
            "ask", lambda: bytes([signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL]), got.append, [signal.SIGUSR1]
        )
        loop.until(lambda: bool(got))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert got == [b"\x01"]


# --- standby


def test_standby_outlives_the_daemon(tmp_path: Path) -> None:
    file = tmp_path / "standby.json"
    orders = Orders(file)
    orders.put(["A", "B"], None, True)
    orders.put(["C"], 600.0, False)
    orders.drop(["B"])
    orders.save()
    again = dict(Orders(file).current())
    assert set(again) == {"A", "C"}
    assert again["A"].seconds is None and again["A"].even_if_alone
    left = again["C"].seconds
    assert left is not None and 590 < left <= 600
    assert file.stat().st_mode & 0o777 == 0o600


def test_standby_that_is_over_is_forgotten(tmp_path: Path) -> None:
    orders = Orders(tmp_path / "standby.json")
    orders.put(["A"], -1.0, False)
    assert list(orders.current()) == []


@pytest.mark.parametrize("text", ["", "[]", "{", '{"A": 5}', '{"A": {"until": "x", "even_if_alone": 1}}'])
def test_a_damaged_file_puts_nobody_in_standby(tmp_path: Path, text: str) -> None:
    file = tmp_path / "standby.json"
    file.write_text(text)
    assert list(Orders(file).current()) == []


# --- the control socket


def test_the_control_socket_is_roots_own_and_goes_away(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    control = ControlSocket(path)
    assert path.stat().st_mode & 0o777 == 0o600
    control.close()
    assert not path.exists()


def test_a_second_daemon_does_not_steal_the_socket(tmp_path: Path) -> None:
    first = ControlSocket(tmp_path / "control.sock")
    with pytest.raises(InUse, match="in use by another hakeepd"):
        ControlSocket(tmp_path / "control.sock")
    first.close()


def test_a_socket_that_nobody_serves_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    ControlSocket(path).close()


def connected(tmp_path: Path) -> tuple[ControlSocket, Connection, socket.socket]:
    control = ControlSocket(tmp_path / "control.sock")
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(control.path))
    connection = control.accept()
    assert connection is not None
    return control, connection, client


def test_requests_and_answers(tmp_path: Path) -> None:
    control, connection, client = connected(tmp_path)
    client.sendall(protocol.encode_request(protocol.Status()) + b"rubbish\n")
    assert connection.receive() == [protocol.Status()]
    connection.send(protocol.encode_ok())
    answers = client.recv(10_000).splitlines()
    assert b'"ok":false' in answers[0], "rubbish was answered"
    assert b'"ok":true' in answers[1]
    control.close()
    client.close()


def test_who_does_not_read_is_dropped(tmp_path: Path) -> None:
    control, connection, client = connected(tmp_path)
    for _ in range(100):
        connection.send(b"x" * 1_000_000)  # must not block
    assert connection.dead
    forgotten: list[int] = []
    control.bury(forgotten.append)
    assert len(forgotten) == 1 and not control.connections
    control.close()
    client.close()


def test_who_leaves_is_buried(tmp_path: Path) -> None:
    control, connection, client = connected(tmp_path)
    client.close()
    assert connection.receive() == []
    assert connection.dead
    control.close()


# --- the service manager


def test_the_service_manager_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ear.bind(str(tmp_path / "notify"))
    ear.settimeout(5)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "2000000")
    manager = ServiceManager()
    assert "NOTIFY_SOCKET" not in os.environ
    manager.ready()
    assert ear.recv(100) == b"READY=1"
    manager.reloading()
    assert ear.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
    manager.alive(100.0)
    assert ear.recv(100) == b"WATCHDOG=1"
    manager.alive(100.5)
    manager.stopping()
    assert ear.recv(100) == b"STOPPING=1", "the watchdog is not told twice within a second"
    ear.close()
