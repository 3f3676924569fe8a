"""Usage from elements that count, and rates from two looks."""

from __future__ import annotations

from ipaddress import ip_address

from hakeep.lvs.nat.counting import Meter, count
from hakeep.objects.ipvs import TCP, Counts, Destination, DestinationKey, Service, ServiceKey, Table, Usage

KEY = ServiceKey(4, TCP, ip_address("192.0.2.1"), 80)
FIRST, SECOND = (DestinationKey(KEY, ip_address(f"10.0.0.{last}"), 80) for last in (1, 2))
TABLE = Table.of([Service(KEY, "rr")], [Destination(FIRST), Destination(SECOND)])


def passed(set_: str, by_server: dict[str, tuple[int, int]], family: str = "ip") -> dict[str, object]:
    elements = [
        {"elem": {"val": {"concat": ["tcp", "192.0.2.1", 80, server, 80]},
                  "counter": {"packets": packets, "bytes": octets}}}
        for server, (packets, octets) in by_server.items()]
    return {"set": {"family": family, "name": f"{set_}_services", "elem": elements, "stmt": [{"counter": None}]}}


def came(connections: int) -> dict[str, object]:
    element = {"elem": {"val": {"concat": ["tcp", "192.0.2.1", 80]}, "counter": {"packets": connections, "bytes": 99}}}
    return {"map": {"family": "ip", "name": "services", "stmt": [{"counter": None}],
                    "elem": [[element, {"goto": {"target": "tcp-192.0.2.1-80"}}]]}}


def remembers(*numbers: int, family: str = "ip") -> dict[str, object]:
    elements = [{"elem": {"val": {"concat": [f"192.0.2.{at}", number]}, "timeout": 60, "expires": 59}}
                for at, number in enumerate(numbers)]
    return {"set": {"family": family, "name": "tcp-192.0.2.1-80", "elem": elements}}


def listed(times: int) -> list[dict[str, object]]:
    roster = {"elem": {"val": {"concat": ["tcp", "192.0.2.1", 80, "10.0.0.1", 80]}, "comment": "weight=1"}}
    return [
        came(3 * times), passed("new", {"10.0.0.1": (2 * times, 7), "10.0.0.2": (times, 7)}),
        passed("in", {"10.0.0.1": (10 * times, 1000 * times), "10.0.0.2": (times, 100 * times)}),
        passed("out", {"10.0.0.1": (20 * times, 2000 * times)}), passed("in", {"10.0.0.2": (99, 99)}, "ip6"),
        remembers(1, 1, 3, 9), remembers(1, family="ip6"),
        {"set": {"family": "ip", "name": "servers", "elem": [roster]}},
    ]


def test_counts() -> None:
    usage = Meter().usage(TABLE, count(listed(1)), 100.0, {FIRST: 1, SECOND: 2})
    assert usage == {
        KEY: Usage(None, None, 0, Counts(3, 11, 20, 1100, 2000)),
        FIRST: Usage(None, None, 2, Counts(2, 10, 20, 1000, 2000)),
        SECOND: Usage(None, None, 0, Counts(1, 1, 0, 100, 0)),
    }


def test_rates() -> None:
    meter = Meter()
    meter.usage(TABLE, count(listed(1)), 100.0)
    usage = meter.usage(TABLE, count(listed(11)), 105.0)
    assert usage[FIRST].counts == Counts(22, 110, 220, 11000, 22000, 4, 20, 40, 2000, 4000)
    assert usage[KEY].counts == Counts(33, 121, 220, 12100, 22000, 6, 22, 40, 2200, 4000)
    assert meter.usage(TABLE, count(listed(11)), 106.0)[FIRST].counts[5:] == (0, 0, 0, 0, 0)
    assert meter.usage(TABLE, count([]), 107.0)[FIRST].counts == Counts(), "made anew: no rate runs backwards"


def test_rates_of_a_moment_are_those_of_the_window_before() -> None:
    """Two who ask at the same time do not see thousands of connections a second."""
    meter = Meter()
    meter.usage(TABLE, count(listed(1)), 100.0)
    assert meter.usage(TABLE, count(listed(2)), 100.001)[FIRST].counts == Counts(4, 20, 40, 2000, 4000)
    assert meter.usage(TABLE, count(listed(5)), 102.0)[FIRST].counts[5:] == (4, 20, 40, 2000, 4000)
    assert meter.usage(TABLE, count(listed(6)), 102.001)[FIRST].counts == Counts(12, 60, 120, 6000, 12000, 4, 20, 40,
                                                                                 2000, 4000)
    assert meter.usage(TABLE, count(listed(7)), 103.0)[FIRST].counts[5:] == (4, 20, 40, 2000, 4000)


def test_a_server_that_goes_and_comes_back_is_no_leap() -> None:
    meter = Meter()
    without = Table.of(TABLE.services.values(), [Destination(SECOND)])
    meter.usage(TABLE, count(listed(1)), 100.0)
    rest = [came(6), passed("new", {"10.0.0.2": (2, 7)}), passed("in", {"10.0.0.2": (2, 200)})]
    gone = meter.usage(without, count(rest), 101.0)
    assert gone[KEY].counts == Counts(6, 12, 20, 1200, 2000, 3, 1, 0, 100, 0), "what it had passed counts on"
    assert FIRST not in gone
    anew = [came(6), passed("new", {"10.0.0.2": (2, 7), "10.0.0.1": (1, 7)}),
            passed("in", {"10.0.0.2": (2, 200), "10.0.0.1": (7, 70)})]
    back = meter.usage(TABLE, count(anew), 102.0)
    assert back[FIRST].counts == Counts(1, 7, 0, 70, 0, 1, 7, 0, 70, 0)
    assert back[KEY].counts == Counts(6, 19, 20, 1270, 2000, 0, 7, 0, 70, 0)


def test_a_table_that_was_made_anew_is_no_leap() -> None:
    meter = Meter()
    meter.usage(TABLE, count(listed(5)), 100.0)
    usage = meter.usage(TABLE, count(listed(1)), 101.0)
    assert usage[KEY].counts == Counts(18, 66, 120, 6600, 12000, 3, 11, 20, 1100, 2000)
    assert usage[FIRST].counts == Counts(2, 10, 20, 1000, 2000, 2, 10, 20, 1000, 2000)


def test_a_host_without_names_of_protocols() -> None:
    """nft lists numbers where there is no /etc/protocols. A mark is a number everywhere."""
    listing = passed("in", {"10.0.0.1": (7, 70)})
    listing["set"]["elem"][0]["elem"]["val"]["concat"][0] = TCP  # type: ignore[index]
    assert Meter().usage(TABLE, count([listing]), 1.0)[FIRST].counts.in_packets == 7
    mark = ServiceKey(4, 0, None, 0, 6)
    real = DestinationKey(mark, ip_address("10.0.0.1"), 0)
    table = Table.of([Service(mark, "rr")], [Destination(real)])
    element = {"elem": {"val": {"concat": [6, "10.0.0.1"]}, "counter": {"packets": 3, "bytes": 4}}}
    marked = {"set": {"family": "ip", "name": "in_marks", "elem": [element], "stmt": [{"counter": None}]}}
    assert Meter().usage(table, count([marked]), 1.0)[real].counts[:5] == (0, 3, 0, 4, 0)
