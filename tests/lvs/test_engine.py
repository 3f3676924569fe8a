"""The engine: checks that are shared and limited, reloads, respawns, orders, ha_suspend, the backend, the end."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from ipaddress import ip_address
from math import inf

import pytest

from hakeep.config.settled_lvs import Check, FileProbe, SyncWish
from hakeep.lvs import messages as m
from hakeep.lvs.check import key
from hakeep.lvs.engine import Engine
from hakeep.lvs.ledger import Ledger
from hakeep.lvs.pool import MEMORY
from hakeep.lvs.status import to_document
from hakeep.objects.ipvs import Destination, DestinationKey, SyncDaemon, Table
from hakeep.vrrp.messages import Log
from tests.lvs.stage import QUICK, VIP, Stage, http, peer, real, script, service, sorry, tcp, three, virtual

ONE, TWO, THREE, FOUR, SORRY = "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.99"
RS, VS = "[10.0.0.{}]:tcp:80", f"[{VIP}]:tcp:80"
NAME = f"{VIP} 80"


def kinds(effects: list[m.Effect], *without: type) -> list[type]:
    return [type(effect) for effect in effects if not isinstance(effect, without)]


# ---------------------------------------------------------------------------------------------------------- checks


def test_one_check_serves_all_virtual_servers_that_ask_the_same() -> None:
    """Differs on purpose: keepalived asks 500 times for 10 servers on 50 ports."""
    servers = [virtual(*(real(f"10.0.0.{n}") for n in range(1, 11)), port=port) for port in range(1000, 1050)]
    stage = Stage(*servers, sick=(ONE,)).until(2.0)
    assert len(stage.asked) == 10
    assert all(ONE not in stage.weights(server.name) for server in servers)
    lines = [line for line in stage.told() if line.startswith("RS")]
    assert lines == [f"RS {RS.format(1)} [{VIP}]:tcp:{port} DOWN" for port in range(1000, 1050)]


def test_one_verdict_touches_only_the_virtual_servers_that_use_it() -> None:
    stage = Stage(three(), virtual(real(FOUR), real(TWO), port=81)).until(2.0)
    stage.effects.clear()
    stage.sick.add(FOUR)
    stage.until(20.0)
    reconciled = [effect.only for _, effect in stage.effects if isinstance(effect, m.Reconcile)]
    assert reconciled == [(f"{VIP} 81",)]


@pytest.mark.usefixtures("exact")
def test_the_next_check_comes_after_the_end_of_the_last() -> None:
    stage = Stage(virtual(real(ONE)), latency=4.0).until(40.0)
    assert stage.when(ONE) == [1.0, 15.0, 29.0]


def test_checks_in_flight_are_limited_and_the_rest_wait_in_order() -> None:
    stage = Stage(virtual(*(real(f"10.0.0.{n}") for n in range(1, 8))), latency=5.0, checks_max=3)
    stage.until(1.0)
    status = stage.engine.snapshot(1.0)
    assert (status.checks, status.in_flight, status.waiting) == (7, 3, 4)
    first = [whom for _, whom, _ in stage.asked]
    stage.until(11.5)
    assert [at for at, _, _ in stage.asked] == [1.0] * 3 + [6.0] * 3 + [11.0]
    order = [whom for _, whom, _ in stage.asked]
    assert len(set(order)) == 7 and order[:3] == first


def test_a_removed_check_makes_room() -> None:
    stage = Stage(virtual(real(ONE), real(TWO), real(THREE)), latency=5.0, checks_max=1).until(1.0)
    (_, asked, _), = stage.asked
    rest = [ip for ip in (ONE, TWO, THREE) if ip != asked]
    effects = stage.reload(virtual(*(real(ip) for ip in rest)), checks_max=1)
    assert sum(isinstance(effect, m.Forget) for effect in effects) == 1
    assert [whom for _, whom, _ in stage.asked][1] in rest


def test_an_answer_that_nobody_waits_for_is_ignored() -> None:
    stage = Stage(virtual(real(ONE, checks=[http(ONE, 2)])), latency=2.0).until(1.5)
    name = stage.inquiry(ONE).key
    assert stage.step(m.Probed("unknown", 0, m.Result(False, "x"))) == []
    assert stage.step(m.Probed(name, 1, m.Result(False, "x"))) == []  # of another page
    assert stage.weights() == {ONE: 1}
    stage.until(3.5)
    assert stage.step(m.Probed(name, 1, m.Result(False, "x"))) == []  # not asked
    assert stage.weights() == {ONE: 1}


@pytest.mark.usefixtures("exact")
def test_pages_are_asked_by_number() -> None:
    stage = Stage(virtual(real(ONE, checks=[http(ONE, 3)])))
    stage.until(35.0)
    assert stage.asked == [(1.0, ONE, 0), (11.0, ONE, 1), (21.0, ONE, 2), (31.0, ONE, 0)]


def test_nothing_is_emitted_when_all_is_as_before() -> None:
    stage = Stage(three()).until(5.0)
    stage.effects.clear()
    stage.until(100.0)
    assert {type(effect) for _, effect in stage.effects} == {m.Ask}


# ---------------------------------------------------------------------------------------------------------- reload


@pytest.mark.usefixtures("exact")
def test_a_reload_of_the_same_does_nothing() -> None:
    stage = Stage(three(sorry=sorry()), latency=1.0).until(1.5)
    assert stage.reload(three(sorry=sorry())) == []
    stage.until(12.5)
    assert sorted(stage.when(ONE)) == [1.0, 12.0]


@pytest.mark.usefixtures("exact")
def test_what_failed_stays_out_over_a_reload() -> None:
    """As keepalived: checker state moves over when the checkers are equal."""
    stage = Stage(three(), sick=(ONE,)).until(2.0)
    effects = stage.reload(three(quorum=2, quorum_up=script("up")))
    assert stage.weights() == {TWO: 1, THREE: 1}
    assert kinds(effects, Log) == [m.Changed]
    assert stage.when(ONE) == [1.0]
    stage.until(12.0)
    assert stage.when(ONE) == [1.0, 11.0]


def test_a_changed_check_starts_anew_but_who_was_down_stays_out() -> None:
    stage = Stage(virtual(real(ONE), real(TWO)), sick=(ONE,)).until(2.0)
    stage.reload(virtual(real(ONE, checks=[http(ONE)]), real(TWO, checks=[http(TWO)])))
    assert stage.weights() == {TWO: 1}
    assert "before the reload" in stage.engine.snapshot(2.0).virtual[0].reals[0].why
    stage.sick.clear()
    stage.until(4.0)
    assert stage.weights() == {TWO: 1, ONE: 1}


def test_a_failed_check_that_is_removed_is_no_reason_any_more() -> None:
    stage = Stage(virtual(real(ONE, checks=[tcp(ONE), tcp("10.1.0.1")]), real(TWO)), sick=("10.1.0.1",)).until(2.0)
    assert stage.weights() == {TWO: 1}
    stage.reload(virtual(real(ONE), real(TWO)))
    assert stage.weights() == {ONE: 1, TWO: 1}
    assert f"RS {RS.format(1)} {VS} UP" in stage.told()


def test_a_new_check_beside_a_failed_one_begins_as_configured() -> None:
    stage = Stage(virtual(real(ONE), real(TWO)), sick=(ONE,)).until(2.0)
    stage.reload(virtual(real(ONE, checks=[tcp(ONE), tcp("10.1.0.1")]), real(TWO)))
    assert stage.inquiry("10.1.0.1").verdict.up
    assert not stage.inquiry(ONE).verdict.up


@pytest.mark.parametrize("alpha", [False, True])
def test_a_new_server_starts_as_configured(alpha: bool) -> None:
    """As keepalived: new RS added (alpha: not until checked)."""
    stage = Stage(virtual(real(ONE))).until(2.0)
    stage.reload(virtual(real(ONE), real(TWO, checks=[tcp(TWO, alpha=alpha)])))
    assert stage.weights() == ({ONE: 1} if alpha else {ONE: 1, TWO: 1})
    assert stage.logged(f"Adding service {RS.format(2)} to VS {VS}") is not alpha
    stage.until(4.0)
    assert stage.weights() == {ONE: 1, TWO: 1}
    assert (f"RS {RS.format(2)} {VS} UP" in stage.told()) is alpha


def test_a_removed_server_is_forgotten() -> None:
    stage = Stage(virtual(real(ONE), real(TWO)), sick=(TWO,)).until(2.0)
    gone = stage.inquiry(TWO).key
    assert gone in stage.memory
    effects = stage.reload(virtual(real(ONE)))
    assert m.Forget(gone) in effects
    assert gone not in stage.memory
    assert stage.logged(f"Removing inactive service {RS.format(2)} from VS {VS}")
    assert stage.weights() == {ONE: 1}


def test_a_weight_is_set_by_a_reload() -> None:
    stage = Stage(virtual(real(ONE), real(TWO))).until(2.0)
    stage.changes.clear()
    stage.reload(virtual(real(ONE, 7), real(TWO)))
    assert [type(change).__name__ for change in stage.changes] == ["Replace"]
    assert stage.weights() == {ONE: 7, TWO: 1}


def test_the_quorum_follows_a_reload() -> None:
    stage = Stage(three(sorry=sorry(), quorum_down=script("down"))).until(2.0)
    stage.reload(three(quorum=3, sorry=sorry(), quorum_down=script("down")))
    assert SORRY not in stage.weights()
    stage.reload(virtual(real(ONE), quorum=3, sorry=sorry(), quorum_down=script("down")))
    assert stage.weights() == {SORRY: 1}
    assert stage.scripts() == ["down"]


def test_hysteresis_is_kept_over_a_reload() -> None:
    """Between both edges, what was decides: it is not decided anew."""
    fields = {"quorum": 2, "hysteresis": 1, "sorry": sorry()}
    stage = Stage(three(**fields)).until(2.0)
    stage.sick.update((ONE, TWO))
    stage.until(15.0)
    assert stage.weights() == {THREE: 1}
    stage.reload(three(**fields, omega=True))
    assert stage.weights() == {THREE: 1}


def test_a_sorry_server_comes_and_goes_by_reload() -> None:
    stage = Stage(three(quorum=3), sick=(ONE,)).until(2.0)
    assert stage.weights() == {TWO: 1, THREE: 1}
    stage.reload(three(quorum=3, sorry=sorry()))
    assert stage.weights() == {SORRY: 1}
    assert stage.logged(f"Adding sorry server {RS.format(99)} to VS {VS}")
    stage.reload(three(quorum=3, sorry=sorry("10.0.0.98")))
    assert stage.weights() == {"10.0.0.98": 1}
    assert stage.logged(f"Adding sorry server {RS.format(98)} to VS {VS}")
    stage.reload(three(quorum=3))
    assert stage.weights() == {TWO: 1, THREE: 1}
    assert len([line for line in stage.told() if line.startswith("VS")]) == 2  # UP at the start, DOWN: no more


def test_slow_start_goes_on_over_a_reload() -> None:
    stage = Stage(virtual(real(ONE, 10, slow_start=90.0), real(TWO)), sick=(ONE,)).until(2.0)
    stage.sick.clear()
    stage.until(32.0)
    weight = stage.weights()[ONE]
    assert 1 < weight < 10
    stage.reload(virtual(real(ONE, 10, slow_start=90.0), real(TWO), quorum_up=script("x")))
    assert stage.weights()[ONE] == weight
    stage.until(200.0)
    assert stage.weights()[ONE] == 10


def test_a_removed_virtual_server_leaves_the_table_and_others_are_not_touched() -> None:
    other = virtual(real(FOUR), port=81)
    stage = Stage(three(), other).until(2.0)
    stage.changes.clear()
    effects = stage.reload(other)
    assert [effect.only for effect in effects if isinstance(effect, m.Reconcile)] == [(NAME,)]
    assert len(stage.changes) == 1
    assert {str(key) for key in stage.table.services} == {f"[{VIP}]:tcp:81"}
    assert stage.memory.keys() == {stage.inquiry(FOUR).key, MEMORY + other.name}


def test_a_service_that_moves_to_another_block_is_not_removed() -> None:
    stage = Stage(three()).until(2.0)
    stage.journeys.clear()
    stage.reload(replace(three(), name="group g", label="[group g]:tcp"))
    assert all(table.services and table.destinations for journey in stage.journeys for table in journey)
    assert stage.weights("group g") == {ONE: 1, TWO: 1, THREE: 1}


def test_two_blocks_with_the_same_service() -> None:
    """Differs on purpose: keepalived takes both without a word, and each alters what the other set."""
    first, second = three(), replace(virtual(real(FOUR)), name="group g")
    stage = Stage(first, second).until(2.0)
    assert stage.logged(f"virtual servers '{NAME}' and 'group g' both name {VS}: the first one has it")
    assert set(stage.weights()) == {ONE, TWO, THREE}
    stage.reload(second)
    assert set(stage.weights("group g")) == {FOUR}


def test_services_of_former_configurations_are_ours_until_they_are_gone() -> None:
    other = virtual(real(FOUR), port=81)
    stage = Stage(three(), other).until(2.0)
    stage.stubborn.add(service().key)
    stage.reload(other)
    assert service().key in stage.table.services
    assert service().key in stage.engine.named()
    other = replace(other, quorum_up=script("x"))
    stage.reload(other)
    assert service().key in stage.engine.named()
    stage.stubborn.clear()
    stage.take([m.Reconcile()])
    assert service().key not in stage.table.services
    stage.reload(replace(other, omega=True))
    assert stage.engine.named() == {service(port=81).key}  # now it may be somebody else's


def test_a_service_that_comes_back_in_another_block_is_no_former_one() -> None:
    stage = Stage(three())
    stage.stubborn.add(service().key)
    stage.reload()
    stage.reload(replace(three(), name="group g"), replace(three(), services=(service(port=81),)))
    stage.stubborn.clear()
    stage.take([m.Reconcile((NAME,))])
    assert stage.engine.named((NAME,)) == {service(port=81).key}
    assert service().key in stage.table.services


def test_times_are_kept_over_a_reload() -> None:
    stage = Stage(three(), sick=(ONE,)).until(2.0)
    stage.reload(three(omega=True))
    found = stage.engine.snapshot(2.0).virtual[0]
    assert (found.since, [one.since for one in found.reals]) == (0.0, [1.0, 0.0, 0.0])


# ---------------------------------------------------------------------------------------------------------- respawn


def test_a_respawned_worker_never_starts_with_all_up() -> None:
    settings = three(quorum=2, sorry=sorry(), quorum_down=script("down"))
    stage = Stage(settings, sick=(ONE, TWO)).until(2.0)
    assert stage.weights() == {SORRY: 1}
    again = Stage(settings, sick=(ONE, TWO), memory=stage.memory, start=3.0, have=stage.table)
    assert again.changes == []  # what is there is as wanted
    assert again.told() == [] and again.scripts() == []  # nothing happened
    assert not again.logged("quorum") and not again.logged("sorry")
    again.sick.clear()
    again.until(20.0)
    assert again.weights() == {ONE: 1, TWO: 1, THREE: 1}
    assert again.scripts() == []  # quorum_up is not set
    assert f"VS {VS} UP" in again.told()


def test_who_was_down_before_a_reload_is_down_after_a_respawn() -> None:
    """Its new check has not been heard yet: nobody may take it for well."""
    changed = virtual(real(ONE, checks=[http(ONE)]), real(TWO))
    stage = Stage(virtual(real(ONE, checks=[tcp(ONE, alpha=True)]), real(TWO)), local=(ONE,)).until(2.0)
    stage.reload(changed)
    assert stage.weights() == {TWO: 1}
    again = Stage(changed, memory=stage.memory, start=2.0)
    assert again.weights() == {TWO: 1}


def test_a_respawned_worker_keeps_the_hysteresis() -> None:
    settings = three(quorum=2, hysteresis=1, sorry=sorry())
    stage = Stage(settings).until(2.0)
    stage.sick.add(ONE)
    stage.until(20.0)
    assert set(stage.weights()) == {TWO, THREE}  # 2 of 2+1: it would not be enough to gain the quorum
    again = Stage(settings, sick=(ONE,), memory=stage.memory, start=20.0)
    assert set(again.weights()) == {TWO, THREE}


def test_memory_of_checks_that_are_not_configured_is_given_up() -> None:
    stage = Stage(virtual(real(ONE)), memory={"abc": '{"why":"x"}', f"{MEMORY}gone": "{}", f"{MEMORY}{NAME}": "junk"})
    assert "abc" not in stage.memory and f"{MEMORY}gone" not in stage.memory
    assert json.loads(stage.memory[f"{MEMORY}{NAME}"]) == {"quorum": True, "panic": False}


def test_memory_that_is_broken_is_as_none() -> None:
    check = tcp(ONE)
    stage = Stage(virtual(real(ONE, checks=[check])), memory={key(check): "{broken"})
    assert stage.weights() == {ONE: 1}


# ---------------------------------------------------------------------------------------------------------- orders


def test_drain_keeps_the_entry_with_weight_0_until_undone() -> None:
    stage = Stage(three()).until(2.0)
    stage.order("drain", ONE)
    assert stage.weights() == {ONE: 0, TWO: 1, THREE: 1}
    assert stage.logged(f"ordered: drain [{ONE}]:80")
    assert not [line for line in stage.told() if line.startswith("RS")]  # it is up
    stage.reload(three(omega=True))
    assert stage.weights()[ONE] == 0
    stage.order("ready", ONE)
    assert stage.weights() == {ONE: 1, TWO: 1, THREE: 1}


def test_drained_connections_survive_a_sorry_server() -> None:
    """Differs on purpose: a drain was asked for to keep connections."""
    stage = Stage(virtual(real(ONE), sorry=sorry())).until(2.0)
    stage.order("drain", ONE)
    assert stage.weights() == {ONE: 0, SORRY: 1}


def test_down_is_out_and_told() -> None:
    stage = Stage(three(), virtual(real(ONE), port=81)).until(2.0)
    stage.order("down", ONE, NAME)
    assert ONE not in stage.weights() and stage.weights(f"{VIP} 81") == {ONE: 1}
    assert stage.told()[-1] == f"RS {RS.format(1)} {VS} DOWN"
    assert stage.engine.snapshot(2.0).virtual[0].reals[0].why == "taken out by order"
    stage.until(30.0)
    assert ONE not in stage.weights()  # good checks do not undo it
    stage.order("ready", ONE, NAME)
    assert ONE in stage.weights()


def test_an_ordered_weight_counts_alone() -> None:
    check = Check("FILE_CHECK", FileProbe("/run/w"))
    stage = Stage(virtual(real(ONE, checks=[check]), real(TWO)))
    stage.step(m.FileSays("/run/w", 5))
    stage.order("weight", ONE, weight=50)
    assert stage.weights()[ONE] == 50
    stage.order("ready", ONE)
    assert stage.weights()[ONE] == 6


def test_orders_for_all_and_exceptions_from_them() -> None:
    other = virtual(real(ONE), real(TWO), port=81)
    stage = Stage(three(), other).until(2.0)
    stage.order("drain", ONE)
    stage.order("ready", ONE, other.name)
    assert (stage.weights()[ONE], stage.weights(other.name)[ONE]) == (0, 1)
    assert len(list(stage.engine.orders)) == 2
    stage.order("drain", ONE)
    assert (stage.weights()[ONE], stage.weights(other.name)[ONE]) == (0, 0)
    stage.order("ready", ONE)
    assert list(stage.engine.orders) == []


def test_orders_are_kept_over_restarts_and_for_servers_that_are_not_there() -> None:
    stage = Stage(virtual(real(TWO)))
    stage.order("drain", ONE)
    assert stage.logged("no such real server is configured now; the order is kept")
    again = Stage(three(), orders=stage.engine.orders)
    assert again.weights() == {ONE: 0, TWO: 1, THREE: 1}
    stage.reload(three())
    assert stage.weights() == {TWO: 1, ONE: 0, THREE: 1}


@pytest.mark.parametrize(("what", "weight"), [("explode", 0), ("weight", -1)])
def test_orders_that_make_no_sense(what: str, weight: int) -> None:
    stage = Stage(three())
    stage.order(what, ONE, weight=weight)
    assert stage.weights() == {ONE: 1, TWO: 1, THREE: 1}
    assert stage.logged("order not understood")


# ---------------------------------------------------------------------------------------------------------- suspend


def test_checks_run_only_while_the_address_is_here() -> None:
    """As keepalived; states are kept."""
    stage = Stage(three(ha_suspend=True), sick=(ONE,)).until(50.0)
    assert stage.asked == []
    assert stage.weights() == {ONE: 1, TWO: 1, THREE: 1}
    assert stage.engine.snapshot(50.0).virtual[0].suspended
    stage.step(m.AddressSeen(ip_address(VIP), True))
    stage.until(51.0)  # differs on purpose: at once, spread over a second
    assert len(stage.asked) == 3
    assert stage.weights() == {TWO: 1, THREE: 1}
    stage.sick.clear()
    stage.step(m.AddressSeen(ip_address(VIP), False))
    stage.until(200.0)
    assert len(stage.asked) == 3
    assert stage.weights() == {TWO: 1, THREE: 1}
    assert stage.logged(f"VS {VS}: its address has left: its checks rest (ha_suspend)")
    assert stage.engine.deadline == float("inf")


def test_a_long_warmup_does_not_hold_up_what_comes_with_its_address() -> None:
    checks = [tcp(ONE, timing=replace(QUICK, warmup=1e6))]
    stage = Stage(virtual(real(ONE, checks=checks), ha_suspend=True))
    stage.step(m.AddressSeen(ip_address(VIP), True))
    stage.until(1.0)
    assert len(stage.asked) == 1


def test_a_check_under_way_is_called_off_when_the_address_leaves() -> None:
    stage = Stage(virtual(real(ONE), ha_suspend=True), latency=3.0)
    stage.step(m.AddressSeen(ip_address(VIP), True))
    stage.until(1.5)
    assert len(stage.asked) == 1
    effects = stage.step(m.AddressSeen(ip_address(VIP), False))
    assert m.Forget(stage.inquiry(ONE).key) in effects
    stage.step(m.AddressSeen(ip_address(VIP), True))
    stage.until(2.9)
    assert len(stage.asked) == 2


@pytest.mark.usefixtures("exact")
def test_a_check_that_somebody_else_needs_runs_on() -> None:
    stage = Stage(three(ha_suspend=True), virtual(real(ONE), ip="10.0.0.101")).until(2.0)
    assert stage.when(ONE) == [1.0] and stage.when(TWO) == []
    stage.step(m.AddressSeen(ip_address(VIP), True))
    stage.step(m.AddressSeen(ip_address(VIP), False))
    stage.until(12.0)
    assert stage.when(ONE) == [1.0, 11.0]


def test_ha_suspend_of_a_group_looks_at_all_its_addresses() -> None:
    """Differs on purpose: with keepalived a group never matches."""
    settings = replace(three(ha_suspend=True), services=(service(), service("10.0.0.101")))
    stage = Stage(settings).until(2.0)
    stage.step(m.AddressSeen(ip_address("10.0.0.101"), True))
    stage.until(4.0)
    assert len(stage.asked) == 3
    stage.step(m.AddressSeen(ip_address(VIP), True))
    stage.step(m.AddressSeen(ip_address("10.0.0.101"), False))
    stage.until(20.0)
    assert len(stage.asked) == 6


def test_who_ran_for_another_block_rests_when_that_is_removed() -> None:
    suspended = three(ha_suspend=True)
    stage = Stage(suspended, virtual(real(ONE), ip="10.0.0.101")).until(2.0)
    stage.reload(suspended)
    stage.until(50.0)
    assert stage.when(ONE) == [1.0]


def test_a_reload_can_suspend() -> None:
    stage = Stage(three()).until(2.0)
    stage.reload(three(ha_suspend=True))
    stage.until(50.0)
    assert len(stage.asked) == 3
    stage.reload(three())
    stage.until(53.0)
    assert len(stage.asked) == 6


# ---------------------------------------------------------------------------------------------------------- backend


def test_refusals_are_said_once_and_shown_until_all_is_applied() -> None:
    stage = Stage(three())
    refused = DestinationKey(service().key, ip_address(ONE), 80)
    effects = stage.step(m.Refused(refused, "no memory"))
    assert kinds(effects) == [Log, m.Changed]
    assert stage.logged(f"VS {VS}: [{ONE}]:80 of {VS} is refused: no memory")
    assert stage.step(m.Refused(refused, "no memory")) == []
    stage.step(m.Refused(service().key, "no module"))
    status = stage.engine.snapshot(0.0).virtual[0]
    assert (status.refused, status.reals[0].refused, status.reals[1].refused) == ("no module", "no memory", "")
    assert kinds(stage.step(m.Applied())) == [Log, m.Changed]
    assert stage.engine.snapshot(0.0).virtual[0].refused == ""
    assert stage.step(m.Applied()) == []


def test_what_was_put_back_is_counted() -> None:
    stage = Stage(three())
    keys = tuple(DestinationKey(service().key, ip_address(f"10.0.0.{n}"), 80) for n in range(1, 6))
    stage.step(m.Restored(keys))
    assert stage.logged("somebody else changed the table; put back:") and stage.logged("and 2 more")
    assert stage.engine.snapshot(0.0).restored == 5


def test_who_fights_with_us_gets_a_line_a_second() -> None:
    stage = Stage(three())
    keys = [DestinationKey(service().key, ip_address(f"10.0.0.{n}"), 80) for n in range(1, 6)]
    for _ in range(100):
        stage.step(m.Restored((keys[0],)))
        stage.until(stage.now + 0.05)
    stage.until(stage.now + 2.0)
    lines = [effect.text for _, effect in stage.effects
             if isinstance(effect, Log) and "somebody else" in effect.text]
    assert 5 <= len(lines) <= 7
    row = f"[10.0.0.1]:80 of {service().key}"
    assert lines[0].endswith(f"put back: {row}"), "the first one at once"
    assert re.search(rf"put back: {re.escape(row)} and (18|19|20) more$", lines[1])
    assert stage.engine.hands.due == inf and stage.engine.snapshot(0.0).restored == 100


def test_leftovers_with_our_keys_are_adopted_or_repaired_and_others_left() -> None:
    """Differs on purpose (J.9): keepalived leaves a stale service's scheduler and extra destinations."""
    ours, foreign = service(scheduler="sh"), service("10.0.0.200")
    rows = [
        Destination(DestinationKey(ours.key, ip_address(ONE), 80)),
        Destination(DestinationKey(ours.key, ip_address("10.9.9.9"), 80)),
        Destination(DestinationKey(foreign.key, ip_address(ONE), 80)),
    ]
    stage = Stage(three(), have=Table.of([ours, foreign], rows))
    assert stage.weights() == {ONE: 1, TWO: 1, THREE: 1}
    assert stage.table.services[ours.key].scheduler == "wlc"
    assert foreign.key in stage.table.services and rows[2].key in stage.table.destinations
    assert ("Remove", ours.key) not in [(type(change).__name__, change.key) for change in stage.changes]


