"""Usage from counters and sets, and rates from two looks."""

from __future__ import annotations

from ipaddress import ip_address

from hakeep.lvs.nat.counting import Meter, count
from hakeep.objects.ipvs import TCP, Counts, Destination, DestinationKey, Service, ServiceKey, Table, Usage

KEY = ServiceKey(4, TCP, ip_address("192.0.2.1"), 80)
FIRST, SECOND = (DestinationKey(KEY, ip_address(f"10.0.0.{last}"), 80) for last in (1, 2))
TABLE = Table.of([Service(KEY, "rr")], [Destination(FIRST), Destination(SECOND)])


def counter(name: str, packets: int, octets: int = 0, family: str = "ip") -> dict[str, object]:
    return {"counter": {"family": family, "name": name, "packets": packets, "bytes": octets}}


def listed(times: int) -> list[dict[str, object]]:
    first, second = "tcp-192.0.2.1-80-to-10.0.0.1-80", "tcp-192.0.2.1-80-to-10.0.0.2-80"
    return [
        counter("tcp-192.0.2.1-80.new", 3 * times), counter(f"{first}.new", 2 * times), counter(f"{second}.new", times),
        counter(f"{first}.in", 10 * times, 1000 * times), counter(f"{first}.out", 20 * times, 2000 * times),
        counter(f"{second}.in", 1 * times, 100 * times), counter(f"{second}.in", 99, 99, "ip6"),
        {"set": {"family": "ip", "name": first, "elem": [{"elem": {"val": f"192.0.2.{last}"}} for last in (8, 9)]}},
        {"set": {"family": "ip", "name": second}},
    ]


def test_counts() -> None:
    usage = Meter().usage(TABLE, count(listed(1)), 100.0)
    assert usage == {
        KEY: Usage(counts=Counts(3, 11, 20, 1100, 2000)),
        FIRST: Usage(persistent=2, counts=Counts(2, 10, 20, 1000, 2000)),
        SECOND: Usage(counts=Counts(1, 1, 0, 100, 0)),
    }


def test_rates() -> None:
    meter = Meter()
    meter.usage(TABLE, count(listed(1)), 100.0)
    usage = meter.usage(TABLE, count(listed(11)), 105.0)
    assert usage[FIRST].counts == Counts(22, 110, 220, 11000, 22000, 4, 20, 40, 2000, 4000)
    assert meter.usage(TABLE, count(listed(11)), 106.0)[FIRST].counts[5:] == (0, 0, 0, 0, 0)
    assert meter.usage(TABLE, count([]), 107.0)[FIRST].counts == Counts(), "made anew: no rate runs backwards"
