"""One boot for some scenes of director_player.py."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boot
import pytest

SCHEDULERS = ("rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq")
MODULES = ("ipv6", "veth", "bridge", "ipip", "sit", "ip6_tunnel", "fou", "ip_gre", "sctp", "sch_ingress", "cls_u32",
           "act_skbedit", "ip_vs", *(f"ip_vs_{name}" for name in SCHEDULERS), "ip_vs_pe_sip")
TOOLS = {"ipvsadm": "ipvsadm", "keepalived": "keepalived", "tc": "iproute2", "nginx": "nginx", "openssl": "openssl"}

#: Seconds for all of it, from the boot to the halt.
LIMIT = 300.0

Record = dict[str, Any]


def play(folder: Path, scenes: Sequence[str]) -> Record:
    """What was seen in each scene. Without UML the tests are skipped; with CI=true that is a failure."""
    try:
        records = boot.play(folder, scenes, LIMIT, player="director_player.py", modules=MODULES, tools=TOOLS)
    except boot.CannotBoot as reason:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"no User Mode Linux: {reason}")
    for name, record in records.items():
        assert "error" not in record, f"{name}: {record['error']}"
    return {name: record["result"] for name, record in records.items()}