def test_changes_are_the_same_from_a_ledger() -> None:
    other = virtual(real(FOUR), port=81)
    stage = Stage(three(), other)
    rows = [Destination(DestinationKey(service().key, ip_address("10.9.9.9"), 80)),
            Destination(DestinationKey(service("10.0.0.200").key, ip_address(ONE), 80))]
    there = Table.of([service(), service("10.0.0.200")], rows)
    for only in ((), (NAME,), (other.name,), ("unknown",)):
        found = stage.engine.changes(Ledger(there), only)
        assert found == stage.engine.changes(there, only)
        assert bool(found) is (only != ("unknown",))


# ---------------------------------------------------------------------------------------------------------- sync daemon


DAEMON = SyncDaemon("", "eth0", 51)


@pytest.mark.parametrize(("wish", "state", "expected"), [
    (None, "MASTER", []),
    (SyncWish(DAEMON), "MASTER", ["master", "backup"]),
    (SyncWish(DAEMON, "V"), "", ["backup"]),
    (SyncWish(DAEMON, "V"), "MASTER", ["master"]),
    (SyncWish(DAEMON, "V"), "BACKUP", ["backup"]),
    (SyncWish(DAEMON, "V"), "FAULT", ["backup"]),
    (SyncWish(DAEMON, "W"), "MASTER", ["backup"]),
])
def test_sync_daemons(wish: SyncWish | None, state: str, expected: list[str]) -> None:
    """As keepalived: the state follows the instance, without one both run."""
    stage = Stage(three(), sync=wish)
    before = stage.engine.daemons()
    effects = stage.step(m.RouterIs("V", state))
    assert [daemon.state for daemon in stage.engine.daemons()] == expected
    assert (m.SyncChanged() in effects) is (before != stage.engine.daemons())
    assert all((daemon.interface, daemon.sync_id) == ("eth0", 51) for daemon in stage.engine.daemons())


