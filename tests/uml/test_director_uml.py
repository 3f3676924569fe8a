"""The director's table in IPVS, with hakeepd's own processes: beside keepalived, and with other hands on it.

director_player.py runs inside User Mode Linux and writes down what it saw; here it is judged.
"""

from __future__ import annotations

import director_boot
import director_cases as cases
import director_hands as hands
import pytest
from director_boot import Record

pytestmark = pytest.mark.uml


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """What was seen in each scene."""
    return director_boot.play(tmp_path_factory.mktemp("director"), ("differential", "hands"))


# --- beside keepalived


def test_there_are_enough_cases() -> None:
    assert len(cases.CASES) >= 60 and len({case.name for case in cases.CASES}) == len(cases.CASES)


def test_what_happens_to_the_real_servers_shows_in_keepalived_s_table(results: Record) -> None:
    """Else the comparisons below would compare nothing."""
    moments = results["differential"]["moments"]
    numbers = [[len([line for line in cases.owned(n, moments[moment]["keepalived"]["exact"]) if "-a" in line])
                for moment in cases.MOMENTS] for n, case in enumerate(cases.CASES) if case.name.startswith("scheduler")]
    assert numbers == [[3, 2, 1, 0, 1, 2, 2, 3]] * 13


@pytest.mark.parametrize("moment", [*cases.MOMENTS, "stopped"])
@pytest.mark.parametrize("case", range(len(cases.CASES)), ids=[case.name for case in cases.CASES])
def test_both_make_the_same_table(results: Record, case: int, moment: str) -> None:
    seen = results["differential"]["moments"][moment]
    ours, theirs = (
        [cases.owned(case, seen[daemon][view]) for view in ("plain", "exact")] for daemon in ("hakeepd", "keepalived"))
    logs = results["differential"]["logs"]
    if cases.differ(case, moment):
        assert ours != theirs, "no difference any more"
    else:
        network = cases.words(case)["v"]
        assert ours == theirs, "\n".join(line for log in logs.values() for line in log.splitlines() if network in line)


@pytest.mark.parametrize(("name", "services"), [
    ("group that changes", ["-t {v}1:80", "-t {v}2:80"]),
    ("group that grows and shrinks", ["-f {mark}2", "-t {v}2:80", "-t {v}3:80", "-t {v}4:80"])])
def test_where_keepalived_is_wrong_ours_is_as_configured(results: Record, name: str, services: list[str]) -> None:
    case = next(n for n, each in enumerate(cases.CASES) if each.name == name)
    moments = results["differential"]["moments"]
    wanted = [f"-A {each} -s wrr".format(**cases.words(case)) for each in services]
    found = cases.owned(case, moments["all are back"]["hakeepd"]["plain"])
    assert [line for line in found if line.startswith("-A")] == wanted and len(found) == 4 * len(services)
    assert cases.owned(case, moments["stopped"]["hakeepd"]["plain"]) == []


# --- other hands on the table


@pytest.fixture
def table(results: Record) -> Record:
    """The scene `hands`, which must have come to its end."""
    record = results["hands"]
    assert "trouble" not in record["seen"], f"{record['seen']['trouble']}\n{record['log']}"
    return record


FOREIGN = sorted(hands.FOREIGN)
ALTERED = [line.replace("-w 1", "-w 42") for line in FOREIGN]
OURS = hands.WANTED


def test_what_another_director_left_is_adopted_and_what_is_foreign_stays(table: Record) -> None:
    assert table["seen"]["adopted"] == sorted(OURS + FOREIGN)


def test_what_somebody_altered_is_put_back_and_the_log_says_so(table: Record) -> None:
    seen = table["seen"]
    assert len(set(seen["mischief"]) & set(OURS)) < len(OURS) and seen["seconds"] < 5
    assert "somebody else changed the table; put back: [10.1.0.2]:tcp:80" in table["log"]


def test_what_somebody_does_with_foreign_services_is_theirs(table: Record) -> None:
    assert table["seen"]["foreign"] == sorted(OURS + ALTERED)


def test_the_table_outlives_the_worker_and_the_next_one_repairs_it(table: Record) -> None:
    seen = table["seen"]
    assert seen["without a worker"] == seen["another worker"][-1] == sorted(OURS + ALTERED)
    first_start, others = table["log"].partition("Starting hakeep")[2].partition("Starting hakeep")[::2]
    assert others and "was killed by signal 9" in first_start
    assert first_start.count("Removing service [10.2.0.3]") == 1, "the second worker did not know who is ill"
    assert not [line for each in seen["another worker"] for line in each if "10.2.0.3:80" in line], "who is ill, is in"


def test_when_all_are_killed_the_table_serves_on_and_is_adopted_without_a_gap(table: Record) -> None:
    seen = table["seen"]
    assert seen["all are killed"] == sorted(OURS + ALTERED)
    for moment in seen["a start after that"]:
        assert set(OURS + ALTERED) <= set(moment)


def test_timeouts_are_set_and_given_back(table: Record) -> None:
    before, during, after = (line.strip() for line in table["seen"]["timeouts"])
    assert during == "Timeout (tcp tcpfin udp): 700 60 90"
    assert after == before != during


def test_at_the_end_ours_is_gone_or_stays_as_told(table: Record) -> None:
    seen = table["seen"]
    assert seen["stopped"] == ALTERED
    assert seen["left"] == sorted(OURS + ALTERED)


def test_flushing(table: Record) -> None:
    seen = table["seen"]
    assert seen["flushed"] == sorted(OURS)
    assert seen["flushed at the end"] == []
    assert seen["ours flushed at the end"] == FOREIGN
