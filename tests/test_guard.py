"""The guard knows what is at stake, and releases only what is ours."""

from __future__ import annotations

from ipaddress import ip_address

from hakeep.config.settled import Settings, VirtualAddress, VrrpInstance
from hakeep.guard import IDLE_PATIENCE, Guard, charges, describe
from hakeep.objects.rtnl import Address
from hakeep.vrrp.messages import State
from hakeep.worker import SharedPage, name_check

SETTINGS = Settings(
    vrrp=tuple(
        VrrpInstance(
            name, number, "eth0", advert_int=interval,
            addresses=(VirtualAddress(Address("", ip_address(f"10.0.0.{number}"), 32)),),
        )
        for number, (name, interval) in enumerate((("A", 1.0), ("B", 0.1)), 1)
    )
)


def test_charges_survive_the_way_up_as_json() -> None:
    one, two = charges(describe(SETTINGS))
    assert (one.name, one.interval, one.addresses) == ("A", 1.0, (("eth0", ip_address("10.0.0.1"), 32),))
    assert two.name == "B"


def test_masters_are_those_on_the_page() -> None:
    guard = Guard(SharedPage(), charges(describe(SETTINGS)))
    assert guard.masters() == []
    guard.page.write(0, name_check("A"), State.BACKUP, 0.0, 0)
    guard.page.write(1, name_check("B"), State.MASTER, 1.0, 0)
    assert [charge.name for charge in guard.masters()] == ["B"]


def test_patience_is_two_intervals_and_not_less_than_a_fifth_of_a_second() -> None:
    guard = Guard(SharedPage())
    assert guard.patience == IDLE_PATIENCE, "nothing is at stake but redundancy"
    guard.page.set_stakes(1.0, 2)
    assert guard.patience == 2.0
    assert guard.kill_after == 4.0
    guard.page.set_stakes(0.05, 1)
    assert guard.patience == 0.2
    assert guard.kill_after == 2.0
    guard.page.set_stakes(0.0, 0)
    assert guard.patience == IDLE_PATIENCE
    assert guard.kill_after > guard.patience