def test_sync_daemons_follow_a_reload() -> None:
    stage = Stage(three())
    effects = stage.reload(three(), sync=SyncWish(DAEMON))
    assert effects == [m.SyncChanged()]


# ---------------------------------------------------------------------------------------------------------- stop


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("omega", [False, True])
def test_stop(omega: bool) -> None:
    """As keepalived: silent, but with `omega` down scripts of what is up."""
    settings = virtual(real(ONE, notify_down=script("one-down")), real(TWO, notify_down=script("two-down")),
                       omega=omega, quorum_down=script("down"))
    stage = Stage(settings, sick=(TWO,), latency=0.1).until(11.15)
    stage.effects.clear()
    effects = stage.step(m.Stopped())
    assert stage.table == Table({}, {})
    assert stage.told() == ([f"RS {RS.format(1)} {VS} DOWN", f"VS {VS} DOWN"] if omega else [])
    assert stage.scripts() == (["one-down", "down"] if omega else [])
    assert kinds(effects)[-2:] == [m.Reconcile, m.Finished]
    assert sum(isinstance(effect, m.Forget) for effect in effects) == 2
    assert stage.engine.deadline == float("inf")
    assert stage.step(m.FileSays("/x", 1)) == []


def test_stop_between_checks_and_without_a_quorum() -> None:
    stage = Stage(virtual(real(ONE), omega=True), sick=(ONE,)).until(5.0)
    stage.effects.clear()
    assert stage.engine.deadline < 20.0
    stage.step(m.Stopped())
    assert stage.told() == []  # it is down already
    assert stage.engine.deadline == float("inf")


