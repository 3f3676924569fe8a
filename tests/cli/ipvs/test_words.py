"""ipvsadm's words and its order. That whole outputs are its own is seen in tests/uml/test_ipvs.py."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hakeep.cli.ipvs import words
from hakeep.objects.ipvs import Destination, DestinationKey, Service, ServiceKey


@pytest.mark.parametrize(("value", "shown", "exact"), [
    (0, "        0", "        0"),
    (99_999_999, " 99999999", " 99999999"),
    (100_000_000, "  100000K", " 100000000"),
    (999_999_999, "  999999K", " 999999999"),
    (1_000_000_000, "    1000M", " 1000000000"),
    (99_999_999_999, "   99999M", " 99999999999"),
    (100_000_000_000, "     100G", " 100000000000"),
    (99_999_999_999_999, "   99999G", " 99999999999999"),
    (100_000_000_000_000, "     100T", " 100000000000000"),
    (2**64 - 1, "18446744T", " 18446744073709551615"),
])  # fmt: skip
def test_numbers(value: int, shown: str, exact: str) -> None:
    assert words.number(value, exact=False) == shown
    assert words.number(value, exact=True) == exact


@given(st.lists(st.tuples(st.integers(0, 9), st.integers())))
def test_the_sort_is_stable(things: list[tuple[int, int]]) -> None:
    assert words.in_order(things, lambda a, b: a[0] - b[0]) == sorted(things, key=lambda each: each[0])


def test_addresses_are_compared_by_the_sign_of_a_32_bit_difference() -> None:
    service = ServiceKey(4, 6, ip_address("192.0.2.1"), 80)

    def compare(one: str, other: str) -> int:
        pair = (Destination(DestinationKey(service, ip_address(ip), 80)) for ip in (one, other))
        return words.compare_destinations(*pair)

    assert compare("10.0.0.1", "10.0.0.2") < 0 < compare("10.0.0.10", "10.0.0.2")
    assert compare("192.168.0.1", "10.0.0.1") < 0 and compare("10.0.0.1", "100.0.0.1") < 0
    assert compare("100.0.0.1", "192.168.0.1") < 0, "a circle"
    assert compare("2001:db8::1", "2001:db8::2") < 0 and compare("fe80::1", "1::1") < 0
    assert compare("10.0.0.1", "10.0.0.1") == 0


def test_services_are_in_the_order_of_mark_family_protocol() -> None:
    keys = [
        ServiceKey(4, 0, None, 0, 2**32 - 1),
        ServiceKey(4, 6, ip_address("10.0.0.9"), 80), ServiceKey(4, 6, ip_address("10.0.0.10"), 79),
        ServiceKey(4, 6, ip_address("10.0.0.10"), 80), ServiceKey(4, 17, ip_address("10.0.0.1"), 80),
        ServiceKey(6, 6, ip_address("2001:db8::1"), 80), ServiceKey(4, 0, None, 0, 5), ServiceKey(6, 0, None, 0, 5),
        ServiceKey(4, 0, None, 0, 6),
    ]  # fmt: skip
    services = [Service(key) for key in keys]
    assert words.in_order(services[::-1], words.compare_services) == services


def test_masks() -> None:
    four, six = ServiceKey(4, 0, None, 0, 5), ServiceKey(6, 0, None, 0, 5)
    assert [words.mask(Service(four, prefix=prefix)) for prefix in (32, 24, 1, 0, -0xFF00FF00)] == [
        "", "255.255.255.0", "128.0.0.0", "0.0.0.0", "255.0.255.0"]
    assert [words.mask(Service(six, prefix=prefix)) for prefix in (128, 64)] == ["", "64"]
