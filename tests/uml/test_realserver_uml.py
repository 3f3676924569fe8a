"""`hakeep realserver --tun` on a kernel that has tunnels: realserver_player.py does it inside, here it is judged."""

from __future__ import annotations

import os
from typing import Any

import boot
import pytest
from realserver_player import SCENES

pytestmark = pytest.mark.uml

MODULES = ("ipv6", "veth", "ipip", "sit", "ip6_tunnel")

Record = dict[str, Any]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """What was seen in each scene. Without UML the tests are skipped; with CI=true that is a failure."""
    try:
        return boot.play(
            tmp_path_factory.mktemp("realserver"), list(SCENES), player="realserver_player.py", modules=MODULES)
    except boot.CannotBoot as reason:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"no User Mode Linux: {reason}")


@pytest.fixture(params=list(SCENES))
def record(request: pytest.FixtureRequest, results: Record) -> Record:
    found = results[request.param]
    assert "error" not in found, found["error"]
    return {"vip": SCENES[request.param].vip, **found["result"]}


def test_packets_out_of_tunnels_are_taken_once_it_is_prepared(record: Record) -> None:
    status, said = record["check before"]
    assert status == 1
    assert "missing  " in said
    assert record["served before"] == ""
    assert record["add"][0] == 0, record["add"][1]
    assert record["check"][0] == 0, record["check"][1]
    assert record["served"] == record["vip"]


def test_all_is_as_it_was_afterwards(record: Record) -> None:
    assert record["remove"][0] == 0, record["remove"][1]
    assert record["state after"] == record["state before"]
