"""Pools: weights, inhibit, quorum, sorry server, as F.4 has them; each test says where we differ, and why."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from hakeep.config.settled import Script
from hakeep.config.settled_lvs import AgentProbe, BfdProbe, Check, FileProbe, MiscProbe, Peer
from hakeep.lvs import messages as m
from hakeep.lvs.lineup import Health, Lineup, Standing, health, line_up, part, slow_weight
from hakeep.objects.ipvs import WEIGHT_MAX, Forward, Service, ServiceKey
from hakeep.vrrp.messages import Log
from tests.lvs.stage import QUICK, VIP, Stage, http, real, script, service, sorry, tcp, three, virtual

ONE, TWO, THREE, SORRY = "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.99"
RS, VS = "[10.0.0.{}]:tcp:80", f"[{VIP}]:tcp:80"


def fail(stage: Stage, *ips: str) -> Stage:
    """These servers are sick from now on, and it has been found out."""
    stage.sick.update(ips)
    return stage.until(stage.now + 13.0)


def heal(stage: Stage, *ips: str) -> Stage:
    stage.sick.difference_update(ips)
    return stage.until(stage.now + 11.0)


def settled(*servers: object, **fields: object) -> Stage:
    """After the first round of checks, with the effects of the start taken away."""
    stage = Stage(*servers, **fields).until(2.0)  # type: ignore[arg-type]
    stage.effects.clear()
    return stage


# ---------------------------------------------------------------------------------------------------------- start


def test_start_assumes_that_all_are_well() -> None:
    """As keepalived (F.4): all are in at once, "Gained quorum", quorum_up runs."""
    stage = Stage(three(quorum_up=script("up"), quorum_down=script("down")))
    assert stage.weights() == {ONE: 1, TWO: 1, THREE: 1}
    assert stage.logged(f"Gained quorum 1+0=1 <= 3 for VS {VS}")
    assert (stage.told(), stage.scripts()) == ([f"VS {VS} UP"], ["up"])


def test_start_with_alpha_waits_for_proof() -> None:
    """As keepalived: "Starting with quorum down", sorry server at once."""
    stage = Stage(virtual(real(ONE, checks=[tcp(ONE, alpha=True)]), sorry=sorry(), quorum_down=script("down")))
    assert stage.weights() == {SORRY: 1}
    assert stage.logged(f"Starting with quorum down for VS {VS}")
    assert stage.logged(f"Adding sorry server {RS.format(99)} to VS {VS}")
    assert stage.told() == [f"VS {VS} DOWN"]
    stage.until(2.0)
    assert stage.weights() == {ONE: 1}
    assert stage.told(1.0) == [f"RS {RS.format(1)} {VS} UP", f"VS {VS} UP"]


def test_start_with_an_inhibited_alpha_server_has_it_with_weight_0() -> None:
    """As keepalived: an inhibit server is always added."""
    stage = Stage(virtual(real(ONE, checks=[tcp(ONE, alpha=True)], inhibit=True), real(TWO)))
    assert stage.weights() == {ONE: 0, TWO: 1}


@pytest.mark.parametrize(("on", "lines"), [(False, []), (True, [f"RS {RS.format(1)} {VS} UP",
                                                               f"RS {RS.format(2)} {VS} DOWN"])])
def test_rs_init_notifies(on: bool, lines: list[str]) -> None:
    """As keepalived: the first states of real servers are told only if this is set."""
    servers = (real(ONE, notify_up=script("one-up")), real(TWO, checks=[tcp(TWO, alpha=True)]))
    stage = Stage(virtual(*servers), rs_init_notifies=on)
    assert stage.told() == [*lines, f"VS {VS} UP"]
    assert stage.scripts() == (["one-up"] if on else [])


def test_a_server_without_checks_is_always_up() -> None:
    assert fail(Stage(virtual(real(ONE, checks=[]))), ONE).weights() == {ONE: 1}


# ---------------------------------------------------------------------------------------------------------- one fails


@pytest.mark.usefixtures("exact")
def test_a_failed_server_is_removed_and_comes_back() -> None:
    """As keepalived: the kernel first, then log, script and FIFO."""
    stage = settled(virtual(real(ONE, notify_up=script("up"), notify_down=script("down")), real(TWO)))
    fail(stage, ONE)
    assert stage.weights() == {TWO: 1}
    assert stage.logged("TCP_CHECK on service [10.0.0.1]:tcp:80 failed after 1 retries. Connection refused")
    assert stage.logged(f"Removing service {RS.format(1)} from VS {VS}")
    kinds = [type(effect) for at, effect in stage.effects if at == 13.0 and not isinstance(effect, m.Ask)]
    assert kinds == [m.Reconcile, Log, Log, m.Tell, m.Changed, m.Remember]
    assert (stage.told(), stage.scripts()) == ([f"RS {RS.format(1)} {VS} DOWN"], ["down"])
    heal(stage, ONE)
    assert stage.weights() == {TWO: 1, ONE: 1}
    assert stage.logged(f"Adding service {RS.format(1)} to VS {VS}")
    assert (stage.told()[1:], stage.scripts()) == ([f"RS {RS.format(1)} {VS} UP"], ["down", "up"])


def test_inhibit_keeps_it_with_weight_0() -> None:
    """As keepalived (SET_DEST weight 0, and back)."""
    stage = settled(virtual(real(ONE, 3, inhibit=True), real(TWO)))
    fail(stage, ONE)
    assert stage.weights() == {ONE: 0, TWO: 1}
    assert stage.logged(f"Disabling service {RS.format(1)} from VS {VS}")
    heal(stage, ONE)
    assert stage.weights() == {ONE: 3, TWO: 1}
    assert stage.logged(f"Enabling service {RS.format(1)} to VS {VS}")


def test_all_checks_must_pass() -> None:
    """As keepalived: AND of checkers; DOWN is told when the first fails, UP when none does any more."""
    stage = settled(virtual(real(ONE, checks=[tcp(ONE), tcp("10.1.0.1")]), real(TWO)))
    for sick, up in (({ONE}, False), ({ONE, "10.1.0.1"}, False), ({"10.1.0.1"}, False), (set(), True)):
        stage.sick = sick
        stage.until(stage.now + 13.0)
        assert (ONE in stage.weights()) is up
    assert stage.told() == [f"RS {RS.format(1)} {VS} DOWN", f"RS {RS.format(1)} {VS} UP"]


def test_names_in_a_firewall_mark_service() -> None:
    stage = settled(replace(
        virtual(real(ONE), real(TWO)), name="fwmark 5", label="FWM 5",
        services=(Service(ServiceKey(4, 0, None, 0, 5)),)))
    fail(stage, ONE)
    assert stage.told() == ["RS [10.0.0.1]:none:80 FWM 5 DOWN"]


# ---------------------------------------------------------------------------------------------------------- quorum


TABLE = [
    # quorum, hysteresis, weight, had it before, has it then
    (1, 0, 0, False, False), (1, 0, 1, False, True), (1, 0, 1, True, True), (1, 0, 0, True, False),
    (2, 1, 2, False, False), (2, 1, 3, False, True), (2, 1, 2, True, True), (2, 1, 1, True, True),
    (2, 1, 0, True, False), (3, 1, 1, True, False), (3, 1, 2, True, True), (3, 1, 3, False, False),
    (3, 1, 4, False, True), (10, 9, 1, True, True), (10, 9, 18, False, False), (10, 9, 19, False, True),
    (1, 1, 0, True, False), (1, 1, 1, True, True),
]


@pytest.mark.parametrize(("quorum", "hysteresis", "weight", "before", "after"), TABLE)
def test_quorum_edges(quorum: int, hysteresis: int, weight: int, before: bool, after: bool) -> None:
    """As keepalived: up edge sum >= quorum + hysteresis, down edge sum = 0 or sum < quorum - hysteresis."""
    settings = virtual(real(ONE, weight, checks=[]), quorum=quorum, hysteresis=hysteresis)
    was = Lineup(before, False, 0, (Standing(True, False, weight, weight, 0.0),), None, 0.0)
    found = line_up(settings, [Health(True, False, weight)], was, 1.0)
    assert found.quorum is after
    assert found.total == weight


def test_quorum_lost_and_gained_as_captured() -> None:
    """As keepalived [uml]: weights 2 and 3, quorum 2, hysteresis 1; weight 2 back changes nothing, 3 back gains it."""
    stage = settled(virtual(
        real(ONE, 2), real(TWO, 3, inhibit=True), quorum=2, hysteresis=1, sorry=sorry(),
        quorum_up=script("up"), quorum_down=script("down")))
    fail(stage, TWO)
    assert stage.weights() == {ONE: 2, TWO: 0}
    fail(stage, ONE)
    assert stage.weights() == {TWO: 0, SORRY: 1}
    assert stage.logged(f"Lost quorum 2-1=1 > 0 for VS {VS}")
    assert stage.logged(f"Adding sorry server {RS.format(99)} to VS {VS}")
    heal(stage, ONE)
    assert stage.weights() == {TWO: 0, SORRY: 1}
    heal(stage, TWO)
    assert stage.weights() == {ONE: 2, TWO: 3}
    assert stage.logged(f"Gained quorum 2+1=3 <= 5 for VS {VS}")
    assert stage.logged(f"Removing sorry server {RS.format(99)} from VS {VS}")
    assert stage.told() == [
        f"RS {RS.format(2)} {VS} DOWN", f"RS {RS.format(1)} {VS} DOWN", f"VS {VS} DOWN",
        f"RS {RS.format(1)} {VS} UP", f"RS {RS.format(2)} {VS} UP", f"VS {VS} UP"]
    assert stage.scripts() == ["down", "up"]


def test_who_recovers_beside_the_sorry_server_is_not_said_to_be_added() -> None:
    """Differs on purpose (J.8): keepalived says "Adding service" and adds nothing."""
    stage = settled(three(quorum=3, sorry=sorry()))
    fail(stage, ONE, TWO)
    assert stage.weights() == {SORRY: 1}
    stage.effects.clear()
    heal(stage, ONE)
    assert stage.weights() == {SORRY: 1}
    assert not stage.logged("Adding")
    assert stage.logged(f"service {RS.format(1)} is well again, but the sorry server of VS {VS} serves until the "
                        "quorum is reached: 2 of 3")
    stage.effects.clear()
    fail(stage, THREE)
    assert not stage.logged("Removing")
    assert stage.logged(f"service {RS.format(3)} has failed too; the sorry server of VS {VS} serves")


def test_remaining_servers_go_when_the_quorum_is_lost_and_a_sorry_server_exists() -> None:
    """As keepalived: the alive ones are removed, inhibited ones get weight 0."""
    stage = settled(virtual(real(ONE), real(TWO), real(THREE, inhibit=True), quorum=3, sorry=sorry()))
    fail(stage, ONE)
    assert stage.weights() == {THREE: 0, SORRY: 1}
    assert stage.logged(f"Removing alive servers from the pool of VS {VS}")
    assert stage.told() == [f"RS {RS.format(1)} {VS} DOWN", f"VS {VS} DOWN"]


def test_remaining_servers_stay_without_a_sorry_server() -> None:
    """As keepalived."""
    stage = settled(three(quorum=3))
    fail(stage, ONE)
    assert stage.weights() == {TWO: 1, THREE: 1}
    assert stage.told() == [f"RS {RS.format(1)} {VS} DOWN", f"VS {VS} DOWN"]
    fail(stage, TWO, THREE)
    assert stage.weights() == {}
    heal(stage, THREE)
    assert stage.weights() == {THREE: 1}


def test_sorry_server_with_a_method_of_its_own_and_inhibit() -> None:
    """As keepalived: it is always there, with weight 0 while it does not serve."""
    stage = settled(virtual(real(ONE, forward=Forward.ROUTE), sorry=sorry(forward=Forward.MASQ, inhibit=True)))
    assert stage.weights() == {SORRY: 0, ONE: 1}
    fail(stage, ONE)
    assert stage.weights() == {SORRY: 1}
    assert stage.logged(f"Enabling sorry server {RS.format(99)} to VS {VS}")
    assert {d.forward for d in stage.table.destinations.values()} == {Forward.MASQ}
    heal(stage, ONE)
    assert stage.weights() == {SORRY: 0, ONE: 1}
    assert stage.logged(f"Disabling sorry server {RS.format(99)} from VS {VS}")


def test_a_sorry_server_that_is_also_a_real_server() -> None:
    stage = settled(virtual(real(ONE, inhibit=True), real(TWO), sorry=sorry(ONE), quorum=2))
    assert stage.weights() == {ONE: 1, TWO: 1}
    fail(stage, ONE)
    assert stage.weights() == {ONE: 1}


def test_an_inhibited_sorry_server_does_not_take_the_weight_of_the_real_server_that_it_is() -> None:
    stage = settled(virtual(real(ONE, 5), real(TWO, 5), sorry=sorry(ONE, inhibit=True), quorum=6))
    fail(stage, TWO)
    assert stage.weights() == {ONE: 1}
    heal(stage, TWO)
    assert stage.weights() == {ONE: 5, TWO: 5}


def test_no_moment_without_a_destination_when_places_change() -> None:
    """Differs on purpose: keepalived removes the last real server before it adds the sorry server."""
    stage = settled(three(sorry=sorry()))
    stage.journeys.clear()
    fail(stage, ONE, TWO, THREE)
    heal(stage, ONE, TWO)
    moments = [table for journey in stage.journeys for table in journey]
    assert len(moments) >= 8
    assert all(table.destinations for table in moments)


# ---------------------------------------------------------------------------------------------------------- weights


@pytest.mark.parametrize(("said", "expected"), [(0, 0), (1, 1), (253, 253)])
def test_dynamic_weight(said: int, expected: int) -> None:
    """As keepalived: weight 0 by a dynamic change keeps the entry."""
    check = Check("MISC_CHECK", MiscProbe(Script(("/bin/x",)), 5.0, dynamic=True), QUICK)
    stage = Stage(virtual(real(ONE, 5, checks=[check]), real(TWO)))
    stage.says["MISC_CHECK"] = {"weight": said}
    stage.until(2.0)
    assert stage.weights()[ONE] == expected
    assert stage.logged(f"Changing weight from 5 to {expected} for active service {RS.format(1)} of VS {VS}")


def test_weight_0_by_all_loses_the_quorum() -> None:
    """As keepalived: the sum is 0."""
    stage = Stage(virtual(real(ONE, checks=[Check("FILE_CHECK", FileProbe("/run/w"))]), sorry=sorry()))
    stage.step(m.FileSays("/run/w", -1))
    assert stage.weights() == {SORRY: 1}
    stage.step(m.FileSays("/run/w", 5))
    assert stage.weights() == {ONE: 6}
    stage.step(m.FileSays("/run/other", -1))
    assert stage.weights() == {ONE: 6}


def test_a_server_with_weight_0_stays_in_the_table() -> None:
    stage = Stage(virtual(real(ONE, 0), real(TWO)))
    assert stage.weights() == {ONE: 0, TWO: 1}


def test_bfd_takes_a_server_in_and_out() -> None:
    check = Check("BFD_CHECK", BfdProbe("b"), alpha=True)
    stage = Stage(virtual(real(ONE, checks=[check]), real(TWO)))
    assert stage.weights() == {TWO: 1}
    stage.step(m.SessionIs("b", True))
    assert stage.weights() == {TWO: 1, ONE: 1}
    stage.step(m.SessionIs("b", False))
    assert stage.weights() == {TWO: 1}


def test_what_files_and_sessions_say_holds_for_checks_of_a_reload() -> None:
    stage = Stage(virtual(real(ONE)))
    stage.step(m.FileSays("/run/w", 4))
    stage.reload(virtual(real(ONE, checks=[Check("FILE_CHECK", FileProbe("/run/w"))])))
    assert stage.weights() == {ONE: 5}


def test_an_agent_asks_for_a_part_of_each_weight() -> None:
    """One agent, two virtual servers with different weights: a percentage, not a number."""
    agent = Check("AGENT_CHECK", AgentProbe(Peer(ip_address(ONE), 9)), QUICK)
    a = virtual(real(ONE, 8, checks=[agent]), real(TWO))
    b = virtual(real(ONE, 200, checks=[agent]), real(TWO), port=81)
    stage = Stage(a, b)
    stage.says[ONE] = {"weight": 75}
    stage.until(2.0)
    assert stage.weights(a.name)[ONE] == 6
    assert stage.weights(b.name)[ONE] == 150
    stage.says[ONE] = {"drain": True}
    stage.until(12.0)
    assert stage.weights(a.name) == {ONE: 0, TWO: 1}
    stage.says[ONE] = {}
    stage.until(22.0)
    assert stage.weights(a.name)[ONE] == 6


@pytest.mark.parametrize(("weight", "percent", "expected"), [(0, 50, 0), (1, 50, 1), (3, 50, 1), (10, 0, 0), (10, 1, 1),
                                                             (10, 256, 25)])
def test_part(weight: int, percent: int, expected: int) -> None:
    assert part(weight, percent) == expected


@pytest.mark.parametrize("plus", [2**31 - 1, -(2**31) + 1])
def test_weights_stay_in_their_range(plus: int) -> None:
    check = Check("FILE_CHECK", FileProbe("/run/w"))
    stage = Stage(virtual(real(ONE, 5, checks=[check]), real(TWO)))
    stage.step(m.FileSays("/run/w", plus))
    assert stage.weights()[ONE] == (WEIGHT_MAX if plus > 0 else 0)


# ---------------------------------------------------------------------------------------------------------- slow start


def test_slow_start_grows_from_a_tenth_in_ten_steps() -> None:
    stage = settled(virtual(real(ONE, 100, slow_start=90.0), real(TWO, 100)))
    assert stage.weights()[ONE] == 100  # not at the start: servers have been running for long
    fail(stage, ONE)
    stage.sick.clear()
    seen: list[tuple[float, int]] = []
    while stage.now < 200.0:
        stage.until(stage.now + 0.5)
        weight = stage.weights().get(ONE)
        if weight is not None and (not seen or seen[-1][1] != weight):
            seen.append((stage.now, weight))
    began = seen[0][0]
    assert [weight for _, weight in seen] == [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    assert [round(at - began) for at, _ in seen] == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]
    assert stage.logged("Adding service [10.0.0.1]:tcp:80 to VS [10.0.0.100]:tcp:80, its weight grows over 90 s")
    assert stage.pool.now.reals[0].slow_since is None
    assert stage.engine.deadline < 1e9 and len(stage.engine.agenda) == 2


def test_slow_start_is_for_those_who_failed_and_not_for_those_who_were_not_heard_yet() -> None:
    checks = [tcp(ONE, alpha=True)]
    assert Stage(virtual(real(ONE, 100, checks=checks, slow_start=90.0))).until(2.0).weights() == {ONE: 100}


def test_slow_start_does_not_hold_up_the_quorum() -> None:
    """A server is entitled to its weight; a sorry server need not serve until it has grown."""
    stage = settled(virtual(real(ONE, 10, slow_start=60.0), quorum=10, sorry=sorry()))
    heal(fail(stage, ONE), ONE)
    assert stage.weights() == {ONE: 1}


def test_slow_start_ends_with_a_new_failure() -> None:
    stage = settled(virtual(real(ONE, 10, slow_start=60.0), real(TWO)))
    heal(fail(stage, ONE), ONE)
    fail(stage, ONE)
    assert stage.weights() == {TWO: 1}
    assert len(stage.engine.agenda) == 2  # no timer of a pool is left


@pytest.mark.parametrize("weight", [0, 1, 2, 9, 10, 100, WEIGHT_MAX])
@pytest.mark.parametrize("seconds", [0.1, 1.0, 7.3, 3600.0])
def test_steps_of_a_slow_start(weight: int, seconds: float) -> None:
    """Each timer is in the future, weights only grow, and the end is the whole weight."""
    now, last, steps = 1e6, -1, 0
    while True:
        found, due = slow_weight(weight, seconds, 1e6, now)
        assert last <= found <= weight
        assert due > now or found == weight
        last, steps = found, steps + 1
        if due >= 1e6 + seconds - 1e-9 and found == weight:
            break
        now = due
    assert steps <= 10


# ---------------------------------------------------------------------------------------------------------- panic


def many(count: int, **fields: object) -> object:
    return virtual(*(real(f"10.0.0.{n}") for n in range(1, count + 1)), **fields)


def test_panic_keeps_all_and_ends_with_hysteresis() -> None:
    stage = settled(many(10, panic_threshold=50))
    fail(stage, *(f"10.0.0.{n}" for n in range(1, 6)))
    assert len(stage.weights()) == 5  # half of them are up: not fewer
    fail(stage, "10.0.0.6")
    assert len(stage.weights()) == 10
    assert stage.logged(f"VS {VS}: only 4 of 10 real servers are well, fewer than 50 %: failed ones stay in")
    assert stage.logged(f"service {RS.format(6)} of VS {VS} has failed, but stays")
    heal(stage, "10.0.0.6")
    assert len(stage.weights()) == 10  # half would do to stay out of a panic, not to leave one
    assert stage.logged(f"service {RS.format(6)} of VS {VS}, which had stayed, is well again")
    heal(stage, "10.0.0.5")
    assert len(stage.weights()) == 6
    assert stage.logged(f"VS {VS}: 6 of 10 real servers are well: failed ones are taken out again")
    assert f"RS {RS.format(6)} {VS} DOWN" in stage.told()  # what is told of servers is true all the same


def test_panic_keeps_the_quorum_too() -> None:
    stage = settled(many(3, panic_threshold=34, sorry=sorry()))
    fail(stage, ONE, TWO, THREE)
    assert set(stage.weights()) == {ONE, TWO, THREE}
    assert not any(line.startswith("VS") for line in stage.told())


def test_panic_does_not_take_in_who_was_never_proved_well() -> None:
    servers = (real(f"10.0.0.{n}", checks=[tcp(f"10.0.0.{n}", alpha=True)]) for n in (1, 2, 3))
    stage = Stage(virtual(*servers, panic_threshold=90), sick=(ONE, TWO))
    assert stage.weights() == {}
    stage.until(2.0)
    assert set(stage.weights()) == {ONE, TWO, THREE}  # now they were heard: one of three is well


def test_panic_leaves_out_who_is_not_heard_while_others_stay() -> None:
    slow = replace(QUICK, warmup=1e6)
    unheard = real("10.0.0.9", checks=[tcp("10.0.0.9", alpha=True, timing=slow)])
    stage = Stage(virtual(real(ONE), real(TWO), unheard, panic_threshold=60), sick=(ONE,)).until(2.0)
    assert stage.pool.now.panic
    assert set(stage.weights()) == {ONE, TWO}


def test_panic_does_not_undo_orders() -> None:
    stage = settled(many(3, panic_threshold=90))
    stage.order("down", ONE)
    assert set(stage.weights()) == {TWO, THREE}
    fail(stage, TWO)
    assert set(stage.weights()) == {TWO, THREE}


def test_panic_is_off_by_default() -> None:
    assert fail(settled(many(3)), ONE, TWO, THREE).weights() == {}


# ---------------------------------------------------------------------------------------------------------- health


@pytest.mark.parametrize(("order", "expected"), [
    (None, Health(True, False, 5)),
    (("drain", 0), Health(True, False, 0, drained=True)),
    (("down", 0), Health(False, True, 5, ordered_down=True)),
    (("weight", 7), Health(True, False, 7)),
    (("weight", 0), Health(True, False, 0)),
    (("ready", 0), Health(True, False, 5)),
])
def test_orders_on_a_healthy_server(order: tuple[str, int] | None, expected: Health) -> None:
    given = m.Ordered(order[0], ip_address(ONE), 80, weight=order[1]) if order else None
    assert health(real(ONE, 5, checks=[]), (), given) == expected


@pytest.mark.usefixtures("exact")
def test_a_pool_with_an_http_check_of_two_pages_takes_a_round_to_come_back() -> None:
    """As keepalived: n x delay_loop."""
    stage = settled(virtual(real(ONE, checks=[http(ONE, 2)]), real(TWO)), sick=(ONE,))
    assert stage.weights() == {TWO: 1}
    stage.sick.clear()
    stage.until(30.9)
    assert stage.weights() == {TWO: 1}
    stage.until(31.1)  # 11: the failed page; 21 and 31: the round
    assert stage.weights() == {TWO: 1, ONE: 1}


def test_one_server_in_a_group_of_services() -> None:
    """As keepalived: each member of a group has all real servers; without NAT, the port is the member's."""
    members = (service(VIP, 80), service(VIP, 443), Service(ServiceKey(4, 0, None, 0, 9)))
    settings = replace(virtual(real(ONE), real(TWO, forward=Forward.ROUTE)), services=members, name="group g")
    stage = settled(settings)
    rows = {(key.service.port, str(key.ip), key.port) for key in stage.table.destinations}
    assert rows == {(80, ONE, 80), (443, ONE, 80), (0, ONE, 80), (80, TWO, 80), (443, TWO, 443), (0, TWO, 0)}
    fail(stage, ONE)
    assert {str(key.ip) for key in stage.table.destinations} == {TWO}
