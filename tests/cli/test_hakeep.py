"""The user's tool against a daemon that is a thread: what it asks, what it prints, and its exit statuses."""

from __future__ import annotations

import json
import os
import pty
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import hakeep
from hakeep.cli import hakeep as tool
from hakeep.cli import hakeep_connection
from hakeep.report.protocol import (
    Inbox,
    Record,
    Request,
    Resume,
    Standby,
    Status,
    Watch,
    encode_error,
    encode_ok,
    encode_status,
)
from hakeep.report.snapshot import AddressSnapshot, DaemonSnapshot, RouterSnapshot, decode

ROOT = Path(__file__).parents[2]

MASTER = RouterSnapshot(
    "VI_1", "eth0", 51, state="MASTER", addresses=(AddressSnapshot("10.0.0.1/24 dev eth0 scope global", present=True),)
)
BACKUP = RouterSnapshot("VI_2", "eth0", 52, state="BACKUP", master="10.0.0.9", master_priority=200)
SNAPSHOT = DaemonSnapshot("0.1.0", 42, {"vrrp": 43}, config="/etc/hakeep/hakeep.conf", routers=(MASTER, BACKUP))


class FakeDaemon:
    """Answers each request with `replies` for it (bytes are sent one after the other), then closes or waits."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.heard: list[object] = []
        self.answer: Callable[[Request], list[bytes]] = lambda request: [encode_ok()]
        self.keep_open = False
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._stop = threading.Event()
        self.more = threading.Event()
        self.later: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        inbox = Inbox()
        while not (requests := inbox.feed(data := connection.recv(4096))):
            if not data:
                return
        self.heard += requests
        for reply in self.answer(requests[0]):  # type: ignore[arg-type]
            connection.sendall(reply)
        if self.later:
            self.more.wait(10)
            for reply in self.later:
                connection.sendall(reply)
        if self.keep_open:
            self._stop.wait(10)

    def close(self) -> None:
        self._stop.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    it = FakeDaemon(tmp_path / "control.sock")
    yield it
    it.close()


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "dumb")


def run(daemon: FakeDaemon, *words: str) -> int:
    return tool.main([words[0], "--socket", str(daemon.path), *words[1:]])


# ---------------------------------------------------------------------------------------------------------- status


def test_status_shows_the_table(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answer = lambda request: [encode_status(SNAPSHOT)]
    assert run(daemon, "status") == 0
    assert daemon.heard == [Status()]
    out, err = capsys.readouterr()
    assert out.splitlines()[0].startswith("hakeep 0.1.0  pid 42 (vrrp 43)  up ")
    assert [line.split()[:2] for line in out.splitlines()[3:5]] == [["VI_1", "MASTER"], ["VI_2", "BACKUP"]]
    assert "\x1b" not in out
    assert err == ""


def test_status_in_pieces(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    reply = encode_status(SNAPSHOT)
    daemon.answer = lambda request: [reply[i : i + 7] for i in range(0, len(reply), 7)]
    assert run(daemon, "status", "--verbose", "--color", "always") == 0
    out = capsys.readouterr().out
    assert "\x1b[1;32mMASTER\x1b[0m" in out
    assert "address:    10.0.0.1/24 dev eth0 scope global: held" in out


def test_status_of_some_instances(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answer = lambda request: [encode_status(SNAPSHOT)]
    assert run(daemon, "status", "VI_2") == 0
    assert "VI_1" not in capsys.readouterr().out
    assert run(daemon, "status", "VI_9") == 1
    assert capsys.readouterr().err == "hakeep: there is no instance 'VI_9'; there are VI_1, VI_2\n"


def test_status_json_is_the_document_with_what_only_a_newer_daemon_knows(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(encode_status(SNAPSHOT))
    document["status"]["new"] = [1]
    daemon.answer = lambda request: [json.dumps(document).encode() + b"\n"]
    assert run(daemon, "status", "--json") == 0
    out = capsys.readouterr().out
    assert decode(out) == SNAPSHOT
    assert json.loads(out)["new"] == [1]


def test_a_stale_daemon_is_shown_but_counts_as_dead(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    stale = DaemonSnapshot("0.1.0", 42, stale="the vrrp worker has been silent for 12 s", routers=(MASTER,))
    daemon.answer = lambda request: [encode_status(stale)]
    assert run(daemon, "status") == 3
    assert "! the vrrp worker has been silent for 12 s" in capsys.readouterr().out
    assert run(daemon, "status", "--json") == 3


# ------------------------------------------------------------------------------------------------- a daemon that is not


@pytest.mark.parametrize("command", [["status"], ["watch"], ["standby", "--all"], ["resume", "--all"], ["record"]])
def test_no_socket(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    path = tmp_path / "none.sock"
    assert tool.main([*command, "--socket", str(path)]) == 3
    assert capsys.readouterr().err == f"hakeep: hakeepd is not running: there is no control socket {path}\n"


def test_a_socket_that_is_left_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "old.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert tool.main(["status", "--socket", str(path)]) == 3
    assert capsys.readouterr().err == f"hakeep: hakeepd is not running: nobody listens at {path}, it is left over\n"


def test_a_daemon_that_says_nothing(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hakeep_connection.Connection.line, "__defaults__", (0.05,))
    daemon.answer = lambda request: [b'{"hakeep":']
    daemon.keep_open = True
    assert run(daemon, "status") == 3
    assert capsys.readouterr().err == f"hakeep: hakeepd does not answer at {daemon.path}\n"


def test_a_daemon_that_hangs_up(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answer = lambda request: [b'{"hakeep":1,']
    assert run(daemon, "status") == 3
    assert "closed the connection" in capsys.readouterr().err


@pytest.mark.parametrize("reply", [b"rubbish\n", b'{"hakeep":2,"ok":true}\n', b'{"hakeep":1,"ok":true,"status":3}\n'])
def test_an_answer_that_is_none(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str], reply: bytes) -> None:
    daemon.answer = lambda request: [reply]
    assert run(daemon, "status") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"hakeep: .+\n", err)


def test_a_path_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["status", "--socket", "/" + "x" * 200]) == 1
    assert "AF_UNIX path too long" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_somebody_who_is_not_root() -> None:
    """The daemon's socket is for root: anybody else gets a sentence, and not "the daemon is dead"."""
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        path = Path(directory) / "s"
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            path.chmod(0o600)
            server.listen()
            pid = os.fork()
            if not pid:
                os.setuid(65534)
                os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
                os._exit(tool.main(["status", "--socket", str(path)]))
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


