"""Large configurations load in time. Times are measured against a loop of this interpreter on this machine, as both
slow down together when the machine is busy."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hakeep.config.files import load


def instance(number: int, addresses: int = 1) -> str:
    entries = "".join(f"        10.{n >> 8}.{n & 255}.{number % 250}/24\n" for n in range(addresses))
    return f"""vrrp_instance VI_{number} {{
    state BACKUP
    interface eth{number // 255}
    virtual_router_id {number % 255 + 1}
    priority 100
    advert_int 1
    authentication {{
        auth_type PASS
        auth_pass secret
    }}
    virtual_ipaddress {{
{entries}    }}
}}
"""


def fastest(work: Callable[[], object], times: int = 5) -> float:
    best = float("inf")
    for _ in range(times):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def a_million_additions() -> None:
    """About 20 ms on a quiet machine of 2024."""
    total = 0
    for number in range(1_000_000):
        total += number


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("".join(map(instance, range(255))), 4),  # 80 ms
        ("".join(map(instance, range(1000))), 20),  # 0.4 s
        (instance(1, 5000), 15),  # 0.3 s
    ],
    ids=["255 instances", "1000 instances", "5000 addresses"],
)
def test_loading_is_fast(tmp_path: Path, text: str, budget: float) -> None:
    path = tmp_path / "main.conf"
    path.write_text(text)
    path.chmod(0o644)
    assert load(str(path)).settings.vrrp
    assert fastest(lambda: load(str(path))) < budget * fastest(a_million_additions)


# ------------------------------------------------------------------------------------------------- the whole command

DAEMON = Path(sys.executable).parent / "hakeepd"

#: keepalived's manual has such an example: 65,024 instances by three sequences, more than a million lines.
EXAMPLE = """$VI= \\
track_file offset_${IF}.${NUM}.${ID} { \\
    file "${_PWD}/track/${IF}.${NUM}.${ID}" \\
    weight -100 \\
} \\
vrrp_instance vrrp4.${IF}.${NUM}.${ID} { \\
    interface bond${IF}.${NUM} \\
    use_vmac vrrp4.${IF}.${NUM}.${ID} \\
    virtual_router_id ${ID} \\
    priority 130 \\
    virtual_ipaddress { \\
        10.${IF}.${NUM}.${ID}/24 \\
    } \\
    track_file { \\
        offset_${IF}.${NUM}.${ID} \\
    } \\
}

~SEQ(IF,0,7) ~SEQ(NUM,0,31) ~SEQ(ID,1,254) $VI
"""


def ten_thousand_lines() -> str:
    """500 instances of 20 lines, as large configurations in the field have them."""
    return "".join(f"""vrrp_instance V{n} {{
    version 3
    state BACKUP
    interface eth{n // 250}
    virtual_router_id {n % 250 + 1}
    priority {100 + n % 50}
    advert_int 1
    garp_master_delay 5
    track_interface {{
        lo weight 10
    }}
    virtual_ipaddress {{
        10.{n // 250}.100.{n % 250 + 1}/32
        10.{n // 250}.101.{n % 250 + 1}/32
        10.{n // 250}.102.{n % 250 + 1}/32
        10.{n // 250}.103.{n % 250 + 1}/32
        10.{n // 250}.104.{n % 250 + 1}/32
        10.{n // 250}.105.{n % 250 + 1}/32
    }}
}}
""" for n in range(500))


@pytest.mark.thorough
@pytest.mark.skipif(not DAEMON.exists(), reason="hakeepd is not installed here")
@pytest.mark.parametrize(
    ("text", "seconds", "memory"),
    [(ten_thousand_lines(), 1.0, 256 << 20), (EXAMPLE, 60.0, 1 << 30)], ids=["10,000 lines", "65,024 instances"])
def test_the_configuration_test_is_fast_and_lean(tmp_path: Path, text: str, seconds: float, memory: int) -> None:
    """Of the processor's time, which others' work does not lengthen much."""
    path = tmp_path / "main.conf"
    path.write_text(text)
    path.chmod(0o644)
    spent = []
    for _ in range(3 if seconds < 10 else 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [str(DAEMON), "-t", "-f", str(path)], capture_output=True, check=False, timeout=900,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (memory, memory)))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert done.returncode in (0, 5)
        assert b"Traceback" not in done.stderr
    print(f"\nhakeepd -t: {min(spent):.2f} s of processor time")
    assert min(spent) <= seconds