def test_stop_and_keep_the_table() -> None:
    stage = Stage(three()).until(2.0)
    effects = stage.step(m.Stopped(keep=True))
    assert m.Reconcile() not in effects
    assert stage.weights() == {ONE: 1, TWO: 1, THREE: 1}
    assert len(stage.engine.wanted().destinations) == 3


# ---------------------------------------------------------------------------------------------------------- reports


def test_snapshot_is_plain_data() -> None:
    stage = Stage(
        virtual(real(ONE), real(TWO, slow_start=60.0, weight=10), quorum=2, sorry=sorry()), sick=(TWO,),
        sync=SyncWish(DAEMON)).until(2.0)
    stage.order("drain", ONE)
    document = to_document(stage.engine.snapshot(2.0))
    assert json.loads(json.dumps(document)) == document
    found = document["virtual"][0]
    assert (found["name"], found["state"], found["total"], found["sorry_in_use"]) == (NAME, "DOWN", 0, True)
    one, two = found["reals"]
    assert (one["state"], one["wanted"], one["order"], one["drained"]) == ("UP", 0, "drain", True)
    assert (two["state"], two["wanted"], two["since"]) == ("DOWN", None, 1.0)
    assert two["why"] == "TCP_CHECK: connection refused"
    assert two["checks"][0]["latency"] == 0.001
    assert two["checks"][0]["asked"] == "[10.0.0.2]:tcp:80"
    assert document["orders"] == [{"what": "drain", "ip": ONE, "port": 80, "virtual": "", "weight": 0}]
    assert document["sync"] == ["master", "backup"]
    stage.sick.clear()
    stage.order("ready", ONE)
    stage.until(12.0)
    assert to_document(stage.engine.snapshot(12.0))["virtual"][0]["reals"][1]["slow_start"] is True


def test_snapshot_of_one() -> None:
    engine = Engine(Stage(three(), virtual(real(ONE), port=81)).director, 0.0)
    assert [one.name for one in engine.snapshot(0.0, (NAME,)).virtual] == [NAME]
    assert [str(one) for one in engine.wanted((NAME,)).services] == [VS]
    assert engine.named(("unknown",)) == set()


def test_timing_with_a_warmup_is_spread() -> None:
    stage = Stage(virtual(*(
        real(f"10.0.1.{n}", checks=[tcp(f"10.0.1.{n}", timing=replace(QUICK, warmup=10.0))]) for n in range(1, 101)
    ))).until(11.0)
    assert len(stage.asked) == 100
    assert max(sum(int(at) == second for at, _, _ in stage.asked) for second in range(1, 11)) < 25
    assert {whom for _, whom, _ in stage.asked} == {peer(one.check) for one in stage.engine.roster.inquiries.values()}
