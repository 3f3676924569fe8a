"""IPVS on a real kernel: `hakeep ipvs` beside ipvsadm(8), and the backend `ipvs`.

ipvs_player.py runs inside User Mode Linux and writes down what it saw; here it is judged.
"""

from __future__ import annotations

import os
from typing import Any

import boot
import ipvs_lines as lines
import pytest

pytestmark = pytest.mark.uml

SCENES = ("accepted", "refused", "restored", "daemons", "connections", "backend")
SCHEDULERS = ("rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "mh", "dh", "fo", "ovf", "sed", "nq")
MODULES = ("ipv6", "ip_vs", *(f"ip_vs_{name}" for name in SCHEDULERS), "ip_vs_pe_sip")

#: Seconds for all of it, from the boot to the halt.
LIMIT = 300.0

Record = dict[str, Any]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """What was seen in each scene. Without UML the tests are skipped; with CI=true that is a failure."""
    folder = tmp_path_factory.mktemp("ipvs")
    try:
        records = boot.play(
            folder, SCENES, LIMIT, player="ipvs_player.py", modules=MODULES, tools={"ipvsadm": "ipvsadm"})
    except boot.CannotBoot as reason:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"no User Mode Linux: {reason}")
    for name, record in records.items():
        assert "error" not in record, f"{name}: {record['error']}"
    return {name: record["result"] for name, record in records.items()}


# --- the same table


def test_there_are_enough_lines() -> None:
    assert len(lines.ACCEPTED) >= 40 and len(lines.SENSELESS) + len(lines.IMPOSSIBLE) >= 40


@pytest.mark.parametrize("line", [*lines.ACCEPTED, *lines.THRESHOLDS, *lines.MARKS])
def test_both_take_this_line(results: Record, line: str) -> None:
    for program in ("theirs", "ours"):
        done = results["accepted"][program]["lines"][line]
        assert (done["status"], done["output"], done["error"]) == (0, "", ""), program


@pytest.mark.parametrize("view", lines.VIEWS)
def test_both_make_the_same_table_and_print_it_alike(results: Record, view: str) -> None:
    """Four outputs: the table that either made, printed by either. Byte for byte."""
    outputs = [results["accepted"][maker]["seen"][printer][view] for maker in ("theirs", "ours")
               for printer in ("theirs", "ours")]
    assert outputs[0]["status"] == 0
    for other in outputs[1:]:
        assert other == outputs[0]


@pytest.mark.parametrize("view", ["-L -n", "-L -n --thresholds", "-L -n --nosort"])
def test_thresholds_and_large_marks_are_listed_alike(results: Record, view: str) -> None:
    seen = [results["accepted"][maker]["seen later"][printer][view] for maker in ("theirs", "ours")
            for printer in ("theirs", "ours")]
    assert seen[0]["status"] == 0 and seen[1:] == seen[:1] * 3


# --- what cannot be


@pytest.mark.parametrize("line", [*lines.SENSELESS, *lines.IMPOSSIBLE])
def test_both_refuse_this_line_with_the_same_status(results: Record, line: str) -> None:
    done = results["refused"][line]
    for program in ("theirs", "ours"):
        assert done[program]["status"] != 0 and not done[program]["changed"], program
    assert done["ours"]["status"] == done["theirs"]["status"]
    assert done["ours"]["error"].startswith(("hakeep ipvs: ", "usage: "))
    assert done["ours"]["output"] == ""


# --- saved and restored


@pytest.mark.parametrize("way", [
    "ours to theirs", "theirs to ours", "names to ours", "ours in full to theirs", "ours in full to ours"])
def test_rules_are_read_by_the_other(results: Record, way: str) -> None:
    found = results["restored"][way]
    assert found["done"] == {"status": 0, "output": "", "error": ""}
    # In another order: ipvsadm's depends on the kernel's, which depends on the order of making.
    assert sorted(found["after"].splitlines()) == sorted(found["before"].splitlines())
    assert (" -x 100 -y 50" in found["after"]) == ("in full" in way)


def test_a_mistake_in_a_later_line_leaves_the_table_as_it_is(results: Record) -> None:
    done = results["restored"]["mistake"]
    assert done["status"] == 2 and "line 2" in done["error"]
    assert results["restored"]["after the mistake"] == ""


def test_a_refused_line_does_not_stop_the_others(results: Record) -> None:
    done = results["restored"]["partly"]
    assert done["status"] == 255 and "[10.0.0.1]:tcp:80 cannot be added: it is there already" in done["error"]
    assert results["restored"]["after the part"].splitlines() == [
        "-A -t 10.0.0.1:80 -s wlc", "-A -t 10.0.0.2:80 -s wlc"]


# --- daemons, connections


def test_daemons_are_started_and_stopped_alike(results: Record) -> None:
    statuses = []
    for theirs, ours in zip(results["daemons"]["theirs"], results["daemons"]["ours"], strict=True):
        statuses.append(theirs[1]["status"])
        assert ours[1]["status"] == theirs[1]["status"], ours
        assert ours[2] == ours[3] == theirs[2] == theirs[3], ours[0]
    assert statuses == [0, 255, 0, 0, 0, 0, 0, 255, 0, 0]


@pytest.mark.parametrize("view", [
    "-Lnc", "-Lc", "-Lnc --persistent-conn", "-Ln", "-Ln --persistent-conn", "-Ln --stats", "-Ln --stats --exact",
    "-Ln --rate", "-Ln --rate --exact", "counted"])
def test_connections_and_their_counts_are_printed_alike(results: Record, view: str) -> None:
    seen = results["connections"][view]
    assert seen["ours"] == seen["theirs"]
    if view == "-Lnc --persistent-conn":
        assert "ESTABLISHED" in seen["ours"] and "12345@example.org" in seen["ours"]
    if view == "counted":
        assert "TCP  10.9.0.1:80                         3        9 " in seen["ours"]


# --- the backend


def test_the_backend_keeps_the_contract_and_more(results: Record) -> None:
    """tests/lvs/backends/test_ipvs.py, which is skipped outside; here nothing is."""
    found = results["backend"]
    trouble = {name: case["trouble"] for name, case in found["cases"].items() if case["trouble"]}
    assert not trouble and found["status"] == 0, found["output"]
    assert "test_after_any_changes_the_table_is_that_of_a_model" in found["cases"] and len(found["cases"]) >= 35
