"""A short run of fuzz.py, and proof that it would notice."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).with_name("fuzz.py")


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hakeep_fuzz", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["hakeep_fuzz"] = module
    spec.loader.exec_module(module)
    return module


def test_a_short_run_as_a_program() -> None:
    command = [sys.executable, str(SCRIPT), "--inputs", "60000", "--seed", "20"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seed 20: 60000 inputs" in done.stdout
    assert "no unexpected exception" in done.stdout


def test_inputs_reach_every_counter(fuzz: ModuleType) -> None:
    statistics: Counter[str] = Counter()
    assert fuzz.fuzz(100_000, 1, statistics) is None
    reached = {outcome.partition(": ")[2] for outcome in statistics}
    harder = {"auth_ext_replay"}  # needs two packets
    assert set(fuzz.COUNTERS) - set(fuzz.NOTES) - harder <= reached


def test_a_failure_is_reported(
    fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fragile(data: bytes) -> str:
        return "decoded" if data[2] != 0xFF else "refused"

    aims = [fuzz.Target("fragile", fragile, [bytes(30)])]
    monkeypatch.setattr(fuzz, "targets", lambda: aims)
    assert fuzz.main(["--inputs", "10000", "--seed", "3"]) == 1
    printed = capsys.readouterr().out
    assert "FAILED: fragile" in printed
    assert "IndexError" in printed
    assert "input: " in printed
