"""Large configurations load in time. Times are measured against a loop of this interpreter on this machine, as both
slow down together when the machine is busy."""

from __future__ import annotations

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