# ---------------------------------------------------------------------------------------------------------- orders


@pytest.mark.parametrize(
    ("words", "request_", "line"),
    [
        (["standby", "VI_1"], Standby(("VI_1",)), "standby until resumed: VI_1"),
        (["standby", "a", "b", "--for", "10m"], Standby(("a", "b"), 600.0), "standby for 10m: a, b"),
        (["standby", "--all", "--even-if-alone"], Standby((), None, True), "standby until resumed: all instances"),
        (["resume", "VI_1"], Resume(("VI_1",)), "resumed: VI_1"),
        (["resume", "--all"], Resume(), "resumed: all instances"),
    ],
)
def test_orders(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str], words: list[str], request_: Request, line: str
) -> None:
    assert run(daemon, *words) == 0
    assert daemon.heard == [request_]
    assert capsys.readouterr().out == f"{line}\n"


@pytest.mark.parametrize("words", [["standby", "VI_9"], ["resume", "VI_9"], ["record"], ["status"], ["watch"]])
def test_a_refusal_is_the_daemon_s_sentence(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    daemon.answer = lambda request: [encode_error("there is no instance VI_9")]
    assert run(daemon, *words) == 1
    assert capsys.readouterr() == ("", "hakeep: there is no instance VI_9\n")


def test_record_prints_paths(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answer = lambda request: [encode_ok(paths=["/run/hakeep/a", "/run/hakeep/b"])]
    assert run(daemon, "record") == 0
    assert daemon.heard == [Record()]
    assert capsys.readouterr().out == "/run/hakeep/a\n/run/hakeep/b\n"
    daemon.answer = lambda request: [encode_ok()]
    assert run(daemon, "record") == 1


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "required: COMMAND"),
        (["explode"], "invalid choice: 'explode'"),
        (["standby"], "name the instances, or say --all"),
        (["standby", "VI_1", "--all"], "name the instances, or say --all"),
        (["resume"], "name the instances, or say --all"),
        (["resume", "VI_1", "--for", "10m"], "unrecognized arguments"),
        (["standby", "VI_1", "--for", "soon"], "'soon' is not a length of time; write it like 90s, 10m, 2h or 1h30m"),
        (["standby", "VI_1", "--for", "0"], "must be more than nothing"),
        (["status", "--instance", "a", "--socket", "b"], "not allowed with argument"),
        (["check"], "required: FILE"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], words: list[str], complaint: str) -> None:
    with pytest.raises(SystemExit) as caught:
        tool.main(words)
    assert caught.value.code == 2
    assert complaint in capsys.readouterr().err


