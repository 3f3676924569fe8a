"""How an advert compares with us."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from hakeep.vrrp.receive import Advert
from hakeep.vrrp.standing import Standing, compare


@pytest.mark.parametrize(
    ("priority", "source", "standing"),
    [
        (0, "10.9.0.5", Standing.RESIGNED),
        (101, "10.9.0.2", Standing.BETTER),
        (99, "10.9.0.9", Standing.WORSE),
        (100, "10.9.0.9", Standing.BETTER),
        (100, "10.10.0.2", Standing.BETTER),
        (100, "9.255.255.255", Standing.EQUAL_BELOW),
        (100, "10.9.0.5", Standing.TWIN),
    ],
)
def test_before_a_router_of_priority_100(priority: int, source: str, standing: Standing) -> None:
    advert = Advert(ip_address(source), priority, 1.0, (), 255)
    assert compare(advert, 100, ip_address("10.9.0.5")) is standing


def test_without_an_address_of_our_own_nobody_of_our_priority_is_better() -> None:
    assert compare(Advert(ip_address("10.9.0.9"), 100, 1.0, (), 255), 100, None) is Standing.TWIN
