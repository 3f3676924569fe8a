"""`hakeep replay`: what it prints of a recording, and what it says of a file that is none."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hakeep.cli import hakeep as tool
from hakeep.vrrp import messages as m
from hakeep.vrrp.recording import Recorder, encode
from tests.vrrp.stage import LOWER4, VIP4, Stage, instance, vip

#: Unix time less monotonic time: what happened at 0.5 happened half a second after noon.
NOON = 12 * 3600.0


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def tape(ahead: float = NOON) -> str:
    """V takes over from a worse router and loses to a better one; W is not disturbed."""
    s = Stage(instance(priority=150), instance("W", virtual_router_id=52, addresses=(vip(VIP4[1]),)))
    recorder = Recorder(s.engine)
    for now, event in (
        (0.5, s.packet(100, at=0.5)), (3.4140625, m.Ticked()),
        (3.42, m.Applied((("eth0", vip(VIP4[0]).address.ip, 32),), ())), (3.42, m.Ticked()),
        (5.0, s.packet(200, at=5.0, source=LOWER4)),
    ):
        recorder.note(now, event)
        s.engine.step(now, event)
    return "\n".join(encode(recorder.take(ahead), b"salt")) + "\n"


Replay = Callable[..., list[str]]


@pytest.fixture
def replay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Replay:
    """Runs `hakeep replay` over a text; its lines."""

    def run(*words: str, text: str = "", status: int = 0) -> list[str]:
        path = tmp_path / "tape"
        path.write_text(text or tape())
        assert tool.main(["replay", str(path), *words]) == status
        captured = capsys.readouterr()
        return (captured.err if status else captured.out).splitlines()

    return run


def test_each_step_is_shown(replay: Replay) -> None:
    lines = replay()
    assert lines[0] == "12:00:00.500000  VRRPv2 advert, VRID 51, priority 100, from 10.9.0.2 on eth0"
    at = lines.index("12:00:03.414062  time has passed")
    assert "                 V: BACKUP -> MASTER" in lines[at:]
    assert "                 V: advertise priority 150" in lines[at:]
    assert "                 log notice: (V) Entering MASTER STATE" in lines[at:]
    assert f"                 V: announce {VIP4[0]} (5 times)" in lines[at:]
    assert f"12:00:03.420000  the kernel has +{VIP4[0]}/32" in lines
    assert "                 V: MASTER -> BACKUP" in lines


def test_without_a_wall_clock_times_are_monotonic(replay: Replay) -> None:
    assert replay(text=tape(0.0))[0].startswith("0.500000  ")
    assert replay(text=tape(1e300))[0].startswith("0.500000  ")


def test_one_router_and_changes_only(replay: Replay) -> None:
    assert not any("VRID 51, priority 100" in line for line in replay("--changes"))
    mine, others = replay("--router", "V"), replay("--router", "W")
    assert any("Entering MASTER STATE" in line for line in mine)
    assert mine[0].startswith("12:00:00.500000") and not any("V:" in line for line in others)
    (said,) = replay("--router", "X", status=1)
    assert said.endswith("there is no instance 'X' in it; there are V, W")


def test_json_for_programs(replay: Replay) -> None:
    documents = [json.loads(line) for line in replay("--json")]
    assert documents[1]["states"] == {"V": "MASTER", "W": "BACKUP"}
    assert documents[1]["now"] == 3.4140625 and documents[1]["failure"] == ""


def test_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(tape()))
    assert tool.main(["replay", "-"]) == 0
    assert "Entering MASTER STATE" in capsys.readouterr().out


def test_a_failing_engine_is_shown(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    text = tape()

    def fail(*_: object) -> None:
        raise ZeroDivisionError("no reason")

    monkeypatch.setattr("hakeep.vrrp.router.VirtualRouter.become_master", fail)
    lines = replay(text=text)
    assert lines[-2:] == ["12:00:03.414062  time has passed",
                          "                 THE ENGINE FAILS: ZeroDivisionError: no reason"]


def test_another_version_is_mentioned(
    replay: Replay, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tape"
    path.write_text(tape())
    monkeypatch.setattr("hakeep.__version__", "9.9")
    assert tool.main(["replay", str(path)]) == 0
    assert "this; version 9.9 may act otherwise" in capsys.readouterr().err


@pytest.mark.parametrize("damage", [lambda text: "not a recording\n", lambda text: text[:-200],
                                    lambda text: text.replace("eth0", "eth1", 1)])
def test_a_damaged_file_is_one_sentence(replay: Replay, damage: Callable[[str], str]) -> None:
    said = replay(text=damage(tape()), status=1)
    assert len(said) == 1 and said[0].startswith("hakeep: /")


def test_bytes_directories_and_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bytes").write_bytes(os.urandom(64) + b"\xff")
    (tmp_path / "empty").write_bytes(b"")
    for name in ("bytes", "empty", ".", "missing"):
        assert tool.main(["replay", str(tmp_path / name)]) == 1
        said = capsys.readouterr().err.splitlines()
        assert len(said) == 1 and str(tmp_path) in said[0]