def test_instance_names_choose_the_socket(capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["status", "--instance", "no-such-name"]) == 3
    assert "/run/hakeep/control_no-such-name.sock" in capsys.readouterr().err


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for words, text in ((["--version"], f"hakeep {hakeep.__version__}\n"), (["--help"], "end standby")):
        with pytest.raises(SystemExit) as caught:
            tool.main(words)
        assert caught.value.code == 0
        assert text in capsys.readouterr().out


@pytest.mark.parametrize("command", sorted(tool.COMMANDS))
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit) as caught:
        tool.main([command, "--help"])
    assert caught.value.code == 0
    assert f"usage: hakeep {command}" in capsys.readouterr().out


# ----------------------------------------------------------------------------------------------------------- watch


def test_watch_on_a_dumb_terminal_prints_each_change(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    changed = DaemonSnapshot("0.1.0", 42, routers=(BACKUP,))
    daemon.answer = lambda request: [encode_status(SNAPSHOT) + encode_status(changed)]
    assert run(daemon, "watch") == 3  # the daemon went away
    assert daemon.heard == [Watch()]
    out, err = capsys.readouterr()
    tables = out.split("hakeep 0.1.0  ")[1:]
    assert ["VI_1" in table for table in tables] == [True, False]
    assert "\x1b" not in out
    assert "closed the connection" in err


def test_watch_on_a_terminal_redraws_in_place_and_survives_the_daemon(daemon: FakeDaemon, tmp_path: Path) -> None:
    daemon.answer = lambda request: [encode_status(SNAPSHOT)]
    daemon.later = [encode_status(DaemonSnapshot("0.1.0", 42, routers=(BACKUP,)))]
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        [sys.executable, "-m", "hakeep.cli.hakeep", "watch", "--socket", str(daemon.path)],
        stdout=follower, stderr=follower, stdin=follower, cwd=ROOT, env=environment,
    )  # fmt: skip
    os.close(follower)
    try:
        seen = read_until(leader, b"VI_2")
        assert b"\x1b[H" in seen
        assert b"\x1b[2J" not in seen, "that flickers"
        assert b"VI_1" in seen
        daemon.more.set()
        seen = read_until(leader, b"closed the connection")
        assert seen.count(b"VI_1") == 0
        seen = read_until(leader, b"VI_1")  # it has connected again
    finally:
        process.terminate()
        process.wait(10)
        os.close(leader)
    assert len(daemon.heard) >= 2


def read_until(descriptor: int, wanted: bytes) -> bytes:
    import select
    import time

    seen, end = b"", time.monotonic() + 10
    while wanted not in seen:
        assert select.select([descriptor], [], [], max(0, end - time.monotonic()))[0], seen
        seen += os.read(descriptor, 65536)
    return seen


# ----------------------------------------------------------------------------------------------------- the tool itself


def test_a_reader_that_leaves_early(daemon: FakeDaemon) -> None:
    many = DaemonSnapshot(routers=tuple(RouterSnapshot(f"VI_{n}") for n in range(5000)))
    daemon.answer = lambda request: [encode_status(many)]
    process = subprocess.Popen(
        [sys.executable, "-m", "hakeep.cli.hakeep", "status", "--socket", str(daemon.path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env={**os.environ, "PYTHONUNBUFFERED": ""},
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(10) == 1
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()


def test_it_does_not_load_the_daemon() -> None:
    """A tool that is run in loops and prompts must start at once."""
    code = (
        "import sys; import hakeep.cli.hakeep, hakeep.cli.hakeep_status, hakeep.cli.hakeep_watch, "
        "hakeep.cli.hakeep_standby, hakeep.cli.hakeep_record, hakeep.cli.hakeep_check; print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    modules = set(loaded.split())
    assert "hakeep.report.protocol" in modules
    assert not {"trio", "pyroute2", "yaml", "subprocess", "hakeep.config", "hakeep.vrrp", "ctypes"} & modules
