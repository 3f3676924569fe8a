"""`hakeep reload`, and what `hakeep edit` does with a daemon, which is a thread here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from terminal import TOOL, Terminal
from test_hakeep import SNAPSHOT, FakeDaemon

from hakeep.cli import hakeep as tool
from hakeep.report.protocol import Outcome, Reload, Reloaded, Request, Status, encode_error, encode_reloaded
from hakeep.report.protocol import encode_status as status_of
from hakeep.report.snapshot import DaemonSnapshot

CONFIG = """\
vrrp_instance web {
    interface lo
    virtual_router_id 51
    priority 100
    virtual_ipaddress {
        127.1.1.1/8 dev lo
    }
}
"""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[FakeDaemon]:
    it = FakeDaemon(tmp_path / "control.sock")
    yield it
    it.close()


@pytest.mark.parametrize(("outcome", "status", "words"), [
    (Outcome.TAKEN, 0, "the new configuration is in force"),
    (Outcome.UNCHANGED, 0, "means what it meant before"),
    (Outcome.REFUSED, 1, "refuses the configuration"),
    (Outcome.GIVEN_UP, 1, "went back to the one before"),
    (Outcome.AWAITED, 1, "not all of it is in force yet"),
])
def test_reload_says_what_became_of_it(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str], outcome: Outcome, status: int, words: str
) -> None:
    daemon.answer = lambda request: [encode_reloaded(Reloaded(outcome, ((3, "a word\x1b[2J"),)))]
    assert tool.main(["reload", "--socket", str(daemon.path)]) == status
    assert daemon.heard == [Reload()]
    first, second = capsys.readouterr().out.splitlines()
    assert first == "  a word?[2J" and words in second


def test_a_daemon_that_knows_no_reload(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answer = lambda request: [encode_error("there is no request 'reload'")]
    assert tool.main(["reload", "--socket", str(daemon.path)]) == 1
    assert "there is no request" in capsys.readouterr().err


def test_without_a_daemon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main(["reload", "--socket", str(tmp_path / "none")]) == 3
    assert "hakeepd is not running" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "outcome", "status"), [
    ((), Outcome.TAKEN, 0), ((), Outcome.GIVEN_UP, 1), (("--no-reload",), None, 0),
])
def test_edit_takes_the_daemons_file_and_its_word(
    daemon: FakeDaemon, tmp_path: Path, words: tuple[str, ...], outcome: Outcome | None, status: int
) -> None:
    config = tmp_path / "used.conf"
    config.write_text(CONFIG)
    snapshot = DaemonSnapshot(SNAPSHOT.version, 0, {}, config=str(config))

    def answer(request: Request) -> list[bytes]:
        if isinstance(request, Status):
            return [status_of(snapshot)]
        assert "priority 110" in config.read_text(), "asked before it was installed"
        assert outcome
        return [encode_reloaded(Reloaded(outcome, ((6, "Changed: web"),)))]

    daemon.answer = answer
    with Terminal(*TOOL, "edit", "--socket", str(daemon.path), *words, folder=tmp_path,
                  environment={"EDITOR": "sed -i s/100/110/"}) as terminal:
        ended, shown = terminal.end()
    assert ended == status and f"{config} is installed" in shown
    if outcome:
        assert daemon.heard == [Status(), Reload()] and "Changed: web" in shown
    else:
        assert daemon.heard == [Status()] and "hakeepd is not reloaded" in shown


def test_a_daemon_that_goes_in_the_meantime_is_said(daemon: FakeDaemon, tmp_path: Path) -> None:
    config = tmp_path / "used.conf"
    config.write_text(CONFIG)
    snapshot = DaemonSnapshot(SNAPSHOT.version, 0, {}, config=str(config))
    daemon.answer = lambda request: [status_of(snapshot)] if isinstance(request, Status) else []
    with Terminal(*TOOL, "edit", "--socket", str(daemon.path), folder=tmp_path,
                  environment={"EDITOR": "sed -i s/100/110/"}) as terminal:
        ended, shown = terminal.end()
    assert ended == 3 and "is installed" in shown and "it is stopping or has died" in shown
