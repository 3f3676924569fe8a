"""The systemd unit, as far as that can be known without booting."""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "conf" / "hakeep.service"


def settings() -> dict[str, str]:
    found: dict[str, list[str]] = defaultdict(list)
    for line in UNIT.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found[name].append(value)
    return {name: " ".join(values) for name, values in found.items()}


def test_what_the_daemon_relies_on() -> None:
    unit = settings()
    assert unit["Type"] == "notify"
    assert unit["ExecReload"].endswith("kill -HUP $MAINPID")
    assert "--dont-fork" in unit["ExecStart"]
    assert unit["KillMode"] == "control-group", "workers that have lost their supervisor get time to hand over"
    assert int(unit["LimitNOFILE"]) >= 4 * 1000, "two sockets of each of a thousand instances, in two processes"
    assert unit["RuntimeDirectory"] == "hakeep"
    assert unit["RuntimeDirectoryPreserve"] == "yes", "standby and the record outlive a stop, not only a restart"
    assert "WatchdogSec" in unit
    assert set(unit["CapabilityBoundingSet"].split()) == {
        "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_SYS_NICE", "CAP_IPC_LOCK", "CAP_SETUID", "CAP_SETGID", "CAP_KILL",
        "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_NET_BIND_SERVICE",
    }  # fmt: skip
    assert not unit.keys() & {"ProtectKernelTunables", "RestrictRealtime", "NoNewPrivileges", "PrivateTmp", "User"}


def test_systemd_understands_it(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    copy = tmp_path / "hakeep.service"
    text = UNIT.read_text().replace("/usr/bin/hakeepd", "/bin/true")  # it wants to see the program
    copy.write_text("".join(line + "\n" for line in text.splitlines() if not line.startswith("Documentation=")))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True)
    complaints = [line for line in (done.stdout + done.stderr).splitlines() if "hakeep" in line]
    assert complaints == []
